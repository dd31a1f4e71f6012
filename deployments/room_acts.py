"""Start, stop, restart and remove a container of ours by hand: who may, when it is refused, and who did it last."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments import audit
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Host, Operation, Placement, PlacementHost, Target, User
from deployments.operations import request_operation
from deployments.permissions import may_act, may_administer
from deployments.room import check_open
from deployments.states import OPERATION_OPEN, TARGET_HELD, OperationStatus

DEADLINE_SECONDS: Final = 900.0
"""A container may take as long to end as its Release allows."""


class Act(models.TextChoices):
    """What can be done by hand."""

    START = "start", gettext_lazy("Start")
    STOP = "stop", gettext_lazy("Stop")
    RESTART = "restart", gettext_lazy("Restart")
    REMOVE = "remove", gettext_lazy("Remove")


def acts_for(user: User, placement: Placement | None) -> tuple[Act, ...]:
    """What this person may do with a container of that Placement; None for one whose Placement is not known."""
    if may_administer(user):
        return tuple(Act)
    if placement is not None and may_act(user, placement):
        return (Act.START, Act.RESTART)
    return ()


def fitting(container: Mapping[str, Any]) -> tuple[Act, ...]:
    """What makes sense for a container as it was last seen."""
    if container["state"] in {"running", "paused", "restarting"}:
        return (Act.RESTART, Act.STOP)
    return (Act.START, Act.REMOVE)


def is_serving(container: Mapping[str, Any], seat: PlacementHost | None) -> bool:
    """It is what its Placement serves with on this server, as far as the record and the last look go."""
    running = seat.running_release if seat is not None else None
    is_up = container["state"] in {"running", "paused", "restarting"}
    if seat is None or running is None or not is_up:
        return False
    known = seat.adopted.get("release"), seat.adopted.get("container_id")
    adopted = known == (running.number, container["id"])
    return bool(adopted or str(running.number) == container["release"])


def request_act(*, actor: Actor, host: Host, container: Mapping[str, Any], act: Act) -> Operation:
    """Queue it for a container as `worker.room.reading` lists it. The worker looks again, by id, name and labels, before it acts.

    Refused for what isn't ours, while a deployment is at work there, or while another act on it is under way.
    """
    check_open(host)
    if not container["ours"]:
        raise Refused(_("%(name)s is not Estiva's: it is never touched.") % {"name": container["name"]})
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        placement = Placement.objects.filter(pk=container["placement"] or 0).first()
        check_idle(host.pk, container["placement"])
        if open_act(host, container["id"]) is not None:
            raise Refused(
                _("Something else is being done with %(name)s.") % {"name": container["name"]},
                remedy=_("Wait for it."),
            )
        request = {"act": str(act), **{key: container[key] for key in ("id", "name", "placement", "release")}}
        operation = request_operation(
            actor=actor,
            kind=Operation.Kind.CONTAINER,
            host=host,
            placement=placement,
            request=request,
            deadline_seconds=DEADLINE_SECONDS,
        )
        audit.record(
            actor,
            {
                Act.START: "container.start",
                Act.STOP: "container.stop",
                Act.RESTART: "container.restart",
                Act.REMOVE: "container.remove",
            }[act],
            placement or host,
            after={"server": host.name, "container": container["name"], "id": container["id"][:12]},
        )
    return operation


def check_idle(host_id: int, placement_id: int | None) -> None:
    """Refused while a deployment is at work at that seat."""
    at_work = Target.objects.filter(host=host_id, placement=placement_id or 0, status__in=TARGET_HELD)
    target = at_work.select_related("deployment").first()
    if target is not None:
        raise Refused(
            _("Deployment #%(number)s is at work there.") % {"number": target.deployment_id},
            remedy=_("Wait for it, or cancel it."),
        )


def open_act(host: Host, container_id: str) -> Operation | None:
    """What is being done with a container, if anything."""
    acts = Operation.objects.filter(host=host, kind=Operation.Kind.CONTAINER, status__in=OPERATION_OPEN)
    return next((each for each in acts if each.request.get("id") == container_id), None)


def last_act(host: Host, container_id: str) -> Operation | None:
    """The newest, done or not."""
    acts = Operation.objects.filter(host=host, kind=Operation.Kind.CONTAINER).order_by("-pk")[:200]
    return next((each for each in acts if each.request.get("id") == container_id), None)


def taken_down_by(seat: PlacementHost) -> str:
    """Who stopped or removed by hand what was brought there last, and nobody started it since; "" for nobody."""
    done = (OperationStatus.SUCCEEDED, OperationStatus.RUNNING)  # while it runs, it is who looks
    acts = Operation.objects.filter(
        host=seat.host_id, placement=seat.placement_id, kind=Operation.Kind.CONTAINER, status__in=done
    )
    if seat.running_since is not None:
        acts = acts.filter(requested_at__gte=seat.running_since)
    newest = acts.order_by("-pk").first()
    if newest is None or newest.request.get("act") not in {Act.STOP, Act.REMOVE}:
        return ""
    return newest.requested_by_name
