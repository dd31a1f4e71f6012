"""Plans that a push or a program asked for: deployed by themselves once they are worked out, by whichever process comes first.

`Plan.automatic` moves by compare-and-swap under the Placement's lock, so that a Plan is deployed once, or never. The worker
that ended a Plan's Operation carries it on; the reconciler does so for what was left behind.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from deployments import operations, plan, releases, requests
from deployments.accounts import tokens
from deployments.accounts.reach import Reach
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.leases import lock_placement
from deployments.models import AccessToken, Deployment, Operation, PlacementHost, Plan, Webhook, WebhookDelivery
from deployments.states import DEPLOYMENT_OPEN, OPERATION_ENDS, OPERATION_OPEN, OperationStatus

Verdict = WebhookDelivery.Verdict
Automatic = Plan.Automatic

LEFT_BEHIND: Final = timedelta(
    seconds=5
)  # after the end of its Operation: then whoever ended that has died, or is slow
ELDERS_TURN: Final = timedelta(minutes=1)  # after the end of its Operation: the reconciler has long tried by then
_LONGEST_REASON: Final = 600
_BESIDE: Final = ("operation", "webhook", "placement__application", "token__user")


def request_plan(*, actor: Actor, webhook: Webhook, wanted: dict[str, str]) -> Plan:
    """A Plan that deploys itself, in place of those of this Placement that wait. Needs the Placement's lock."""
    _supersede_waiting(webhook.placement_id)
    row = requests.request_plan(actor=actor, placement=webhook.placement, wanted=wanted)
    row.automatic, row.automatic_by, row.webhook = Automatic.WAITING, actor.name[:120], webhook
    row.save(update_fields=("automatic", "automatic_by", "webhook"))
    return row


def left_behind() -> list[int]:
    """Plans whose Operation ended a while ago and that nobody carried on, oldest first."""
    rows = Plan.objects.filter(
        automatic=Automatic.WAITING,
        operation__status__in=OPERATION_ENDS,
        operation__ended_at__lte=Now() - LEFT_BEHIND,
    )
    return list(rows.order_by("pk").values_list("pk", flat=True))


def plan_of(operation: Operation) -> int | None:
    """The Plan of this Operation that waits to be carried on."""
    rows = Plan.objects.filter(operation=operation.pk, automatic=Automatic.WAITING)
    return rows.values_list("pk", flat=True).first()


def carry_on(plan_id: int) -> Deployment | None:
    """Deploy a Plan whose Operation is over, or say on its deliveries why not; None too when it was done already.

    What was asked for first is deployed first: one whose elder is still being worked out waits, and goes right after it.
    """
    made = _carry_one(plan_id)
    placement_id = Plan.objects.filter(pk=plan_id).values_list("placement", flat=True).first()
    behind = _waiting().filter(placement=placement_id, pk__gt=plan_id)
    for number in list(behind.order_by("pk").values_list("pk", flat=True)):
        _carry_one(number)
    return made


def _carry_one(plan_id: int) -> Deployment | None:
    placement_id = _waiting().filter(pk=plan_id).values_list("placement", flat=True).first()
    if placement_id is None:
        return None
    with transaction.atomic():
        lock_placement(placement_id)
        row = _waiting().select_related(*_BESIDE).filter(pk=plan_id).first()
        if row is None or _has_elders(row):
            return None
        refusal = _why_not(row)
        if refusal is None:
            try:
                return _deploy(row)
            except Refused as error:
                refusal = Verdict.REFUSED, str(error)
        _move(row.pk, Automatic.DROPPED)
        _say([row.pk], *refusal)
    return None


def _has_elders(row: Plan) -> bool:
    """Else whichever was worked out faster would be overtaken by what was asked for before it. Not for ever: Operations have
    deadlines, and one that can't be carried on keeps no other waiting.
    """
    turn_to_come = Q(operation__status__in=OPERATION_OPEN) | Q(operation__ended_at__gt=Now() - ELDERS_TURN)
    elders = Plan.objects.filter(placement=row.placement_id, automatic=Automatic.WAITING, pk__lt=row.pk)
    return elders.filter(turn_to_come).exists()


def _waiting() -> QuerySet[Plan]:
    return Plan.objects.filter(automatic=Automatic.WAITING, operation__status__in=OPERATION_ENDS)


def _deploy(row: Plan) -> Deployment:
    with transaction.atomic():
        _move(row.pk, Automatic.DEPLOYED)
        deployment = requests.request_deployment(
            actor=_actor(row),
            plan=row,
            fingerprint=row.fingerprint,
            note=row.automatic_note or _note(row),
            supersede=row.token is None,
        )
        WebhookDelivery.objects.filter(plan=row).update(deployment=deployment)
    return deployment


def _actor(row: Plan) -> Actor:
    """Who asked; by a token, with no more power than that has by now."""
    return tokens.actor_of(row.token) if row.token else Actor(row.created_by_id, row.automatic_by)


def _move(plan_id: int, to: Automatic) -> None:
    if not Plan.objects.filter(pk=plan_id, automatic=Automatic.WAITING).update(automatic=to):
        raise RuntimeError(f"Plan {plan_id} moved while its Placement was locked.")


def _why_not(row: Plan) -> tuple[Verdict, str] | None:
    """Why a Plan that was worked out is not deployed; None when it is."""
    if row.token is not None:
        if said := _why_no_more(row, row.token):
            return Verdict.REFUSED, said
    elif row.webhook is None or not row.webhook.is_active:
        return Verdict.REFUSED, "The hook was switched off or deleted before this push's turn came."
    result = row.operation.result
    if row.operation.status != OperationStatus.SUCCEEDED or not row.is_ready:
        said = " ".join(str(result.get(name, "")) for name in ("what", "why", "remedy")).strip()
        return Verdict.REFUSED, f"The plan could not be worked out. {said}"
    for host in row.hosts:
        if not host["ready"] and not host.get("away"):  # one that is away is skipped, or waited for
            bad = [f"{each['message']} {each['remedy']}" for each in host["findings"] if each["result"] == "bad"]
            said = bad[0] if bad else "it is not known what would be deployed."
            return Verdict.REFUSED, f"{host['name']} can't be deployed to: {said.strip()}"
    brought = _brought_already(row) if row.token is None else ""  # who says "deploy" means it
    return (Verdict.IGNORED, brought) if brought else None


def _why_no_more(row: Plan, token: AccessToken) -> str:
    """Why a token may not deploy any more what was asked for with it; "" while it may. That it expires since is no reason."""
    reach = Reach(token)
    if token.revoked_at is not None or not token.user.is_active:
        return "The token was revoked before this deploy's turn came."
    if not tokens.holds(tokens.scope_now(token), tokens.Scope.DEPLOY) or not reach.may_act(row.placement):
        return "The token's person may not deploy this any more."
    return ""


def _brought_already(row: Plan) -> str:
    """Who brings the very same already, in words; "" when a Deployment would change something."""
    shown = releases.Content(row.image, row.settings, row.variables, row.digest, row.tag, source=row.source)
    wanted = {host["host"] for host in row.hosts}
    newest = Deployment.objects.filter(placement=row.placement_id, status__in=DEPLOYMENT_OPEN).order_by("-pk").first()
    if newest is not None:
        theirs = set(newest.targets.filter(role="deploy").values_list("host", flat=True))
        same = not plan.differences(releases.content_as_recorded(newest.release), shown)
        goes_on = newest.cancel_requested_at is None and wanted <= theirs
        return f"#{newest.pk} brings the same already." if same and goes_on else ""
    running = releases.running_release(row.placement_id)
    if running is None or plan.differences(releases.content_as_recorded(running), shown):
        return ""
    seats = PlacementHost.objects.filter(placement=row.placement_id, is_active=True, running_release=running, drift="")
    everywhere = wanted <= set(seats.values_list("host", flat=True))
    return "The same runs on every server already: nothing would change." if everywhere else ""


def _note(row: Plan) -> str:
    """`main pushed by ana-prado`: what a list of Deployments tells this one by."""
    delivery = WebhookDelivery.objects.filter(plan=row).order_by("-pk").first()
    summary = delivery.summary if delivery else {}
    pusher = f" by {summary['pusher']}" if summary.get("pusher") else ""
    return f"{summary['ref']} pushed{pusher}" if summary.get("ref") else ""


def _supersede_waiting(placement_id: int) -> None:
    waiting = Plan.objects.filter(placement=placement_id, automatic=Automatic.WAITING, token=None)
    found = list(waiting.order_by("pk").values_list("pk", "operation"))
    # An Operation that ends is locked first and fills its Plan then: the same order here, or the two wait for each other
    list(Operation.objects.select_for_update(no_key=True).filter(pk__in=[each for _, each in found]).order_by("pk"))
    for plan_id, operation_id in found:
        _move(plan_id, Automatic.SUPERSEDED)
        operations.cancel_unbegun(operation_id)
    _say([plan_id for plan_id, _operation in found], Verdict.SUPERSEDED, "A newer push came before this one's turn.")


def _say(plan_ids: Collection[int], verdict: Verdict, said: str) -> None:
    """Put the verdict, and why, on these Plans and on the deliveries that asked for them."""
    Plan.objects.filter(pk__in=list(plan_ids)).update(automatic_said=said[:_LONGEST_REASON])
    for delivery in WebhookDelivery.objects.filter(plan__in=list(plan_ids)):
        delivery.verdict, delivery.reason = verdict, f"{delivery.reason} {said}".strip()[:_LONGEST_REASON]
        delivery.save(update_fields=("verdict", "reason"))
