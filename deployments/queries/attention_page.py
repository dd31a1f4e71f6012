"""What a Deployment left in doubt: what was last seen on each server, how it was dealt with, and what can be done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deployments import sights, ways_out
from deployments.models import Attention, Deployment, Operation, Placement, Release
from deployments.states import OPERATION_OPEN, OperationStatus


@dataclass(frozen=True, slots=True)
class Doubt:
    """One server. `look` is the newest look since the end, `settling` the newest wish to take it as it is."""

    row: Attention
    look: Operation | None = None
    settling: Operation | None = None

    @property
    def server(self) -> str:
        """Its name."""
        return self.row.host.name

    @property
    def is_seen(self) -> bool:
        """There was a look since the end."""
        return self.row.seen_at is not None and self.row.seen_at > self.row.opened_at

    @property
    def is_looking(self) -> bool:
        """A worker looks, or will in a moment."""
        return self.look is not None and self.look.status in OPERATION_OPEN

    @property
    def is_settling(self) -> bool:
        """It is being taken as it is."""
        return self.settling is not None and self.settling.status in OPERATION_OPEN

    @property
    def failed(self) -> dict[str, Any]:
        """What went wrong last: taking it as it is, else looking; {} where nothing did."""
        for each in (self.settling, self.look):
            if each is not None and each.status == OperationStatus.FAILED:
                return dict(each.result)
            if each is not None:
                return {}
        return {}

    @property
    def containers(self) -> list[dict[str, Any]]:
        """As last seen."""
        return list(self.row.sight.get("containers", []))

    @property
    def ports(self) -> list[dict[str, Any]]:
        """Who holds the ports that it wants."""
        return list(self.row.sight.get("ports", []))

    @property
    def shown(self) -> str:
        """The fingerprint of what is shown; "" before the first look."""
        return str(self.row.sight.get("fingerprint", "")) if self.is_seen else ""

    @property
    def serves(self) -> bool:
        """Something answers there."""
        return self.is_seen and bool(sights.serving(self.row.sight))

    @property
    def matched(self) -> int | None:
        """The number of the Release on record that serves, if it is one."""
        number = self.row.sight.get("release")
        return int(number) if number is not None else None

    @property
    def verdict(self) -> str:
        """In one sentence."""
        if not self.is_seen:
            return _("Nobody has looked since.")
        serving = sights.serving(self.row.sight)
        if not self.containers:
            return _("No container of it is there: nothing serves.")
        if not serving:
            return ngettext(
                "%(n)s container of it is there, and it does not serve.",
                "%(n)s containers of it are there, and none serves.",
                len(self.containers),
            ) % {"n": len(self.containers)}
        if self.matched is not None:
            return _("Release %(number)s serves.") % {"number": self.matched}
        if len({each["release"] for each in serving}) > 1 and not any(each["service"] for each in serving):
            return _("Containers of several releases answer: one may be in the other's way.")
        return _("Something answers, but it is not just what a release on record says.")

    @property
    def recorded_as(self) -> str:
        """What taking it as it is would write down."""
        if self.matched is not None:
            return _("release %(number)s runs") % {"number": self.matched}
        return _("nothing that Estiva knows runs")

    @property
    def before(self) -> Release | None:
        """What served there before."""
        return self.row.target.replaced


@dataclass(frozen=True, slots=True)
class AttentionPage:
    """All of a Deployment, by server."""

    deployment: Deployment
    doubts: list[Doubt]

    @property
    def open(self) -> list[Doubt]:
        """Those that nobody has dealt with."""
        return [each for each in self.doubts if each.row.is_open]

    @property
    def dealt(self) -> list[Doubt]:
        """The others."""
        return [each for each in self.doubts if not each.row.is_open]

    @property
    def restorable(self) -> list[Doubt]:
        """Where something served before."""
        return [each for each in self.open if each.before is not None]

    @property
    def not_restorable(self) -> list[str]:
        """Servers where nothing served before."""
        return [each.server for each in self.open if each.before is None]

    @property
    def is_settling(self) -> bool:
        """One of them is being taken as it is."""
        return any(each.is_settling for each in self.open)

    @property
    def is_looking(self) -> bool:
        """A worker looks at one of them."""
        return any(each.is_looking for each in self.open)

    @property
    def is_prepared(self) -> bool:
        """Its command before the deploy went well."""
        return ways_out.is_prepared(self.deployment)

    @property
    def operations(self) -> list[int]:
        """What is under way, to be watched."""
        both = [operation for each in self.open for operation in (each.look, each.settling)]
        return [each.pk for each in both if each is not None and each.status in OPERATION_OPEN]


def attention_page(deployment: Deployment) -> AttentionPage:
    """The read model, in a constant number of queries; without any where nothing was left in doubt."""
    rows = list(_rows(Attention.objects.filter(target__deployment=deployment)).order_by("host__name", "pk"))
    looks = _newest(rows, deployment)
    doubts = [
        Doubt(
            row,
            looks.get((row.host_id, Operation.Kind.CHECK)),
            looks.get((row.host_id, Operation.Kind.SETTLE)) if row.is_open else None,
        )
        for row in rows
    ]
    return AttentionPage(deployment, doubts)


def open_doubts(placements: Iterable[Placement] | Any, **where: Any) -> list[Doubt]:
    """What is in doubt in these Placements, oldest first."""
    rows = _rows(Attention.objects.filter(way="", placement__in=placements, **where))
    return [Doubt(row) for row in rows.order_by("pk")]


def dealt_by(deployment: Deployment) -> list[Attention]:
    """What a Deployment was asked for to deal with, or has settled by the way."""
    rows = Attention.objects.filter(dealt_with=deployment)
    return list(rows.select_related("target").order_by("target__host_name"))


def _rows(rows: Any) -> Any:
    related = ("host", "target__replaced", "target__deployment", "dealt_with", "release")
    return rows.select_related(*related, "placement__application", "placement__environment")


def _newest(rows: Sequence[Attention], deployment: Deployment) -> dict[tuple[int, str], Operation]:
    """The newest look and the newest wish, by server."""
    open_rows = [row for row in rows if row.is_open]
    if not open_rows:
        return {}
    hosts, since = {row.host_id for row in open_rows}, min(row.opened_at for row in open_rows)
    kinds = (Operation.Kind.CHECK, Operation.Kind.SETTLE)
    asked = Operation.objects.filter(host__in=hosts, kind__in=kinds, requested_at__gte=since)
    found: dict[tuple[int, str], Operation] = {}
    for each in asked.order_by("pk"):
        if each.host_id is not None and each.placement_id in (None, deployment.placement_id):
            found[each.host_id, each.kind] = each
    return found
