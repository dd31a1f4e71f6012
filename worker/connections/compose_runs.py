"""Runs of Compose on a server: one at a time per project, and how they are ended.

A run can't be ended through its channel: closing one doesn't end the command, and OpenSSH's `signal` request is refused
for root. So each run bears project and fence on its command line, as a folder's name, and is ended by that name;
the project's lock, which its processes inherit, tells whether they are really gone.
"""

from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused

_RUNS = "/estiva-runs"
_BUSY = 75
_KILL_AFTER = 10  # seconds between asking and insisting


class RunsOnServer:
    """The runs of one project. The lock is a file in the login user's home, which is where commands begin."""

    def __init__(self, session: SshSession, project: str, lock: str = "") -> None:
        """`lock` where several projects share one, so that those of one-off runs don't fill the home with files."""
        self._session, self._project = session, project
        self._lock = f".estiva-{lock or project}.lock"

    def locked(self, *, wait: int, deadline: int) -> list[str]:
        """What goes before an argv: exit code 75 when the lock isn't free within `wait` seconds."""
        return [
            *("flock", "-w", str(wait), "-E", str(_BUSY), self._lock),
            *("timeout", "-k", str(_KILL_AFTER), str(deadline)),
        ]

    def free(self, wait: int = 0) -> bool:
        """Nobody holds the lock. False too where `flock` is missing: then no run would start either."""
        argv = ["flock", "-w", str(wait), "-E", str(_BUSY), self._lock, "true"]
        return self._session.run(argv, deadline=wait + 10.0).exit_code == 0

    def end(self, fences: str) -> bool:
        """End the runs whose fence matches the expression; True once the lock is free."""
        return self._ask("TERM", fences, wait=8) or self._ask("KILL", fences, wait=3)

    def _ask(self, signal: str, fences: str, wait: int) -> bool:
        # the first letter in brackets, so that the expression doesn't match the command that carries it
        pattern = f"[{_RUNS[0]}]{_RUNS[1:]}/{self._project}\\.f({fences})( |$)"
        try:
            self._session.run(["pkill", f"-{signal}", "-f", "--", pattern])
            return self.free(wait)
        except (ChannelRefused, TimeoutError):
            return False


def run_folder(project: str, fence: int) -> str:
    """A folder that doesn't exist, for the command line alone. Compose notes it in a label of what it makes."""
    return f"{_RUNS}/{project}.f{fence}"


def lower_fences(below: int) -> str:
    """An extended regular expression for the whole numbers from 0 to `below` - 1; it matches nothing for 0."""
    digits = str(below)
    shorter = [f"[0-9]{{1,{len(digits) - 1}}}"] if len(digits) > 1 else []
    same = [
        f"{digits[:at]}[{'1' if at == 0 and len(digits) > 1 else '0'}-{int(each) - 1}]{_any(len(digits) - at - 1)}"
        for at, each in enumerate(digits)
        if int(each) > (1 if at == 0 and len(digits) > 1 else 0)
    ]
    return "|".join([*shorter, *same]) or "none"


def _any(digits: int) -> str:
    return f"[0-9]{{{digits}}}" if digits else ""
