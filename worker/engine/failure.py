"""Why a Target can't go on, in words for the person who reads it."""

from collections.abc import Sequence

from worker.engine.errors import HostError
from worker.engine.events import StepKey


class StepFailed(Exception):
    """A step came to a bad end: `what` happened, `why` probably, and `remedy` says what to do.

    `exit_code` is the new container's, where it ended. `step` is set when the step is closed.
    """

    def __init__(self, what: str, *, why: str = "", remedy: str = "", exit_code: int | None = None) -> None:
        super().__init__(what)
        self.what, self.why, self.remedy, self.exit_code = what, why, remedy, exit_code
        self.step: StepKey | None = None

    @classmethod
    def of(cls, error: HostError, doing: str) -> "StepFailed":
        """A server's refusal, while `doing` something ("the old container could not be stopped on web-1")."""
        return cls(
            f"{doing}: {error.message}",
            why=error.why or "The Docker Engine answered with this error.",
            remedy=error.remedy or "Read the message above, mend its cause on the server, then deploy again.",
        )


def given_up() -> StepFailed:
    """For an attempt that only puts back what those before it changed."""
    return StepFailed(
        "Not tried a third time: two workers fell silent while they were at it.",
        why="What a deploy makes its worker do can end it (the worker's memory is short, for example); chance is rarer.",
        remedy="Look at the workers' own log and their memory, then deploy again.",
    )


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
