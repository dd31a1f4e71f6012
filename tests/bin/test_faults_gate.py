"""bin/test runs the quick fault campaign where it can, and says why where it can't."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from parts import gate, packages


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A machine that has all; what was run on it."""
    ran: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(argv)
        return subprocess.CompletedProcess(argv, 7 if "--quick" in argv else 0, "", "")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(packages, "lacking", lambda _: [])
    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_a_finding_fails_the_gate(able: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert gate.faults() == 7
    assert able[-1][1:] == ["--quick"]
    assert "skipped" not in capsys.readouterr().out


def test_without_root_it_is_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert gate.faults() == 0
    assert "skipped: the fault campaign needs root" in capsys.readouterr().out


def test_without_a_program_it_is_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(packages, "lacking", lambda _: ["dockerd"])
    assert gate.faults() == 0
    assert "skipped: the fault campaign needs dockerd" in capsys.readouterr().out


def test_without_namespaces_it_is_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    refused = subprocess.CompletedProcess(["unshare"], 1, "", "unshare: Operation not permitted\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    assert gate.faults() == 0
    assert "no network namespace can be made here: unshare: Operation not permitted" in capsys.readouterr().out
