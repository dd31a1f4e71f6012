"""What a stalled Target waits for: somebody's trust in a changed host key, the moment of its next attempt, or a worker."""

from dataclasses import dataclass

from deployments import clock
from deployments.inventory import jumping
from deployments.models import Host, Target
from deployments.states import HostState


@dataclass(frozen=True, slots=True)
class Standstill:
    """A stalled Target. `distrusted` is the server whose new host key an admin has to trust first, itself or one on the way to it."""

    target: Target
    distrusted: Host | None
    is_put_off: bool  # nobody takes it over before its `not_before`


def standstill(target: Target) -> Standstill:
    """Why nobody is at work on it."""
    host = target.host
    way = [host, *jumping.leads_through(host.via)]
    changed = next((each for each in way if each.state == HostState.KEY_CHANGED), None)
    return Standstill(target, changed, target.not_before is not None and target.not_before > clock.now())
