"""ADOPT: what was changed by hand becomes a new Release, once it was seen anew. The result: `{"said", "release"}`.

On the server nothing is changed but for a tag of ours, that keeps the image as that of any Release.
"""

from dataclasses import asdict, replace
from typing import Any

from deployments import adopting, sightings
from deployments.errors import Refused
from deployments.models import Host, PlacementHost, Release
from deployments.states import OperationStatus
from worker.brief import host_connection, installation_name, secrets_of
from worker.engine.container_host import ContainerHost
from worker.engine.errors import HostError
from worker.engine.look import Sight
from worker.logs import open_secrets
from worker.operations.difference import Difference
from worker.operations.drift import identity_of_seat, look_at_seat, ours
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.servers import open_server


def adopt(looking: Looking) -> Outcome:
    """Look, compare with what was shown, write it down, keep the image."""
    host, operation = host_of(looking), looking.operation
    looking.plan_steps([("look", "Look again"), ("record", "Record"), ("keep", "Keep the image")])
    connection = host_connection(host)
    with (
        open_secrets.using(Masker(each.reveal() for each in secrets_of(connection))),
        open_server(connection, looking.signals) as server,
    ):
        release = adopting.adopted_by(operation)
        if release is None:
            release = _taken(looking, host, server)
        with looking.step("keep") as step:
            seat = _seat(looking)
            identity = replace(identity_of_seat(seat), release=release.number)
            server.tag(seat.observed["image_id"], identity.kept_tag)
            step.finish(f"As {identity.kept_tag}.")
        sightings.containers_seen(host.pk, sightings.where(host), ours(server, installation_name()))
    said = f"What runs on {host.name} is release {release.number} now."
    return Outcome(OperationStatus.SUCCEEDED, {"said": said, "release": release.number})


def _taken(looking: Looking, host: Host, server: ContainerHost) -> Release:
    seat = _seat(looking)
    with looking.step("look") as step:
        sight, difference = look_at_seat(seat, server)
        if difference.get("fingerprint") != looking.operation.request["fingerprint"]:
            raise HostError(
                f"What runs on {host.name} is not what was shown: {difference.get('words') or 'nothing differs now.'}",
                why="It was changed again meanwhile.",
                remedy="Look at what differs now, then decide again. Nothing was adopted.",
            )
        step.finish(difference["words"])
    with looking.step("record") as step:
        release, is_new = _written(looking, seat, sight, difference)
        step.finish(f"Release {release.number}{'' if is_new else ', which says the same'}.")
    return release


def _written(looking: Looking, seat: PlacementHost, sight: Sight, difference: Difference) -> tuple[Release, bool]:
    observed: dict[str, Any] = asdict(sight.observed) if sight.observed else {}
    try:
        return adopting.adopt(looking.operation, seat.pk, difference, observed)
    except Refused as refused:
        raise HostError(f"{refused} Nothing was adopted.", remedy=str(refused.remedy)) from refused


def _seat(looking: Looking) -> PlacementHost:
    rows = PlacementHost.objects.select_related("running_release", "placement__application", "placement__environment")
    return rows.get(placement=looking.operation.placement_id, host=looking.operation.host_id)
