"""What a container has written, without what is on record: its first lines, counted, of an earlier attempt that told them.

They are counted only where the engine surely still has the first line: Docker's own files, which it doesn't rotate. The time of a line
would not do: both streams' lines are stamped before they are put in order, and a server's clock may be set back.
"""

from worker.engine.container_host import Container, Follow
from worker.engine.events import Wrote
from worker.engine.run import Run, Steps


def on_record(run: Run, container: Container) -> int:
    """How many of its lines need not be told again; 0 where that isn't sure."""
    return run.spec.heard.get(container.id, 0) if _keeps_all(run, container) else 0


def told_before(run: Run, container: Container, written: str) -> str:
    """What is to be said of them, when an attempt goes on with it; `written` names all of them."""
    known = on_record(run, container)
    if known:
        return f"; its first {known} line{'s are' if known > 1 else ' is'} in the log already"
    return f"; {written} follows once more"


def _keeps_all(run: Run, container: Container) -> bool:
    """Podman passes over `max-size` here, and cuts by a setting of its own."""
    kept = (container.inspected.get("HostConfig") or {}).get("LogConfig") or {}
    is_docker = run.facts is not None and run.facts.product == "Docker"
    return is_docker and kept.get("Type") == "json-file" and "max-size" not in (kept.get("Config") or {})


class Hearing:
    """A container's output, each line once. `known` of them are on record."""

    def __init__(self, follow: Follow, known: int = 0) -> None:
        self.follow, self._known, self._count = follow, known, 0

    def lines(self, container: Container | None) -> Steps:
        """What came since; `container` is the last look at it."""
        came = self.follow.available()
        self._count += len(came)
        fresh = self._count - self._known  # a stream begins with the container's first line
        if came and fresh > 0:
            yield Wrote(came[-fresh:], container.id if container else "", self._count)
