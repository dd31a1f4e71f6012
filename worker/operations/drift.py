"""What of ours a server runs, and where it differs from the record."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from deployments import drifting, known, releases, room_acts, sightings
from deployments.apart import apart
from deployments.models import Host, Placement, PlacementHost, Release, Target
from deployments.states import TARGET_HELD
from worker.brief import NO_TARGET, adopted_of, installation_name, open_secrets
from worker.compose_brief import left_key
from worker.engine.compose.left import read_all
from worker.engine.compose.sight import SERVICE
from worker.engine.container_host import Container, ContainerHost
from worker.engine.errors import Cancelled, HostLost, LeaseLost
from worker.engine.hook import HOOK_LABEL
from worker.engine.look import Sight, look
from worker.engine.one_off import RUN_LABEL
from worker.engine.spec import Identity
from worker.operations.compose_drift import compose_containers, compose_drift, has_left
from worker.operations.difference import Difference, changed_settings, difference_of
from worker.redact import Masker

ENDS_A_LOOK: Final = (HostLost, Cancelled, LeaseLost)  # of whatever is looked at: nothing else there can be seen either
COMPOSE: Final = "What Compose brings up is not adopted: change its file, then deploy. Else redeploy, or ignore it."


def ours(server: ContainerHost, installation: str) -> list[dict[str, Any]]:
    """The containers that carry our installation's label, as `Host.containers` documents them."""
    return [_row(each) for each in sorted(_labelled(server, installation), key=lambda each: each.name)]


def _labelled(server: ContainerHost, installation: str) -> Sequence[Container]:
    return server.containers({"estiva.installation": installation})


def _row(container: Container) -> dict[str, Any]:
    service = container.labels.get(SERVICE)
    beside = {
        kind: container.labels[label]
        for kind, label in (("run", RUN_LABEL), ("hook", HOOK_LABEL))
        if container.labels.get(label)
    }
    return {
        "id": container.id,
        "name": container.name,
        "release": container.labels.get("estiva.release", ""),
        "placement": container.labels.get("estiva.placement", ""),
        "state": container.status,
        "image": container.image,
        "since": container.started_at,
        **({"service": service} if service else {}),
        **({"beside": beside} if beside else {}),
    }


def look_for_drift(host: Host, server: ContainerHost) -> None:
    """Compare each Placement's record with what is there; where a deploy is at work nothing is said, nor of a Release that only a later version can read."""
    busy = Target.objects.filter(host=host, status__in=TARGET_HELD).values("placement")
    seats = PlacementHost.objects.filter(host=host).exclude(placement__in=busy)
    for seat in seats.select_related("running_release", "placement__application", "placement__environment"):
        with apart("a seat could not be looked at", *ENDS_A_LOOK, placement=seat.placement_id, host=host.pk):
            _look_at(seat, server)


def _look_at(seat: PlacementHost, server: ContainerHost) -> None:
    running = seat.running_release
    if running is not None and not known.reads(running):
        return
    if running is not None and running.source.get("kind") == Placement.Source.COMPOSE:
        difference = _compose_difference(seat, running, server)
        sightings.drift_seen(seat, str(difference.get("words", "")), difference)
    else:
        look_at_seat(seat, server)


def look_at_seat(seat: PlacementHost, server: ContainerHost) -> tuple[Sight, Difference]:
    """Look at one Placement's container now, and write down how it differs."""
    sight = look(identity_of_seat(seat), server)
    difference = difference_of(seat, sight, drift_words(seat, sight))
    words, baseline = str(difference.get("words", "")), _baseline(seat, sight) if not difference else None
    sightings.drift_seen(seat, words, difference, baseline)
    return sight, difference


def _baseline(seat: PlacementHost, sight: Sight) -> Mapping[str, Any] | None:
    """How what was deployed is set, where its deploy has not written it down."""
    seen = sight.observed
    if seen is None or seat.observed.get("settings") or seat.observed.get("container_id") != seen.container_id:
        return None
    return seen.settings


def _compose_difference(seat: PlacementHost, running: Release, server: ContainerHost) -> Difference:
    labels = identity_of_seat(seat).labels()
    whose = {key: labels[key] for key in ("estiva.installation", "estiva.placement")}
    found = compose_containers(server, releases.project_name(seat.placement))
    now = read_all(server, found, left_key()) if has_left(seat.observed) else {}
    drift = compose_drift(seat.observed, running.number, whose, found, now)
    if not drift.changes:
        return drifting.in_words_alone(drift.words, COMPOSE, drift.status)
    masker = Masker(each.reveal() for each in open_secrets([running]).values())
    changes = [{key: masker.mask(text) for key, text in each.items()} for each in drift.changes]
    return drifting.in_words_alone(masker.mask(drift.words), COMPOSE, drift.status, changes)


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
        return _down(seat, recorded, seen, sight)
    if seen != recorded:
        return f"Release {seen} runs, release {recorded} is on record."
    if sight.health == "unhealthy":
        return "Its own health check says that it is unhealthy."
    if sight.policy_held and "restart" not in changed_settings(seat, sight):
        return "Its restart policy is not the one of its release."
    if sight.others:
        return f"Further containers of this placement are there: {', '.join(sight.others)}."
    return ""


def _down(seat: PlacementHost, recorded: int, seen: int | None, sight: Sight) -> str:
    """Nothing serves: who took it down, where that was done here."""
    person = room_acts.taken_down_by(seat)
    if seen is None:
        by_hand = f" {person} removed it by hand." if person else ""
        return f"Release {recorded} is on record, but no container of it is there.{by_hand}"
    if sight.container is not None and sight.container.paused:
        return (
            f"The container of release {seen} is paused: it is there, and answers nobody. Continue it there with docker unpause "
            f"{sight.container.name}, or redeploy, which makes it anew."
        )
    by_hand = f", stopped by hand by {person}" if person else ""
    return f"The container of release {seen} does not run: it is {sight.status}{by_hand}."


def identity_of_seat(seat: PlacementHost) -> Identity:
    """Whose containers are looked for there."""
    return Identity(
        installation=installation_name(),
        placement=seat.placement_id,
        placement_name=releases.placement_name(seat.placement),
        release=seat.running_release.number if seat.running_release else 0,
        deployment=0,
        target=NO_TARGET,
        fence=seat.fence,
        incumbent_target=seat.running_target_id,
        adopted=adopted_of(seat),
    )
