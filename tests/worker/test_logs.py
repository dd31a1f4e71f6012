"""No secret that is open in this process reaches our own log."""

import io
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


def test_tracebacks_and_foreign_records_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a library logs, and what an exception says, pass the same way."""
    secrets, out, root = OpenSecrets(), io.StringIO(), logging.getLogger()
    before = list(root.handlers), root.level
    logs.configure("worker", mask=secrets.mask)
    try:
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        monkeypatch.setattr(handler, "stream", out)
        with secrets.using(Masker([SECRET])):
            try:
                raise ValueError(f"the password {SECRET} was refused")
            except ValueError:
                logging.getLogger("some.library").exception("it failed with %s", SECRET)
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    assert "it failed with [redacted]" in out.getvalue()
    assert "ValueError: the password [redacted] was refused" in out.getvalue()
    assert SECRET not in out.getvalue()
