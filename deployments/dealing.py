"""What every way out of a doubt does: find what is open, let only one person act, write down who did."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deployments import attention, audit, clock
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Attention, Deployment, Placement
from deployments.states import DEPLOYMENT_OPEN

LONGEST_REASON: Final = 300


def check_idle(placement: Placement) -> None:
    """Refused while a Deployment of it is open."""
    open_one = Deployment.objects.filter(placement=placement, status__in=sorted(DEPLOYMENT_OPEN)).first()
    if open_one is not None:
        raise Refused(
            _("Deployment #%(number)s is open.") % {"number": open_one.pk}, remedy=_("Wait for it, or cancel it.")
        )


def open_rows(deployment: Deployment, servers: Collection[str]) -> list[Attention]:
    """Those of these servers, locked; Refused where one of them isn't in doubt (any more)."""
    if not servers:
        raise Refused(_("Choose at least one server."))
    rows = locked(Attention.objects.filter(target__deployment=deployment, host__name__in=servers))
    unknown = set(servers) - {row.host.name for row in rows}
    if unknown:
        raise Refused(_("%(server)s does not need attention.") % {"server": min(unknown)[:63]})
    for row in rows:
        check_open(row)
    return rows


def locked(rows: QuerySet[Attention]) -> list[Attention]:
    """Locked, with all that is said about them."""
    found = rows.select_for_update(no_key=True, of=("self",)).select_related("host", "target__replaced", "dealt_with")
    return list(found.order_by("pk"))


def check_open(row: Attention) -> None:
    """Refused where somebody has dealt with it."""
    if not row.is_open:
        raise Refused(
            _("%(server)s does not need attention any more: %(by)s has dealt with it.")
            % {"server": row.host.name, "by": row.dealt_by_name}
        )


def mark(actor: Actor, rows: Sequence[Attention], way: Attention.Way, reason: str, made: Deployment | None) -> None:
    """By compare-and-swap: Refused, and nothing of the transaction stays, where one was dealt with meanwhile."""
    moved = Attention.objects.filter(pk__in=[row.pk for row in rows], way="").update(
        way=way, dealt_at=clock.now(), dealt_by_name=actor.name[:120], reason=reason, dealt_with=made
    )
    if moved != len(rows):
        raise Refused(_("Somebody else has dealt with it meanwhile."))
    for row in rows:
        attention.tell(row)


def record(actor: Actor, rows: Sequence[Attention], way: Attention.Way, reason: str, said: Mapping[str, Any]) -> None:
    """The entries of what was done; the last thing in a transaction."""
    for row in rows:
        after = {"server": row.host.name, "way": str(way), **said, "reason": reason}
        audit.record(actor, "target.settle", named(row), after=after)


def named(row: Attention) -> tuple[str, int, str]:
    """What an entry is about."""
    return "target", row.target_id, f"#{row.target.deployment_id} on {row.target.host_name}"


def checked_reason(reason: str) -> str:
    """As it is kept; Refused where it is too long."""
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise Refused(_("That is too long: at most %(n)s characters.") % {"n": LONGEST_REASON}, "reason")
    return reason
