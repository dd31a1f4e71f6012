"""How a terminal ended, in words."""

from typing import Any, Final

from django.db.models.functions import Now

from deployments import terminals
from deployments.models import Terminal
from deployments.states import OperationStatus
from worker.engine.errors import HostError, HostLost

RESIZING_SECONDS: Final = 3.0
"""A program that is just being started has no size yet: for so long it is tried again."""

UNSTARTED: Final = (126, 127)
KILLED: Final = (129, 137, 143)
_End = Terminal.End
_LEFT = "Its program may run on in the container: nothing there could end it. Restart the container to be sure."

now = Now


def told(
    row: Terminal, how: str, *, gone: bool, exit_code: int | None, error: HostError | HostLost | None = None
) -> dict[str, Any]:
    """`{"status", "what", "why", "remedy"}`; `gone` says that its program was seen to have ended."""
    status, what, why, remedy = _words(row, how, exit_code, error)
    return {"status": str(status), "what": what, "why": why, "remedy": remedy if gone else f"{_LEFT} {remedy}".strip()}


def _words(
    row: Terminal, how: str, exit_code: int | None, error: HostError | HostLost | None
) -> tuple[OperationStatus, str, str, str]:
    cancelled, failed, who = OperationStatus.CANCELLED, OperationStatus.FAILED, row.operation.requested_by_name
    if how == _End.ITSELF:
        return _by_itself(row, exit_code)
    if error is not None and how == _End.FAILED:
        return failed, error.message, error.why, error.remedy
    if error is not None and how == _End.LOST:
        return failed, error.message, error.why, "Open another one: this one can't be taken up again."
    words = {
        _End.PERSON: (cancelled, f"Ended by {row.ended_by_name}.", "", ""),
        _End.SIGNED_OUT: (cancelled, f"{who} has signed out, so it was ended.", "", ""),
        _End.RIGHTS: (
            cancelled,
            f"{who} may have it no longer, so it was ended.",
            "Their role or account was changed, or the environment allows no terminals any more.",
            "",
        ),
        _End.IDLE: (
            cancelled,
            f"Nothing was typed for {terminals.IDLE_SECONDS // 60} minutes, so it was ended.",
            "",
            "",
        ),
        _End.LIMIT: (cancelled, f"It was open for {terminals.MOST_SECONDS // 3600} hours, and was ended.", "", ""),
        _End.FULL: (
            cancelled,
            f"Its record holds {terminals.MOST_BYTES // 1_000_000} MB, so it was ended.",
            "Nothing is done on a terminal that isn't recorded.",
            "Open another one.",
        ),
        _End.CONTAINER: (failed, f"{row.container_name} stopped, and the program with it.", "", "Look at its log."),
        _End.WORKER: (
            failed,
            "The worker that held this terminal went away, so it was ended.",
            "It was stopped or restarted, or lost its way to the database.",
            "Open another one: this one can't be taken up again.",
        ),
    }
    return words[_End(how)]


def _by_itself(row: Terminal, exit_code: int | None) -> tuple[OperationStatus, str, str, str]:
    if exit_code in UNSTARTED and not row.record_bytes > 1_000:
        return (
            OperationStatus.FAILED,
            f"{row.command[0]} ended with exit code {exit_code}.",
            "Most likely the container has no such program, or it can't be run there.",
            "See what it said; another image has another shell, for instance /bin/bash or /bin/busybox.",
        )
    return OperationStatus.SUCCEEDED, f"It ended with exit code {exit_code}.", "", ""
