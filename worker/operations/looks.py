"""What every Plan does on its servers: reach them at once, look, and say how it went."""

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, TypeVar

import structlog

from deployments.models import Host
from worker.alarms import sound_alarm
from worker.brief import CannotBrief, HostConnection, host_connection, secrets_of, with_registries
from worker.connections.signals import Signals
from worker.engine.container_host import ContainerHost, EngineFacts
from worker.engine.errors import ConnectionLost, HostError, HostKeyChanged, HostLost
from worker.engine.events import Event, Finding
from worker.operations.steps import Looking, Step

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
R = TypeVar("R")


@dataclass(slots=True)
class Look:
    """One server, and what was found there."""

    host: Host
    connection: HostConnection | None = None
    findings: list[Finding] = field(default_factory=list)
    facts: EngineFacts | None = None
    disk_free: int | None = None
    changed_key: HostKeyChanged | None = None
    mask: Callable[[str], str] = str  # before anything that was found is written down

    def connect_for(self, images: Iterable[str] | None) -> None:
        """Find out how to log in, and who we are for the registries of these images (None: of all)."""
        try:
            self.connection = with_registries(host_connection(self.host), images)
        except CannotBrief as error:
            self.findings.append(Finding("trust", "bad", error.message, error.remedy))

    def take(self, looking: Generator[Event, None, R]) -> R:
        """Run a look of the engine's to its end and keep its findings."""
        while True:
            try:
                event = next(looking)
            except StopIteration as end:
                found: R = end.value
                return found
            if isinstance(event, Finding):
                self.findings.append(event)

    def about(self, server: ContainerHost, facts: EngineFacts) -> None:
        """Take note of what the server is."""
        self.facts = facts
        space = server.disk_free(facts.root_folder)
        self.disk_free = space[0] if space else None

    def as_row(self) -> dict[str, Any]:
        """For `deployments.plan`."""
        facts = self.facts
        return {
            "host": self.host.pk,
            "name": self.host.name,
            "findings": [asdict(each) for each in self.findings],
            "engine": facts.name if facts else "",
            "platform": f"{facts.os_type}/{facts.architecture}" if facts else "",
            "disk_free": self.disk_free,
        }


L = TypeVar("L", bound=Look)


def secrets_of_looks(looks: Iterable[Look]) -> list[str]:
    """What of the connections is for the Masker."""
    return [secret.reveal() for each in looks if each.connection for secret in secrets_of(each.connection)]


def look_everywhere(
    looking: Looking, looks: Sequence[L], look_at: Callable[[L, HostConnection, Signals], None]
) -> None:
    """Threads look, eight at a time, this one writes the steps: the looks need no database."""
    looking.add_steps([(f"host:{each.host.pk}", each.host.name) for each in looks])
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="plan") as executor:
        steps = {each.host.pk: looking.open(f"host:{each.host.pk}") for each in looks}
        running: dict[Future[None], L] = {
            executor.submit(_look, each, looking.signals, look_at): each for each in looks
        }
        for done in as_completed(running):
            done.result()
            _close(steps[running[done].host.pk], running[done])
            looking.write()
    for each in looks:
        if each.changed_key is not None:
            sound_alarm(each.host.pk, (each.host.address, each.host.port), each.changed_key)


def look_again(look: L, signals: Signals, look_at: Callable[[L, HostConnection, Signals], None]) -> None:
    """Once more, at one server."""
    _look(look, signals, look_at)


def _look(look: L, signals: Signals, look_at: Callable[[L, HostConnection, Signals], None]) -> None:
    if look.connection is None:
        return
    try:
        _once_more(look, look.connection, signals, look_at)
    except HostKeyChanged as error:
        look.changed_key = error
        look.findings.append(Finding("trust", "bad", f"{error.message} {error.why}".strip(), error.remedy))
    except (HostLost, HostError) as error:
        look.findings.append(Finding("reachable", "bad", f"{error.message} {error.why}".strip(), error.remedy))
    look.findings = [
        replace(each, message=look.mask(each.message), remedy=look.mask(each.remedy)) for each in look.findings
    ]


def _once_more(
    look: L,
    connection: HostConnection,
    signals: Signals,
    look_at: Callable[[L, HostConnection, Signals], None],
) -> None:
    """Look; anew, on another connection, where the one that was shared turns out to be gone: looking changes nothing."""
    before = list(look.findings)
    try:
        look_at(look, connection, signals)
    except ConnectionLost as error:
        log.info("the connection was gone; connecting anew", host=look.host.name, why=look.mask(error.why))
        look.findings = before
        look_at(look, connection, signals)


def _close(step: Step, look: Look) -> None:
    bad = [each for each in look.findings if each.result == "bad"]
    if bad:
        step.finish(bad[0].message, status="bad", remedy=bad[0].remedy)
        return
    unsure = sum(each.result in ("warn", "unknown") for each in look.findings)
    step.finish(
        f"{len(look.findings)} checks" + (f", {unsure} to know about" if unsure else ", all good"),
        status="warn" if unsure else "good",
    )


def reachable(look: Look) -> Finding:
    """The first good word."""
    return Finding("reachable", "good", f"{look.host.name} answers, its host key is the trusted one.")
