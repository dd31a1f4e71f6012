"""No secret that is open in this process reaches our own log."""

import logging

import pytest

from deployments import logs
from worker.logs import OpenSecrets
from worker.redact import Masker

SECRET = "correct-horse-battery"


def test_a_secret_is_masked_while_it_is_open_and_only_then() -> None:
    secrets = OpenSecrets()
    with secrets.using(Masker([SECRET])):
        assert secrets.mask(f"x {SECRET} y") == "x [redacted] y"
    assert secrets.mask(SECRET) == SECRET


def test_tracebacks_and_foreign_records_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library logs, and what an exception says, pass the same way."""
    secrets, root = OpenSecrets(), logging.getLogger()
    before = list(root.handlers), root.level
    logs.configure("worker", mask=secrets.mask)
    try:
        with secrets.using(Masker([SECRET])):
            try:
                raise ValueError(f"the password {SECRET} was refused")
            except ValueError:
                logging.getLogger("some.library").exception("it failed with %s", SECRET)
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    said = capsys.readouterr().err
    assert "it failed with [redacted]" in said
    assert "ValueError: the password [redacted] was refused" in said
    assert SECRET not in said
