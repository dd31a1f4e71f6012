"""`deploy`: one Target from beginning to end. Read it as a runbook."""

from collections.abc import Generator, Iterator

from worker.engine.candidate import promote, prove
from worker.engine.cleanup import clean_up
from worker.engine.container_host import ContainerHost, EngineFacts
from worker.engine.endings import after_failure, succeeded, too_late
from worker.engine.errors import Cancelled, HostError
from worker.engine.events import Event, Finding, Gap, Line
from worker.engine.failure import StepFailed
from worker.engine.preflight import engine_finding, preflight
from worker.engine.pull import pull
from worker.engine.replace import replace
from worker.engine.restore import Restored, restore
from worker.engine.run import Run, Steps, step
from worker.engine.settle import settle
from worker.engine.spec import DeploySpec
from worker.engine.takeover import held_inventory
from worker.engine.verify import verify


def deploy(spec: DeploySpec, host: ContainerHost) -> Iterator[Event]:
    """Bring a Release to a server. The last event is `Ended`.

    `HostLost` and `LeaseLost` come out of the generator: nothing more can be said, and a later attempt with a higher
    fence takes over from whatever state the server is in. `Cancelled` and refusals of the server don't: the old
    version is brought back first.
    """
    run = Run(spec, host)
    try:
        yield from _forward(run)
        yield succeeded(run)
    except Cancelled:
        host.shield()
        yield from _back(run, None)
    except StepFailed as failure:
        host.shield()
        yield from _back(run, failure)


def _forward(run: Run) -> Steps:
    facts = yield from _stepping_preflight(run)
    yield from step("pull", pull(run, facts))
    yield from _from_replace(run)


def _from_replace(run: Run) -> Steps:
    yield from step("replace", replace(run))
    yield from step("health", _prove_and_promote(run))
    yield from step("verify", verify(run))
    yield from step("cleanup", clean_up(run))


def _stepping_preflight(run: Run) -> Generator[Event, None, EngineFacts]:
    found: list[EngineFacts] = []
    yield from step("preflight", _preflight(run, found))
    return found[0]


def _preflight(run: Run, found: list[EngineFacts]) -> Generator[Event, None, str]:
    """Look first. Where an earlier attempt has begun the change, the server is put in order, and only the engine is
    asked again: the rest was found good then, and turning back now would cost more than going on.
    """
    inventory = held_inventory(run.host, run.identity)
    run.know_incumbent(inventory)
    run.past_return = inventory.past_return(run.identity)
    if inventory.needs_care:
        yield from settle(run)
    if inventory.mine is not None:
        facts = run.host.facts()
        findings: list[Finding] = [engine_finding(facts, run.server)]
        yield findings[0]
    else:
        facts, findings = yield from _look(run)
    found.append(facts)
    bad = [each for each in findings if each.result == "bad"]
    if bad:
        raise StepFailed(bad[0].message, why="Preflight found it before anything was touched.", remedy=bad[0].remedy)
    warnings = sum(each.result in ("warn", "unknown") for each in findings)
    return f"{len(findings)} checks" + (f", {warnings} to know about" if warnings else ", all good")


def _look(run: Run) -> Generator[Event, None, tuple[EngineFacts, list[Finding]]]:
    findings: list[Finding] = []
    looking = preflight(run.spec, run.host)
    while True:
        try:
            event = next(looking)
        except StopIteration as end:
            return end.value.facts, findings
        if isinstance(event, Finding):
            findings.append(event)
        yield event


def _prove_and_promote(run: Run) -> Generator[Event, None, str]:
    """From the moment the new one is proven and has its place a cancel comes too late: going on costs less than going
    back.
    """
    proof = yield from prove(run)
    if run.strategy == "stop-first":
        run.host.shield()
    yield from run.close_gap(proof.proven_at)
    yield from promote(run)
    run.host.shield()
    if run.strategy == "start-first" and run.incumbent_served and not run.incumbent_stopped:
        yield Gap(0.0)
    return f"healthy after {proof.waited:.1f} s"


def _back(run: Run, failure: StepFailed | None) -> Steps:
    """After a failure, or a cancel (`None`): restore what was changed, and say how it ended."""
    if not run.mutated and not (yield from _needs_care(run)):
        yield after_failure(run, failure, None)
    elif failure is None and run.past_return:
        yield from _finish(run)
    else:
        yield from _restore(run, failure)


def _needs_care(run: Run) -> Generator[Event, None, bool]:
    """Nothing was changed by this attempt; was something left half done by one before?"""
    try:
        inventory = held_inventory(run.host, run.identity)
    except HostError as error:
        yield Line(f"{run.server} could not be looked at once more: {error.message}", level="warn")
        return False
    run.know_incumbent(inventory)
    run.past_return = inventory.past_return(run.identity)
    return inventory.needs_care


def _restore(run: Run, failure: StepFailed | None) -> Steps:
    yield from run.touch()
    outcome: list[Restored] = []
    try:
        yield from step("restore", _restoring(run, outcome))
    except StepFailed as trouble:
        outcome = [Restored(unproven=f"{trouble.what} {trouble.why}")]
        yield Line(trouble.what, level="bad")
    yield after_failure(run, failure, outcome[0])


def _restoring(run: Run, outcome: list[Restored]) -> Generator[Event, None, str]:
    restored = yield from restore(run)
    outcome.append(restored)
    if restored.unproven:
        raise StepFailed(restored.unproven)
    return "nothing served before" if restored.found_idle else f"release {restored.serving} serves"


def _finish(run: Run) -> Steps:
    """Cancelled when the old version had been removed by an earlier attempt already: the way out is forward."""
    yield Line("The cancel came too late: the old version has been removed, so the deploy is finished.", level="warn")
    try:
        run.image = run.host.local_image(run.spec.image.image_id or run.spec.image.reference)
        yield from _from_replace(run)
    except StepFailed as failure:
        yield from _restore(run, failure)
        return
    yield too_late(run)
