"""What the pages of a Placement's hooks show, in a number of queries that doesn't grow with what there is."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import OuterRef, Subquery

from deployments.models import Placement, Webhook, WebhookDelivery
from deployments.webhooks.receive import LISTED


@dataclass(frozen=True, slots=True)
class HookRow:
    """A hook and what was delivered to it last, None before there was anything."""

    webhook: Webhook
    last: WebhookDelivery | None


def webhooks(placement: Placement) -> list[HookRow]:
    """A Placement's hooks, oldest first."""
    newest = WebhookDelivery.objects.filter(webhook=OuterRef("pk")).order_by("-id").values("pk")[:1]
    rows = list(Webhook.objects.filter(placement=placement).annotate(newest=Subquery(newest)).order_by("id"))
    last = WebhookDelivery.objects.defer("push").in_bulk([row.newest for row in rows if row.newest])
    return [HookRow(row, last.get(row.newest)) for row in rows]


def deliveries(webhook: Webhook) -> list[WebhookDelivery]:
    """The newest 100, with what they began."""
    rows = WebhookDelivery.objects.filter(webhook=webhook).select_related("deployment", "plan")
    return list(rows.defer("push").order_by("-id")[:LISTED])


def address(webhook: Webhook) -> str:
    """What is called."""
    return f"{settings.ESTIVA_BASE_URL}/hooks/{webhook.public_id}"
