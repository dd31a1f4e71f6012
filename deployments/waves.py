"""A Deployment's waves: groups of servers one after another, the gate between them, and its stop.

`Deployment.wave` is the highest wave whose Targets may begin. It moves only here, under the Deployment's lock; a gate and a
stop are columns of the Deployment, so that any process may die at any moment.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from deployments import audit, clock, hints, hooks, queue, rollout_settings
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Deployment, Host, PlacementHost, Target
from deployments.states import DEPLOYMENT_OPEN, TARGET_HELD, TargetStatus

FAILURES: Final = frozenset(
    {TargetStatus.FAILED, TargetStatus.FAILED_UNTOUCHED, TargetStatus.FAILED_RESTORED, TargetStatus.NEEDS_ATTENTION}
)
UNSEEN: Final = timedelta(minutes=5)  # a server that can't be looked at for this long after the wait isn't healthy


def may_begin() -> Q:
    """Of Targets: those whose wave has come. A build is in nobody's way but its own."""
    return Q(wave__lte=F("deployment__wave"))


def advance(deployment: Deployment) -> list[Target]:
    """After Targets have ended: begin the next wave, close the gate, or stop. Returns the Targets that are to be skipped.

    Needs the Deployment's lock.
    """
    targets = list(Target.objects.filter(deployment=deployment, role=Target.Role.DEPLOY).order_by("pk"))
    queued = [each for each in targets if each.status == TargetStatus.QUEUED]
    if deployment.cancel_requested_at is not None:
        return []
    if _has_failed_enough(deployment, targets):
        return _stop(deployment, targets, queued)
    busy = any(each.status in TARGET_HELD or each in queued for each in targets if each.wave <= deployment.wave)
    if queued and not busy and not deployment.gate:
        _pass(deployment)
    return []


def _has_failed_enough(deployment: Deployment, targets: Sequence[Target]) -> bool:
    if deployment.halted:
        return False
    failed = [each for each in targets if each.status in FAILURES]
    if _unled(deployment, targets):
        return True
    most = int(deployment.rollout.get("stop_after", 0)) if deployment.rollout.get("kind", "all") != "all" else 0
    return bool(most) and len(failed) >= most


def _unled(deployment: Deployment, targets: Sequence[Target]) -> list[Target]:
    """Where a command was to run once for all and has not: it failed there, or the server was left out."""
    missing = FAILURES | {TargetStatus.SKIPPED}
    leads = bool(deployment.rollout.get(hooks.LEADS))
    return [each for each in targets if leads and each.wave == 0 and each.status in missing]


def _why_stopped(deployment: Deployment, targets: Sequence[Target]) -> str:
    failed = [each.host_name for each in targets if each.status in FAILURES]
    if failed:
        return f"Stopped after {rollout_settings.first_words(failed)} failed."
    left_out = rollout_settings.first_words([each.host_name for each in _unled(deployment, targets)])
    return f"Stopped since {left_out} was left out, where the command before the deploy was to run for all."


def _stop(deployment: Deployment, targets: Sequence[Target], queued: list[Target]) -> list[Target]:
    switched = any(each.status == TargetStatus.SUCCEEDED or each.status in TARGET_HELD for each in targets)
    wants_restore = deployment.rollout.get("then") == "restore" and switched
    if not queued and not wants_restore:
        return []
    _write(
        deployment,
        halted=_why_stopped(deployment, targets)[:300],
        gate="",
        gate_text="",
        gate_opens_at=None,
        restore=Deployment.Restore.DUE if wants_restore else "",
    )
    return list(
        Target.objects.select_for_update(no_key=True).filter(pk__in=[each.pk for each in queued]).order_by("pk")
    )


def _pass(deployment: Deployment) -> None:
    leader_alone = bool(deployment.rollout.get(hooks.LEADS)) and deployment.wave == 0
    gate = "" if leader_alone else rollout_settings.gate_after(deployment.rollout, deployment.wave)
    if gate == "":
        _next(deployment)
        return
    opens = clock.now() + timedelta(minutes=int(deployment.rollout.get("minutes", 10))) if gate == "minutes" else None
    _write(deployment, gate=gate, gate_opens_at=opens)


def _next(deployment: Deployment) -> None:
    _write(deployment, wave=deployment.wave + 1, gate="", gate_text="", gate_opens_at=None)
    begin = Target.objects.filter(deployment=deployment, wave=deployment.wave, status=TargetStatus.QUEUED)
    hints.targets_on_commit(list(begin.order_by("pk").values_list("pk", flat=True)))


def go_on(*, actor: Actor, deployment: Deployment) -> Deployment:
    """Somebody has looked at what was deployed so far: the next wave begins. Refused when nothing waits for that."""
    with transaction.atomic():
        deployment = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
        if deployment.status not in DEPLOYMENT_OPEN or not deployment.gate or deployment.cancel_requested_at:
            raise Refused(_("Deployment #%(number)s does not wait for anybody.") % {"number": deployment.pk})
        _next(deployment)
        name = f"#{deployment.pk} {deployment.application_name} → {deployment.environment_name}"
        audit.record(
            actor, "deployment.go_on", ("deployment", deployment.pk, name), after={"wave": deployment.wave + 1}
        )
    return deployment


def gates_due() -> list[int]:
    """The Deployments whose time of waiting is over, and those where something is wrong already."""
    waiting = Deployment.objects.filter(status__in=DEPLOYMENT_OPEN, gate="minutes")
    switched = Target.objects.filter(
        deployment=OuterRef(OuterRef("pk")), host=OuterRef("host"), status=TargetStatus.SUCCEEDED
    )
    drifted = PlacementHost.objects.filter(Exists(switched), placement=OuterRef("placement")).exclude(drift="")
    due = waiting.filter(Q(gate_opens_at__lte=Now()) | Q(Exists(drifted)))
    return list(due.order_by("pk").values_list("pk", flat=True))


def open_gate(deployment_id: int) -> list[int]:
    """Look at the servers that were switched: the next wave begins where all are well, else a person is waited for.

    Returns the Hosts that have to be looked at first, since nobody has since the time was over.
    """
    with transaction.atomic():
        deployment = Deployment.objects.select_for_update(no_key=True).get(pk=deployment_id)
        opens_at = deployment.gate_opens_at
        if deployment.status not in DEPLOYMENT_OPEN or deployment.gate != "minutes" or opens_at is None:
            return []
        hosts = _switched(deployment)
        unseen = [each for each in hosts if each.checked_at is None or each.checked_at < opens_at]
        trouble = _drift(deployment, hosts)
        if not trouble and unseen and clock.now() < opens_at + UNSEEN:
            return [each.pk for each in unseen] if clock.now() >= opens_at else []
        if unseen and not trouble:
            trouble = f"{rollout_settings.first_words([each.name for each in unseen])} could not be looked at."
        if trouble:
            _write(deployment, gate="person", gate_opens_at=None, gate_text=trouble[:300])
        else:
            _next(deployment)
    return []


def _switched(deployment: Deployment) -> list[Host]:
    done = Target.objects.filter(deployment=deployment, role=Target.Role.DEPLOY, status=TargetStatus.SUCCEEDED)
    return list(Host.objects.filter(pk__in=done.values("host")).order_by("name"))


def _drift(deployment: Deployment, hosts: Sequence[Host]) -> str:
    seats = PlacementHost.objects.filter(placement=deployment.placement_id, host__in=hosts).exclude(drift="")
    return " ".join(f"{seat.host.name}: {seat.drift}" for seat in seats.select_related("host").order_by("host__name"))


def _write(deployment: Deployment, **fields: "str | int | datetime | None") -> None:
    for name, value in fields.items():
        setattr(deployment, name, value)
    deployment.save(update_fields=tuple(fields))
    queue.changed_on_commit("deployment", deployment.pk, deployment.placement_id)
