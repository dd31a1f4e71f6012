"""ROOM: list what a server holds, ours and others'. Changes nothing. The result is what `worker.room.reading` documents."""

from typing import Final

from deployments.states import OperationStatus
from worker.brief import installation_name
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.room import door, reading

STEPS: Final = (("look", "What runs there"),)


def look(looking: Looking) -> Outcome:
    """Look once, and write it down whole."""
    host = host_of(looking)
    looking.plan_steps(STEPS)
    with looking.step("look") as step, door.enter(host, looking.signals) as (server, _masker):
        found = reading.room(server.listing(), installation_name())
        ours = sum(each["ours"] for each in found["containers"])
        step.finish(f"{len(found['containers'])} containers, {ours} of them Estiva's.")
    return Outcome(OperationStatus.SUCCEEDED, found)
