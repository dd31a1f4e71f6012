"""Our own log: one line an event, without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from deployments import logs


@pytest.fixture
def lines(settings: Any, capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Configures this process's log as JSON, and reads what was written; put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    settings.ESTIVA_LOG_FORMAT = "json"
    logs.configure("web", mask=lambda text: text.replace("hunter2", "[redacted]"))
    yield lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_both_kinds_of_loggers_write_the_same_kind_of_line(lines: Any) -> None:
    structlog.get_logger("ours").info("claimed", target=7)
    logging.getLogger("theirs").warning("took %s s", 3, extra={"target": 8})
    one, two = lines()
    assert (one["event"], one["target"], one["level"], one["role"]) == ("claimed", 7, "info", "web")
    assert (two["event"], two["target"], two["logger"]) == ("took 3 s", 8, "theirs")


def test_telling_names_lose_their_values(lines: Any) -> None:
    logging.getLogger("x").info(
        "saved", extra={"password": "abc", "private_key": "def", "session_cookie": "ghi", "host": "web-1"}
    )
    (line,) = lines()
    assert [line[name] for name in ("password", "private_key", "session_cookie", "host")] == ["[redacted]"] * 3 + [
        "web-1"
    ]


def test_one_time_links_lose_their_token(lines: Any) -> None:
    logging.getLogger("django.request").warning("Not Found: %s", "/account/link/abcDEF-123")
    (line,) = lines()
    assert line["event"] == "Not Found: /account/link/[redacted]"


def test_the_mask_goes_over_tracebacks_too(lines: Any) -> None:
    try:
        raise ValueError("the password is hunter2")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = lines()
    assert "hunter2" not in str(line)
    assert "the password is [redacted]" in line["exception"]


def test_the_request_that_is_answered_is_named(lines: Any) -> None:
    with structlog.contextvars.bound_contextvars(request_id="abc123"):
        logging.getLogger("x").info("looked")
    assert lines()[0]["request_id"] == "abc123"
