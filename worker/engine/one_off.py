"""A one-off run: a command in a new container of a Release, beside what serves.

It is started once, whatever happens on the way. The container's name bears the run and the fence, so that what an earlier
holder still sends misses; whoever takes over renames what is there and goes on with it. Before the start the caller is told
(`Mutated`): where that is on record and no container is found, somebody removed it, and it is not run again. It goes once
its end (`Exited`) is on record. It has no `estiva.placement` label, so nothing takes it for what serves.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from worker.engine.beside import WHOSE, beside_body, beside_only, shown
from worker.engine.candidate import make_room
from worker.engine.container_host import Container
from worker.engine.diagnosis import start_failed
from worker.engine.errors import Cancelled, HostError, LeaseLost
from worker.engine.events import Event, Line, Mutated
from worker.engine.failure import StepFailed
from worker.engine.output import Looked, Output
from worker.engine.pull import pull
from worker.engine.run import Run, Steps, attempt
from worker.engine.strangers import name_refused
from worker.engine.takeover import discard

RUN_LABEL: Final = "estiva.run"
OF_LABEL: Final = "estiva.run.of"
LOOK_SECONDS: Final = 0.25

How = Literal["itself", "cancelled", "late"]


@dataclass(frozen=True, slots=True)
class OneOff:
    """What is asked for. `seconds` are left of those it may run; `heard` lines of its output are on record.

    `begun`: the record says that it was about to be started. `stop`: it is to be ended, whatever it does.
    """

    number: int
    words: tuple[str, ...]
    seconds: float
    begun: bool = False
    heard: int = 0
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Exited:
    """It is over. `exit_code` None: the command never ran."""

    exit_code: int | None
    how: How = "itself"
    oom_killed: bool = False
    error: str = ""


Said = Event | Looked | Exited
Saying = Generator[Said, None, None]


class Maker(Protocol):
    """How its container comes to be. One that `starts` it makes and starts it in one go, once it is prepared."""

    starts: bool

    def clear(self, run: Run) -> None:
        """See to it that nothing of an earlier holder is still at work there."""
        ...

    def prepare(self, run: Run) -> Steps:
        """Bring the image."""
        ...

    def start(self, run: Run, name: str, words: Sequence[str], labels: Mapping[str, str]) -> Steps:
        """Make it under that name; start it, where this one `starts`."""
        ...


class ByEngine:
    """From the Release's settings, by the engine's API; started by whoever asks, after it was written down."""

    starts = False

    def clear(self, run: Run) -> None:
        """A call to the engine ends with its connection."""

    def prepare(self, run: Run) -> Steps:
        """Pull what lacks."""
        yield from pull(run)
        make_room(run)

    def start(self, run: Run, name: str, words: Sequence[str], labels: Mapping[str, str]) -> Steps:
        """Create it."""
        doing = f"The container for the command could not be created on {run.server}"
        for remark in attempt(doing, run.host.create, name, beside_body(run.spec, words, labels)):
            yield Line(f"The engine on {run.server} remarks: {remark}", level="warn")


def run_once(run: Run, asked: OneOff, maker: Maker | None = None) -> Saying:
    """Run it to its end, or go on with it. `StepFailed` where it can't be, or can't be told; then nothing more is done."""
    name, output = name_of(run, asked), Output(run, asked.heard)
    maker = maker or ByEngine()
    if asked.begun:
        maker.clear(run)
    try:
        ended, how = yield from _run(run, asked, name, output, maker)
    finally:
        output.close()
    if ended is None:
        yield Exited(None, how)
    else:
        yield Exited(ended.exit_code, how, ended.oom_killed, ended.error)
    yield from tidy(run, asked.number)


def name_of(run: Run, asked: OneOff) -> str:
    """`app-production-run-41.f2`."""
    return f"{run.identity.placement_name}-run-{asked.number}.f{run.identity.fence}"


def tidy(run: Run, number: int) -> Steps:
    """Remove what is left of it; what can't be is said."""
    try:
        for each in beside_only(run.host.containers(_labels_of(run, number))):
            discard(run.host, each.name)
    except HostError as error:
        yield Line(f"Its container could not be removed from {run.server}: {error.message}", level="warn")


def _run(
    run: Run, asked: OneOff, name: str, output: Output, maker: Maker
) -> Generator[Said, None, tuple[Container | None, How]]:
    if asked.stop:
        run.host.shield()
        return (yield from _end(run, asked, name, output)), "cancelled"
    try:
        yield from _begin(run, asked, name, maker)
        return (yield from _watch(run, asked, name, output))
    except Cancelled:
        run.host.shield()
        return (yield from _end(run, asked, name, output)), "cancelled"


def _begin(run: Run, asked: OneOff, name: str, maker: Maker) -> Saying:
    there = _take_over(run, asked, name)
    if there is not None and there.status != "created":
        yield Line(f"Going on with {name}, which an earlier attempt started.")
        return
    if there is None and asked.begun:
        raise _vanished(run, name)
    labels = {
        **_labels_of(run, asked.number),
        OF_LABEL: str(run.identity.placement),
        "estiva.release": str(run.identity.release),
    }
    if maker.starts:
        yield from _made_and_started(run, asked, name, labels, maker)
        return
    if there is None:
        yield from maker.prepare(run)
        yield from maker.start(run, name, asked.words, labels)
    _join(run, name)
    yield from _announced(run, asked, name)
    try:
        run.host.start(name)
    except HostError as error:
        raise start_failed(error, run.server, run.image) from error


def _made_and_started(run: Run, asked: OneOff, name: str, labels: Mapping[str, str], maker: Maker) -> Saying:
    """What was made and never started is made anew: what would have started it is over."""
    yield from maker.prepare(run)
    there = run.host.container(name)
    if there is not None and not _labels_of(run, asked.number).items() <= dict(there.labels).items():
        raise name_refused(run, name, there)
    if there is not None:
        attempt(f"{name} could not be removed from {run.server}", discard, run.host, name)
    yield from _announced(run, asked, name)
    yield from maker.start(run, name, asked.words, {**dict.fromkeys(WHOSE, ""), **labels})


def _announced(run: Run, asked: OneOff, name: str) -> Saying:
    run.mutated = True
    yield Mutated()
    yield Line(f"Running {shown(asked.words)} in {name}.")


def _join(run: Run, name: str) -> None:
    """The networks behind the first, which it was created in."""
    container = run.host.container(name)
    for network in run.spec.container.networks[1:]:
        if container is not None and network.name not in container.networks:
            attempt(f"{name} could not join {network.name}", run.host.connect_network, network.name, name, ())


def _take_over(run: Run, asked: OneOff, name: str) -> Container | None:
    """What an earlier attempt left, under our name; None where there is nothing. `LeaseLost` when a newer holder was here."""
    found = beside_only(run.host.containers(_labels_of(run, asked.number)))
    if any(_fence(each.name) > run.identity.fence for each in found):
        raise LeaseLost(f"Run {asked.number} belongs to a newer holder.")
    if not found:
        return None
    mine = max(found, key=lambda each: (each.status != "created", _fence(each.name)))
    for each in found:
        if each.id != mine.id:  # came too late to be started
            attempt(f"{each.name} could not be removed from {run.server}", discard, run.host, each.name)
    if mine.name != name:
        attempt(f"{mine.name} could not be taken over on {run.server}", run.host.rename, mine.name, name)
    return run.host.container(name)  # as it is now: what was sent under the old name came in time, or never will


def _watch(run: Run, asked: OneOff, name: str, output: Output) -> Generator[Said, None, tuple[Container | None, How]]:
    begun = run.host.now()
    while True:
        container = run.host.container(name)
        if container is None:
            raise _vanished(run, name)
        if _is_over(container):
            yield from output.rest(name)
            return container, "itself"
        yield from output.fresh(name)
        if run.host.now() - begun > asked.seconds:
            run.host.shield()
            return (yield from _end(run, asked, name, output)), "late"
        yield Looked()
        run.host.wait(LOOK_SECONDS)


def _end(run: Run, asked: OneOff, name: str, output: Output) -> Generator[Said, None, Container | None]:
    """Stop it, wherever it is; None where it never ran."""
    container = _take_over(run, asked, name)
    if container is None and (asked.begun or run.mutated):
        raise _vanished(run, name)
    if container is None or container.status == "created":
        return None
    if not _is_over(container):
        yield Line(f"Stopping {name}.", level="warn")
        attempt(f"{name} could not be stopped on {run.server}", run.host.stop, name, timeout=_patience(run, container))
    yield from output.rest(name)
    ended = run.host.container(name)
    if ended is None:
        raise _vanished(run, name)
    return ended


def _patience(run: Run, container: Container) -> int:
    """The seconds that it is given to end: as it was made."""
    seconds = (container.inspected.get("Config") or {}).get("StopTimeout")
    return run.spec.container.stop_timeout if seconds is None else int(seconds)


def _is_over(container: Container) -> bool:
    return not container.running and container.status != "restarting"


def _labels_of(run: Run, number: int) -> dict[str, str]:
    return {"estiva.installation": run.identity.installation, RUN_LABEL: str(number)}


def _fence(name: str) -> int:
    digits = name.rpartition(".f")[2]
    return int(digits) if digits.isdecimal() else 0


def _vanished(run: Run, name: str) -> StepFailed:
    return StepFailed(
        f"{name} vanished from {run.server}: how far the command came is not known, and it was not run again.",
        why="Somebody removed the container.",
        remedy="Find out how far the command came, then run it once more if need be.",
    )
