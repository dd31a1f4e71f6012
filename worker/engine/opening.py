"""The first step of a deploy: look before touching, and put in order what an earlier attempt left."""

from collections.abc import Generator

from worker.engine.at_once import at_once
from worker.engine.errors import HostError
from worker.engine.events import Event, Finding
from worker.engine.failure import StepFailed, given_up
from worker.engine.inventory import Inventory
from worker.engine.preflight import Glance, engine_finding, glance, preflight
from worker.engine.run import Run
from worker.engine.settle import settle
from worker.engine.takeover import held_inventory


def look_first(run: Run) -> Generator[Event, None, str]:
    """Preflight; sets `run.facts`. A bad finding ends the deploy with nothing touched; so does an attempt that gives up.

    Where an earlier attempt has begun the change, only the engine is asked again: the rest was found good then, and
    turning back now would cost more than going on.
    """
    inventory, seen = at_once(run.host, lambda: held_inventory(run.host, run.identity), lambda: _glance(run))
    run.know_incumbent(inventory)
    run.past_return = inventory.past_return(run.identity)
    if run.spec.give_up and not run.past_return:
        raise given_up()
    if inventory.needs_care:
        yield from settle(run)
    if inventory.mine is not None:
        findings = yield from _ask_the_engine(run)
    elif inventory.needs_care:
        findings = yield from _ask_everything(run, None, None)  # it isn't as it was
    else:
        findings = yield from _ask_everything(run, inventory, seen)
    bad = [each for each in findings if each.result == "bad"]
    if bad:
        raise StepFailed(bad[0].message, why=_how_many(len(bad)), remedy=bad[0].remedy)
    warnings = sum(each.result in ("warn", "unknown") for each in findings)
    return f"{len(findings)} checks" + (f", {warnings} to know about" if warnings else ", all good")


def _ask_the_engine(run: Run) -> Generator[Event, None, list[Finding]]:
    run.facts = run.facts or run.host.facts()
    finding = engine_finding(run.facts, run.server)
    yield finding
    return [finding]


def _glance(run: Run) -> Glance | None:
    """What preflight will want to know, looked at meanwhile; where a first attempt broke off, or something refuses, later."""
    if run.spec.touched:
        return None
    try:
        return glance(run.spec, run.host, run.facts)
    except HostError:
        return None


def _ask_everything(run: Run, known: Inventory | None, seen: Glance | None) -> Generator[Event, None, list[Finding]]:
    findings: list[Finding] = []
    looking = preflight(run.spec, run.host, known, seen)
    while True:
        try:
            event = next(looking)
        except StopIteration as end:
            run.facts = end.value.facts
            return findings
        if isinstance(event, Finding):
            findings.append(event)
        yield event


def _how_many(bad: int) -> str:
    return "Preflight found it." if bad == 1 else f"Preflight found it, and {bad - 1} more that would fail."
