"""What a person does about servers that a Deployment left in doubt: take its Release forward again, or bring back what served
before. Each is one act: the second of two clicks is refused. `taking_as_is` is the third way.
"""

from collections.abc import Collection, Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import dealing, deployable, hooks, releases, sources
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.leases import lock_placement
from deployments.models import Attention, Deployment, Placement, PlacementHost, Release, Step
from deployments.states import HostState
from deployments.unplanned import queue_unplanned, record_unplanned


def resume(*, actor: Actor, deployment: Deployment, servers: Collection[str], reason: str = "") -> Deployment:
    """Queue the Deployment's Release for exactly these servers, once more; Refused where somebody was first, or a server
    can't be deployed to now."""
    reason = dealing.checked_reason(reason)
    with transaction.atomic():
        placement = lock_placement(deployment.placement_id)
        rows = dealing.open_rows(deployment, servers)
        release = deployment.release
        dealing.check_idle(placement)
        _check(actor, placement, release, rows)
        for row in rows:
            if row.host.drained_at is not None:
                raise Refused(_("%(server)s is drained: nothing new is placed there.") % {"server": row.host.name})
        made = queue_unplanned(
            actor=actor,
            placement=placement,
            release=release,
            before=releases.running_release(placement.pk),
            hosts=[row.host for row in rows],
            note=_note(_("Resumes #%(number)s.") % {"number": deployment.pk}, reason),
            kind=Deployment.Kind.REDEPLOY,
            rollout={hooks.CATCHES_UP: True} if is_prepared(deployment) else {},
        )
        dealing.mark(actor, rows, Attention.Way.RESUME, reason, made)
        record_unplanned(actor, made, f"#{deployment.pk} needed attention: resumed")
        dealing.record(actor, rows, Attention.Way.RESUME, reason, {"deployment": made.pk, "release": release.number})
    return made


def restore(*, actor: Actor, deployment: Deployment, servers: Collection[str], reason: str = "") -> list[Deployment]:
    """Queue what served on these servers before the Deployment, there alone: one Deployment for each Release."""
    reason = dealing.checked_reason(reason)
    with transaction.atomic():
        placement = lock_placement(deployment.placement_id)
        rows = dealing.open_rows(deployment, servers)
        made = [
            _bring_back(actor, placement, deployment, release, several, reason)
            for release, several in _by_replaced(deployment, rows).items()
        ]
        for each, several in made:
            record_unplanned(actor, each, f"#{deployment.pk} needed attention: what served before comes back")
            said = {"deployment": each.pk, "release": each.release.number}
            dealing.record(actor, several, Attention.Way.RESTORE, reason, said)
    return [each for each, _several in made]


def is_prepared(deployment: Deployment) -> bool:
    """The command before the deploy went well: it isn't run a second time."""
    return Step.objects.filter(target__deployment=deployment, key="before", status=Step.Status.GOOD).exists()


def _bring_back(
    actor: Actor,
    placement: Placement,
    deployment: Deployment,
    release: Release,
    rows: Sequence[Attention],
    reason: str,
) -> tuple[Deployment, Sequence[Attention]]:
    _check(actor, placement, release, rows)
    made = queue_unplanned(
        actor=actor,
        placement=placement,
        release=release,
        before=releases.running_release(placement.pk),
        hosts=[row.host for row in rows],
        note=_note(_("Brings back what served before #%(number)s.") % {"number": deployment.pk}, reason),
        kind=Deployment.Kind.ROLLBACK,
    )
    dealing.mark(actor, rows, Attention.Way.RESTORE, reason, made)
    return made, rows


def _by_replaced(deployment: Deployment, rows: Sequence[Attention]) -> dict[Release, list[Attention]]:
    dealing.check_idle(deployment.placement)
    found: dict[Release, list[Attention]] = {}
    for row in rows:
        before = row.target.replaced
        if before is None:
            raise Refused(
                _("Nothing served on %(server)s before #%(number)s.")
                % {"server": row.host.name, "number": deployment.pk},
                remedy=_("Resume it, or take what is there as it is."),
            )
        found.setdefault(before, []).append(row)
    return found


def _check(actor: Actor, placement: Placement, release: Release, rows: Sequence[Attention]) -> None:
    """Refused, with the reason, where this Release can't be brought to these servers now."""
    deployable.check_in_use(placement)
    if sources.needs_build(release):
        raise Refused(_("Release %(number)s was never built.") % {"number": release.number})
    if release.lost_secrets:
        raise Refused(
            _("Secrets of release %(number)s were destroyed: %(names)s.")
            % {"number": release.number, "names": ", ".join(release.lost_secrets)},
            remedy=_("Set them again and deploy."),
        )
    for row in rows:
        if row.host.state != HostState.READY:
            raise Refused(
                _("%(server)s can't be deployed to now: %(state)s.")
                % {"server": row.host.name, "state": row.host.get_state_display().lower()},
                remedy=_("Look at it again once it is back."),
            )
    ids = [row.host_id for row in rows]
    active = set(PlacementHost.objects.filter(placement=placement, host__in=ids, is_active=True).values_list("host_id"))
    gone = [row.host.name for row in rows if (row.host_id,) not in active]
    if gone:
        raise Refused(
            _("%(servers)s is none of its servers any more.") % {"servers": ", ".join(gone)},
            remedy=_("Take it as it is."),
        )
    deployable.check_powers(actor, release, [row.host for row in rows])


def _note(said: str, reason: str) -> str:
    return f"{said} {reason}".strip()
