"""What of ours a server runs, and where it differs from the record."""

from collections.abc import Sequence
from typing import Any

from deployments import releases, room_acts, sightings
from deployments.models import Host, Placement, PlacementHost, Release, Target
from deployments.states import TARGET_HELD
from worker.brief import NO_TARGET, installation_name
from worker.engine.compose.sight import SERVICE
from worker.engine.container_host import Container, ContainerHost
from worker.engine.look import Sight, look
from worker.engine.spec import Identity
from worker.operations.compose_drift import compose_containers, compose_drift_words


def ours(server: ContainerHost, installation: str) -> list[dict[str, Any]]:
    """The containers that carry our installation's label, as `Host.containers` documents them."""
    return [_row(each) for each in sorted(_labelled(server, installation), key=lambda each: each.name)]


def _labelled(server: ContainerHost, installation: str) -> Sequence[Container]:
    return server.containers({"estiva.installation": installation})


def _row(container: Container) -> dict[str, Any]:
    service = container.labels.get(SERVICE)
    return {
        "name": container.name,
        "release": container.labels.get("estiva.release", ""),
        "placement": container.labels.get("estiva.placement", ""),
        "state": container.status,
        "image": container.image,
        "since": container.started_at,
        **({"service": service} if service else {}),
    }


def look_for_drift(host: Host, server: ContainerHost) -> None:
    """Compare each Placement's record with what is there; where a deploy is at work nothing is said."""
    busy = Target.objects.filter(host=host, status__in=TARGET_HELD).values("placement")
    seats = PlacementHost.objects.filter(host=host).exclude(placement__in=busy)
    for seat in seats.select_related("running_release", "placement__application", "placement__environment"):
        running = seat.running_release
        if running is not None and running.source.get("kind") == Placement.Source.COMPOSE:
            words = _compose_words(seat, running, server)
        else:
            words = drift_words(seat, look(_identity(seat), server))
        sightings.drift_seen(seat.placement_id, host.pk, seat.running_target_id, words)


def _compose_words(seat: PlacementHost, running: Release, server: ContainerHost) -> str:
    labels = _identity(seat).labels()
    whose = {key: labels[key] for key in ("estiva.installation", "estiva.placement")}
    found = compose_containers(server, releases.project_name(seat.placement))
    return compose_drift_words(seat.observed, running.number, whose, found)


def drift_words(seat: PlacementHost, sight: Sight) -> str:
    """How what was seen differs from the record; "" when it doesn't."""
    recorded = seat.running_release.number if seat.running_release else None
    seen = sight.observed.release if sight.observed else None
    if recorded is None:
        return (
            f"A container of release {seen} runs, though none is on record."
            if seen is not None and sight.running
            else ""
        )
    if seen is None or not sight.running:
        return _down(seat, recorded, seen, sight.status)
    if seen != recorded:
        return f"Release {seen} runs, release {recorded} is on record."
    if sight.health == "unhealthy":
        return "Its own health check says that it is unhealthy."
    if sight.policy_held:
        return "Its restart policy is not the one of its release."
    if sight.others:
        return f"Further containers of this placement are there: {', '.join(sight.others)}."
    return ""


def _down(seat: PlacementHost, recorded: int, seen: int | None, status: str) -> str:
    """Nothing serves: who took it down, where that was done here."""
    person = room_acts.taken_down_by(seat)
    if seen is None:
        by_hand = f" {person} removed it by hand." if person else ""
        return f"Release {recorded} is on record, but no container of it is there.{by_hand}"
    by_hand = f", stopped by hand by {person}" if person else ""
    return f"The container of release {seen} does not run: it is {status}{by_hand}."


def _identity(seat: PlacementHost) -> Identity:
    return Identity(
        installation=installation_name(),
        placement=seat.placement_id,
        placement_name=releases.placement_name(seat.placement),
        release=seat.running_release.number if seat.running_release else 0,
        deployment=0,
        target=NO_TARGET,
        fence=seat.fence,
        incumbent_target=seat.running_target_id,
    )
