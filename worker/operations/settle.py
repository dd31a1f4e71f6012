"""SETTLE: what is on a server that a Deployment left in doubt is recorded as what runs, once it was seen anew.

The result: `{"said", "release": number or None}`. On the server nothing is changed but for a tag of ours that keeps the image.
"""

from dataclasses import replace
from typing import Final

from deployments import attention, taking_as_is
from deployments.errors import Refused
from deployments.models import Attention, Host, PlacementHost, Release
from deployments.states import OperationStatus
from worker.brief import host_connection, secrets_of
from worker.engine.container_host import ContainerHost
from worker.engine.errors import HostError
from worker.logs import open_secrets
from worker.operations.doubt import look_at
from worker.operations.drift import identity_of_seat
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.servers import open_server

STEPS: Final = [("look", "Look again"), ("record", "Record"), ("keep", "Keep the image")]


def settle(looking: Looking) -> Outcome:
    """Look, compare with what was shown, write it down, keep the image."""
    host = host_of(looking)
    looking.plan_steps(STEPS)
    connection = host_connection(host)
    with (
        open_secrets.using(Masker(each.reveal() for each in secrets_of(connection))),
        open_server(connection, looking.signals) as server,
    ):
        done = taking_as_is.taken_by(looking.operation)
        release = done.release if done is not None else _taken(looking, host, server)
        with looking.step("keep") as step:
            step.finish(_keep(looking, release, server))
    what = f"release {release.number}" if release else "nothing that Estiva has on record"
    said = f"What runs on {host.name} is recorded as {what}."
    return Outcome(OperationStatus.SUCCEEDED, {"said": said, "release": release.number if release else None})


def _taken(looking: Looking, host: Host, server: ContainerHost) -> Release | None:
    rows = Attention.objects.select_related("target__deployment__release", "target__replaced")
    row = rows.get(pk=looking.operation.request["attention"])
    with looking.step("look") as step:
        doubt = look_at(row, server)
        if doubt.sight["fingerprint"] != looking.operation.request["shown"]:
            attention.seen(row.pk, doubt.sight)
            raise HostError(
                f"What is on {host.name} is not what was shown.",
                why="It has changed since.",
                remedy="Look at what is there now, then decide again. Nothing was recorded.",
            )
        step.finish("Still what was shown.")
    with looking.step("record") as step:
        try:
            release = taking_as_is.take_as_is(looking.operation, doubt.sight, doubt.observed)
        except Refused as refused:
            raise HostError(f"{refused} Nothing was recorded.", remedy=str(refused.remedy)) from refused
        step.finish(f"Release {release.number} runs." if release else "Nothing that is on record runs.")
    return release


def _keep(looking: Looking, release: Release | None, server: ContainerHost) -> str:
    operation = looking.operation
    rows = PlacementHost.objects.select_related("running_release", "placement__application", "placement__environment")
    seat = rows.get(placement=operation.placement_id, host=operation.host_id)
    image_id = seat.observed.get("image_id")
    if release is None or not image_id:
        return "Nothing to keep."
    tag = replace(identity_of_seat(seat), release=release.number).kept_tag
    server.tag(image_id, tag)
    return f"As {tag}."
