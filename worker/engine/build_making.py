"""One build attempt's state: what its steps hand to each other."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from worker.engine.build_host import BuildHost
from worker.engine.build_log import BuildLog
from worker.engine.build_spec import Bases, BuildSpec
from worker.engine.events import Built, StepKey


@dataclass(slots=True)
class Making:
    """Mutable, for the length of one attempt and one thread."""

    spec: BuildSpec
    host: BuildHost
    log: BuildLog
    step: StepKey = "build"
    platform: str = ""  # what is built for: as asked, else the builder's own
    bases: Bases = ()
    pulled: bool = False  # every base was looked up in its registry, so BuildKit shall do the same
    problems: list[str] = field(default_factory=list)  # what was said of bases that could not be looked up
    built: Built | None = None


def moment(said: str) -> datetime:
    """RFC 3339 as a moment; the beginning of time for anything else."""
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def rfc3339(server_time: str) -> str:
    """The server's clock to the second, as OCI wants it."""
    return moment(server_time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
