"""Engines that can't change the restart policy of a container that exists (podman before 5): what is done instead.

There a container has the policy that it was made with. So an unproven one is made with "no", which no reboot starts, and
once it is proven `worker.engine.exchange` makes its twin with the Release's own policy. The old one keeps its own until it
is removed, after the twin was seen to serve. At each instant what a reboot starts is the old one or the twin of a proven one;
between the twin's creation and the old one's removal both, until the deploy goes on.
"""

from dataclasses import replace

from worker.engine.container_host import EngineFacts
from worker.engine.inventory import Owned
from worker.engine.run import Run, attempt
from worker.engine.spec import ContainerSpec


def facts_of(run: Run) -> EngineFacts:
    """Asked once an attempt."""
    if run.facts is None:
        run.facts = attempt(f"The engine on {run.server} could not be asked what it is", run.host.facts)
    return run.facts


def is_fixed(run: Run) -> bool:
    """This engine can't change a policy."""
    return "update" in facts_of(run).lacks


def fit(run: Run) -> None:
    """From here on the spec asks for the policy that this engine is given."""
    run.spec = replace(run.spec, container=fitted(run.spec.container, facts_of(run)))


def fitted(container: ContainerSpec, facts: EngineFacts) -> ContainerSpec:
    """Podman starts after a reboot what has "always" alone; "unless-stopped" is meant to come back, so it becomes that."""
    if facts.product == "Podman" and container.restart == "unless-stopped":
        return replace(container, restart="always")
    return container


def hold(run: Run, each: Owned, policy: str, retries: int = 0) -> None:
    """Give a container of ours another restart policy, where this engine can."""
    if not is_fixed(run):
        doing = f"The restart policy of {each.name} could not be set"
        attempt(doing, run.host.set_restart_policy, each.name, policy, retries)
