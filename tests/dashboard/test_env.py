"""Reading the environment: what is empty, what lies in a file, what is a key."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard import env

NAME = "ESTIVA_AUDIT_KEY"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that ESTIVA_AUDIT_KEY_FILE names; the variable itself is not set."""
    path = tmp_path / "secret"
    path.write_text("of the file\n", encoding="utf-8")
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.setenv(f"{NAME}_FILE", str(path))
    return path


@pytest.mark.parametrize(("value", "expected"), [("", "of the file"), ("its own", "its own")])
def test_an_empty_variable_leaves_it_to_the_file(
    secret: Path, monkeypatch: pytest.MonkeyPatch, value: str, expected: str
) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.text(NAME) == expected
    assert env.key(NAME) == expected


def test_an_empty_variable_without_a_file_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESTIVA_METRICS_TOKEN", "")
    assert env.text("ESTIVA_METRICS_TOKEN", "default") == ""


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_an_empty_key_is_none(secret: Path, monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    secret.write_text(blank, encoding="utf-8")
    with pytest.raises(ImproperlyConfigured, match=r"ESTIVA_AUDIT_KEY is empty.*manage.py keys"):
        env.key(NAME)
    monkeypatch.setattr(sys, "argv", ["manage.py", "keys"])
    assert env.key(NAME) == ""
