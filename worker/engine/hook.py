"""A command in a container of its own, beside what serves: before a deploy's first change, or after its proof.

The container's name bears the Target, not the fence, so that a command is not run twice for one Target: an attempt that
takes over finds it, and waits for it or reads how it ended. So it stays until the deploy's success is on record; what a failed
one left, or a worker that died at that moment, the next deploy removes. It isn't one of the Placement's containers (no `estiva.placement`
label), so that nothing takes it for what serves.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Literal

from worker.engine.beside import beside_body, beside_only, shown
from worker.engine.candidate import make_room
from worker.engine.container_host import Container
from worker.engine.diagnosis import start_failed
from worker.engine.errors import Cancelled, Conflict, HostError, LeaseLost, NotFound
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.heard import Hearing, on_record, told_before
from worker.engine.run import Run, Steps, attempt
from worker.engine.strangers import name_refused
from worker.engine.takeover import discard, held_inventory

When = Literal["before", "after"]

HOOK_LABEL = "estiva.hook"  # the Placement that it belongs to
_LOOK_SECONDS = 0.25
_STOP_SECONDS = 10


def before(run: Run) -> Generator[Event, None, str]:
    """The command before the first change; an attempt that finds the change begun has nothing to do."""
    if held_inventory(run.host, run.identity).mine is not None:
        yield Line("An earlier attempt ran the command before the deploy already.")
        return "was run before"
    return (yield from _run(run, "before", run.spec.before))


def after(run: Run) -> Generator[Event, None, str]:
    """The command once the new version serves. Whatever becomes of it, the deploy has succeeded."""
    try:
        return (yield from _run(run, "after", run.spec.after))
    except (HostError, StepFailed) as error:
        failure = (
            error if isinstance(error, StepFailed) else StepFailed.of(error, "The command after the deploy failed")
        )
        yield Line(f"{failure.what} {failure.why} The new version serves all the same.", level="bad")
        run.notes.append(failure.what)
        return failure.what


def tidy(run: Run) -> None:
    """What ran for a deploy whose success is on record goes. What can't be removed now, or is refused, the next deploy removes."""
    ran: tuple[tuple[When, Sequence[str]], ...] = (("before", run.spec.before), ("after", run.spec.after))
    for when, words in ran:
        if words:
            with suppress(HostError, LeaseLost, Cancelled, StepFailed):
                _remove(run, when)


def _run(run: Run, when: When, words: Sequence[str]) -> Generator[Event, None, str]:
    """Run it to its end, its output in the log; `StepFailed` where it doesn't end well, or not in time."""
    name = hook_name(run, when)
    yield from _end_strangers(run)
    held_inventory(
        run.host, run.identity
    )  # `NewerFence` before anything is begun for a Target that isn't ours any more
    there, known = _found(run, name), 0
    if there is None or there.status == "created":
        yield from _begin(run, when, words, there)
    else:
        known, again = on_record(run, there), told_before(run, there, "what it wrote")
        yield Line(f"Going on with {name}, which an earlier attempt started{again}.")
    try:
        ended = yield from _watch(run, name, known)
    except Cancelled:
        yield from _end(run, name)
        raise
    if ended.exit_code:
        raise _failed(run, when, ended)
    return "ended well"


def hook_name(run: Run, when: When) -> str:
    """`app-production-r12-t41-before`."""
    identity = run.identity
    return f"{identity.placement_name}-r{identity.release}-t{identity.target}-{when}"


def _found(run: Run, name: str) -> Container | None:
    """What an attempt for this Target made; `StepFailed` where somebody else's container has the name."""
    there = run.host.container(name)
    if there is not None and not _is_ours(run, there):
        raise name_refused(run, name, there)
    return there


def _is_ours(run: Run, container: Container) -> bool:
    labels = _labels(run)
    return all(
        container.labels.get(each) == labels[each] for each in ("estiva.installation", HOOK_LABEL, "estiva.target")
    )


def _remove(run: Run, when: When) -> None:
    name = hook_name(run, when)
    there = run.host.container(name)
    if there is not None and _is_ours(run, there):
        discard(run.host, name)


def _begin(run: Run, when: When, words: Sequence[str], there: Container | None) -> Steps:
    name = hook_name(run, when)
    if there is None:
        make_room(run)
        try:
            run.host.create(name, beside_body(run.spec, words, _labels(run)))
        except Conflict:
            _found(run, name)
            yield Line(f"{name} was made by somebody else just now.")
        except HostError as error:
            raise StepFailed.of(error, f"The container for the command could not be created on {run.server}") from error
        for network in run.spec.container.networks[1:]:
            attempt(f"{name} could not join {network.name}", run.host.connect_network, network.name, name, ())
    yield Line(f"Running {shown(words)} in {name}.")
    try:
        run.host.start(name)
    except HostError as error:
        discard(run.host, name)
        raise start_failed(error, run.server, run.image) from error


def _watch(run: Run, name: str, known: int) -> Generator[Event, None, Container]:
    """Until it has ended; past its deadline it is stopped. `known` of its lines are on record."""
    begun, deadline = run.host.now(), run.spec.hook_deadline
    follow = run.host.follow(name)
    hearing = Hearing(follow, known)
    try:
        while True:
            container = run.host.container(name)
            yield from hearing.lines(container)
            if container is None:
                raise StepFailed(
                    f"{name} vanished from {run.server} while it ran.",
                    why="Somebody removed it.",
                    remedy="Find out how far the command came, then deploy again.",
                )
            if not container.running:
                yield from _rest(run, container, hearing)
                return container
            if run.host.now() - begun > deadline:
                yield from _end(run, name)
                raise StepFailed(
                    f"The command did not end within {deadline:g} s on {run.server}, and was stopped.",
                    why="It waits for something, or has more to do than was foreseen.",
                    remedy="Raise its deadline in the settings, or run it apart from the deploy.",
                )
            run.host.wait(_LOOK_SECONDS)
    finally:
        follow.close()


def _rest(run: Run, container: Container, hearing: Hearing) -> Steps:
    """Its last lines: the stream ends soon after the container."""
    until = run.host.now() + 5.0
    while not hearing.follow.ended and run.host.now() < until:
        yield from hearing.lines(container)
        if not hearing.follow.ended:
            run.host.wait(0.05)
    yield from hearing.lines(container)


def _end(run: Run, name: str) -> Steps:
    """Stop and remove it: cancelled, or too late."""
    run.host.shield()
    yield Line(f"Stopping {name}.", level="warn")
    try:
        run.host.stop(name, timeout=_STOP_SECONDS)
        discard(run.host, name)
    except NotFound:
        return
    except HostError as error:
        yield Line(f"{name} could not be ended on {run.server}: {error.message}", level="warn")


def _end_strangers(run: Run) -> Steps:
    """Commands of other Targets of this Placement, whose worker is gone for good: two migrations at once end badly."""
    labels = {"estiva.installation": run.identity.installation, HOOK_LABEL: str(run.identity.placement)}
    for each in beside_only(run.host.containers(labels)):
        target = each.labels.get("estiva.target", "")
        if target == str(run.identity.target):
            continue
        if target.isdigit() and int(target) > run.identity.target:
            raise LeaseLost(f"{each.name} belongs to a newer deploy.")
        yield Line(f"Removing {each.name}, left by an earlier deploy ({each.status}).", level="warn")
        if each.running:
            attempt(f"{each.name} could not be stopped", run.host.stop, each.name, timeout=_STOP_SECONDS)
        attempt(f"{each.name} could not be removed", discard, run.host, each.name)


def _labels(run: Run) -> dict[str, str]:
    identity = run.identity
    return {
        "estiva.installation": identity.installation,
        HOOK_LABEL: str(identity.placement),
        "estiva.release": str(identity.release),
        "estiva.deployment": str(identity.deployment),
        "estiva.target": str(identity.target),
    }


def _failed(run: Run, when: When, ended: Container) -> StepFailed:
    why = (
        "It ran out of memory." if ended.oom_killed else "Its own last lines are above; what it had done by then stays."
    )
    remedy = "Mend what it complains about, then deploy again."
    return StepFailed(
        f"The command {when} the deploy ended with exit code {ended.exit_code} on {run.server}.",
        why=why,
        remedy=remedy,
        exit_code=ended.exit_code,
    )
