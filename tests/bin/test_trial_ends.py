"""However the trial ends: a line of JSON, an exit code, and no folder with secrets."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parts import trial, trial_revisions
from parts.processes import PartError

OPTIONS = argparse.Namespace(before="HEAD", only=[trial_revisions.ROLLED], migrations=False)
Begin = Callable[..., None]


def ended(
    doing: Begin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> tuple[int, dict[str, Any]]:
    """The exit code and the figures of a trial that does this."""
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / "secret").write_text("sealed")
    monkeypatch.setattr(trial, "clear_leftovers", list)
    monkeypatch.setattr(trial, "temporary_folder", lambda _kind: folder)
    monkeypatch.setattr(trial, "_try", doing)
    code = trial.main(OPTIONS)
    assert not folder.exists()
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return code, told


@pytest.mark.parametrize(
    "error",
    [PartError("no engine"), subprocess.TimeoutExpired("docker", 300), ValueError("no number"), OSError(5, "gone")],
)
def test_whatever_goes_wrong_is_told(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def doing(_folder: Path, _before: str, _wanted: Any, figures: dict[str, Any]) -> None:
        figures["build_seconds"] = 7
        raise error

    code, told = ended(doing, monkeypatch, capsys, tmp_path)
    assert (code, told["ok"], told["build_seconds"]) == (1, False, 7)
    assert str(error) in told["reason"]


def test_a_good_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, told = ended(lambda *_: None, monkeypatch, capsys, tmp_path)
    assert (code, told["ok"]) == (0, True)


def test_an_upgrade_that_was_not_tried_is_no_good_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    real = trial._try

    def hindered(_folder: Path, _trees: Any, _wanted: Any, figures: dict[str, Any]) -> None:
        figures["rolling_upgrade"] = {"not_tried": ["0039: AddField of ship.flag"]}

    monkeypatch.setattr(trial, "_with_compose", hindered)
    monkeypatch.setattr(trial, "tree", lambda place, _revision: place)
    monkeypatch.setattr(trial_revisions, "new_migrations", lambda _old, _new: [])
    code, told = ended(real, monkeypatch, capsys, tmp_path)
    assert (code, told["ok"]) == (1, False)
    assert "0039: AddField of ship.flag" in told["reason"]
