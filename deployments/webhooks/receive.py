"""What becomes of a delivery: its secret is checked, it is kept once, its rules are asked, and a deploy may begin.

How a deploy begins is handed in (`Start`): receiving knows hooks, starting knows Plans and Deployments.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import audit, clock
from deployments.actors import Actor
from deployments.compose_text import read_face
from deployments.errors import Refused
from deployments.field_key import reveal
from deployments.leases import lock_placement
from deployments.models import Deployment, Placement, Plan, Repository, Webhook, WebhookDelivery
from deployments.webhooks import reading
from deployments.webhooks.push import Malformed, Push, Received, Unauthentic
from deployments.webhooks.request import WebhookRequest
from deployments.webhooks.rules import Place, Rules, decide

Verdict = WebhookDelivery.Verdict

LISTED: Final = 100
REMEMBERED: Final = 2000  # numbers of deliveries, so that an old one isn't taken for new; what was in them is dropped
DUPLICATE: Final = "duplicate"
_STRANGERS_EVERY: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What starting a deploy came to: accepted with what was begun, or refused with why."""

    verdict: Verdict
    reason: str = ""  # added to the rules' own
    plan: Plan | None = None
    deployment: Deployment | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told, and who may read the list as well."""

    verdict: str
    reason: str


Start = Callable[[Webhook, Push, Actor], Outcome]
"""Begins the deploy of a push, in the caller's transaction; may raise Refused. The actor is who the record names."""


@dataclass(frozen=True, slots=True)
class _Came:
    """How one thing arrived: what is kept of it beside what it says."""

    delivery_id: str
    proof: str
    actor: Actor
    again_of: WebhookDelivery | None = None


def let_in(*, webhook: Webhook, request: WebhookRequest, address: str) -> reading.Authentic:
    """The request, if it bears this hook's secret; else Unauthentic, of which only a count is kept."""
    try:
        return reading.authenticate(webhook.kind, request, reveal(webhook.secret))
    except Unauthentic as error:
        _note_stranger(webhook, str(error), address)
        raise


def receive(*, webhook: Webhook, authentic: reading.Authentic, address: str, start: Start) -> tuple[Answer, ...]:
    """Take what was let in; one answer for each thing in it."""
    actor = actor_of(webhook, address)
    try:
        received = authentic.read()
    except Malformed as error:
        unread = Outcome(Verdict.REFUSED, str(error))
        came = _Came(authentic.request.delivery_id(), authentic.proof, actor)
        return (_keep(webhook, came, "", None, lambda: unread),)
    return tuple(_take(webhook, each, authentic.proof, actor, start) for each in received)


def send_again(*, actor: Actor, delivery: WebhookDelivery, start: Start) -> Answer:
    """Decide anew on what was delivered, by the rules of now; the deploy is then this person's."""
    if not delivery.push:
        raise Refused(_("There is no push in this delivery that could be sent again."))
    push = Push.from_json(delivery.push)
    webhook = Webhook.objects.select_related("placement__application", "placement__environment").get(
        pk=delivery.webhook_id
    )
    with transaction.atomic():
        earlier = webhook.deliveries.filter(again_of=delivery).count()
        came = _Came(f"{delivery.delivery_id[:100]}+{earlier + 1}", "", actor, delivery)
        answer = _keep(webhook, came, push.event, push, lambda: _judge(webhook, push, actor, start))
        audit.record(actor, "webhook.send_again", webhook, after={"delivery": delivery.delivery_id, **delivery.summary})
    return answer


def actor_of(webhook: Webhook, address: str = "") -> Actor:
    """Who a hook's deploys are recorded for."""
    return Actor(None, _("%(name)s (webhook)") % {"name": webhook.name}, address)


def place_of(placement: Placement) -> Place:
    """What a Placement is made from, as far as pushes go."""
    if placement.source == Placement.Source.IMAGE:
        return Place(images=(placement.image,) if placement.image else ())
    if pasted := str(placement.compose.get("text", "")):  # no repository stands behind it, but images of services do
        return Place(images=read_face(pasted).images)
    repository = Repository.objects.filter(application=placement.application_id).first()
    return Place(repository_url=repository.url if repository else "")


def _take(webhook: Webhook, received: Received, proof: str, actor: Actor, start: Start) -> Answer:
    came = _Came(received.delivery_id, proof, actor)
    if isinstance(received, Push):
        return _keep(webhook, came, received.event, received, lambda: _judge(webhook, received, actor, start))
    if received.is_noise:
        return Answer(Verdict.IGNORED, received.reason)
    return _keep(webhook, came, received.event, None, lambda: Outcome(Verdict.IGNORED, received.reason))


def _judge(webhook: Webhook, push: Push, actor: Actor, start: Start) -> Outcome:
    """Ask the rules, then begin; a refusal of the domain is an outcome too."""
    placement = webhook.placement
    if not webhook.is_active:
        return Outcome(Verdict.IGNORED, "This hook is switched off.")
    if placement.application.archived_at is not None:
        return Outcome(Verdict.IGNORED, f"{placement.application.name} is archived.")
    decision = decide(push, Rules.from_json(webhook.rules), place_of(placement))
    if not decision.deploy:
        return Outcome(Verdict.IGNORED, decision.reason)
    try:
        with transaction.atomic():
            outcome = start(webhook, push, actor)
    except Refused as refusal:
        return Outcome(Verdict.REFUSED, f"{decision.reason} {refusal}")
    return replace(outcome, reason=f"{decision.reason} {outcome.reason}".strip())


def _keep(webhook: Webhook, came: _Came, event: str, push: Push | None, judge: Callable[[], Outcome]) -> Answer:
    """Write the delivery down and judge it, both or neither; one that was there already is only counted."""
    with transaction.atomic():
        lock_placement(webhook.placement_id)  # a burst is taken one after another; and it comes before every other lock
        row = _new_row(webhook, came, event)
        if row is None:
            return _repeated(webhook, came)
        outcome = judge()
        row.verdict, row.reason = outcome.verdict, outcome.reason[:600]
        row.plan, row.deployment = outcome.plan, outcome.deployment
        row.push, row.summary = (push.as_json(), push.summary) if push else ({}, {})
        row.save(update_fields=("verdict", "reason", "plan", "deployment", "push", "summary"))
        Webhook.objects.filter(pk=webhook.pk).update(last_used_at=row.received_at)
        _forget_old(webhook)
    return Answer(row.verdict, row.reason)


def _new_row(webhook: Webhook, came: _Came, event: str) -> WebhookDelivery | None:
    """None where the same number, or the same signed content, was there before."""
    try:
        with transaction.atomic():
            return WebhookDelivery.objects.create(
                webhook=webhook,
                delivery_id=came.delivery_id,
                proof=came.proof,
                received_at=clock.now(),
                address=came.actor.address,
                event=event,
                verdict=Verdict.REFUSED,
                again_of=came.again_of,
                sent_again_by_name=came.actor.name if came.again_of else "",
            )
    except IntegrityError:
        return None


def _repeated(webhook: Webhook, came: _Came) -> Answer:
    rows = WebhookDelivery.objects.filter(webhook=webhook)
    same = rows.filter(delivery_id=came.delivery_id)
    if not same.update(repeats=F("repeats") + 1):
        rows.filter(proof=came.proof).exclude(proof="").update(repeats=F("repeats") + 1)
    return Answer(DUPLICATE, "This was delivered before; nothing is done twice.")


def _forget_old(webhook: Webhook) -> None:
    rows = WebhookDelivery.objects.filter(webhook=webhook).order_by("-id").values_list("pk", flat=True)
    if oldest_listed := next(iter(rows[LISTED - 1 : LISTED]), None):
        old = WebhookDelivery.objects.filter(webhook=webhook, pk__lt=oldest_listed).exclude(push={}, summary={})
        old.update(push={}, summary={}, reason="", address="")
    if oldest_remembered := next(iter(rows[REMEMBERED - 1 : REMEMBERED]), None):
        WebhookDelivery.objects.filter(webhook=webhook, pk__lt=oldest_remembered).delete()


def _note_stranger(webhook: Webhook, reason: str, address: str) -> None:
    """Count a call without the secret, once a second at most: a flood of them must not become a flood of writes."""
    if webhook.stranger_at is not None and timezone.now() - webhook.stranger_at < _STRANGERS_EVERY:
        return
    Webhook.objects.filter(pk=webhook.pk).update(
        strangers=F("strangers") + 1,
        stranger_at=clock.now(),
        stranger_address=address[:64],
        stranger_reason=reason[:200],
    )
