"""What a stalled Target waits for: somebody's trust in a changed host key, the moment of its next attempt, or a worker."""

from collections.abc import Sequence
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


def standstills(targets: Sequence[Target]) -> list[Standstill]:
    """Why nobody is at work on each. One query, and one for each step of a way only while some server's key has changed."""
    any_changed = bool(targets) and Host.objects.filter(state=HostState.KEY_CHANGED).exists()
    now = clock.now()
    return [
        Standstill(each, _distrusted(each.host) if any_changed else None, (each.not_before or now) > now)
        for each in targets
    ]


def _distrusted(host: Host) -> Host | None:
    way = [host, *jumping.leads_through(host.via)]
    return next((each for each in way if each.state == HostState.KEY_CHANGED), None)
