"""The steps of a Compose deploy, in the order of `rollout`."""

from collections.abc import Generator

from worker.engine.compose.bring_up import bring_up, take_fence
from worker.engine.compose.by_hand import changed_by_hand
from worker.engine.compose.compose_host import ComposeRefused
from worker.engine.compose.fence import hold
from worker.engine.compose.gone_before import note_what_went
from worker.engine.compose.health import differences, find_trouble, observed, prove
from worker.engine.compose.images import drop_old_images
from worker.engine.compose.model import Model, marked
from worker.engine.compose.preflight import Looked, preflight
from worker.engine.compose.run import ComposeRun
from worker.engine.compose.settle import settle
from worker.engine.compose.sight import Sight, look
from worker.engine.errors import HostError
from worker.engine.events import Event, Finding, Line
from worker.engine.failure import StepFailed, given_up, listed


def look_first(run: ComposeRun) -> Generator[Event, None, str]:
    """Preflight; a bad finding ends the deploy with nothing touched. What an earlier attempt left running ends first."""
    found = hold(run.host, run.identity, run.spec.project)
    if run.spec.touched and any(fence < run.identity.fence for fence in found):
        yield Line("An earlier attempt was interrupted here: taking over what it left.", level="warn")
        yield from take_fence(run)
    if run.spec.give_up:
        sight = look(run.host, run.spec)
        run.know(sight)
        note_what_went(run, sight)
        raise given_up()
    findings: list[Finding] = []
    looked = yield from _collecting(run, findings)
    run.facts, run.wanted, run.previous = looked.facts, looked.wanted, looked.previous
    run.know(looked.sight)
    note_what_went(run, looked.sight)
    bad = [each for each in findings if each.result == "bad"]
    if bad:
        more = f", and {len(bad) - 1} more that would fail" if len(bad) > 1 else ""
        raise StepFailed(bad[0].message, why=f"Preflight found it{more}.", remedy=bad[0].remedy)
    warnings = sum(each.result in ("warn", "unknown") for each in findings)
    return f"{len(findings)} checks" + (f", {warnings} to know about" if warnings else ", all good")


def _collecting(run: ComposeRun, findings: list[Finding]) -> Generator[Event, None, Looked]:
    looking = preflight(run.spec, run.host)
    while True:
        try:
            event = next(looking)
        except StopIteration as end:
            looked: Looked = end.value
            return looked
        if isinstance(event, Finding):
            findings.append(event)
        yield event


def replace(run: ComposeRun, model: Model) -> Generator[Event, None, str]:
    """Compose recreates what changed, by the file or by hand, and leaves the rest. Services that are no longer in the file go later."""
    yield from settle(run)
    sight = look(run.host, run.spec)
    by_hand = changed_by_hand(run.spec, run.host, sight)
    if by_hand:
        yield Line(f"Changed by hand since it was left, and made anew: {listed(sorted(by_hand))}.", level="warn")
    coming = marked(model, run.identity, sight.services, by_hand)
    yield Line(f"Compose brings up {len(model.services)} services on {run.server}.")
    try:
        yield from bring_up(run, coming, {})
    except ComposeRefused as error:
        raise (yield from explained(run, model, error)) from error
    return "up"


def explained(run: ComposeRun, model: Model, error: ComposeRefused) -> Generator[Event, None, StepFailed]:
    """Why Compose gave up: the service that shows it, else Compose's own words."""
    trouble = None if error.kind == "busy" else (yield from find_trouble(run, model))
    if trouble is not None:
        return trouble
    return StepFailed.of(error, f"Compose could not bring the application up on {run.server}")


def judge(run: ComposeRun, model: Model) -> Generator[Event, None, str]:
    """All healthy, and stays so. From then on a cancel comes too late: going on costs less than going back."""
    yield Line(f"Watching the services for {run.spec.settle_seconds:g} s.")
    sight = yield from prove(run, model)
    run.host.shield()
    yield from run.close_gap()
    yield Line(f"{len(sight.containers)} containers of {run.spec.project} are well.", level="good")
    return "healthy"


def verify(run: ComposeRun, model: Model) -> Generator[Event, None, str]:
    """A fresh look: what runs is what was meant. Only after this a deploy has succeeded."""
    sight = look(run.host, run.spec)
    hold(run.host, run.identity, run.spec.project)
    wrong = differences(run, model, sight, run.image_ids)
    if wrong:
        raise StepFailed(
            f"What runs on {run.server} is not what was meant: {'; '.join(wrong)}.",
            why="A container changed after it was proven.",
            remedy="Look at its last lines in the log, then deploy again.",
        )
    yield from observed(run, sight)
    return "the intended images were seen running"


def clean_up(run: ComposeRun, model: Model) -> Generator[Event, None, str]:
    """Services that left the file lose their containers, volumes never; then old images of ours. Never fatal."""
    sight = look(run.host, run.spec)
    gone = left_over(sight, model)
    if gone:
        try:
            yield from bring_up(run, marked(model, run.identity, sight.services), gone)
        except HostError as error:
            yield Line(f"Services that left the file could not be removed: {error.message}", level="warn")
            run.notes += [f"container {each.name}" for name in gone for each in sight.services[name]]
    yield from drop_old_images(run)
    return f"{len(gone)} service{'' if len(gone) == 1 else 's'} removed"


def left_over(sight: Sight, model: Model | None) -> dict[str, str]:
    """Services with containers of ours that the model doesn't have, with an image of each."""
    known = model.services if model is not None else {}
    return {name: several[0].image for name, several in sight.services.items() if name not in known and several}
