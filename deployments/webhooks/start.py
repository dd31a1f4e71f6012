"""How a push begins a deploy: a Plan that deploys itself once it is worked out, in the transaction that keeps the delivery."""

from deployments import image_reference
from deployments.actors import Actor
from deployments.leases import lock_placement
from deployments.models import Placement, Webhook
from deployments.webhooks import automatic
from deployments.webhooks.push import Push
from deployments.webhooks.receive import Outcome, Verdict


def start_deploy(webhook: Webhook, push: Push, actor: Actor) -> Outcome:
    """Ask for the Plan of what was pushed; Refused where nothing can be planned. A burst's earlier pushes are superseded."""
    webhook.placement = lock_placement(webhook.placement_id)
    plan = automatic.request_plan(actor=actor, webhook=webhook, wanted=wanted_of(webhook.placement, push))
    return Outcome(Verdict.ACCEPTED, plan=plan)


def wanted_of(placement: Placement, push: Push) -> dict[str, str]:
    """What is planned in place of what is set (`sources.overlaid`): the pushed commit at its ref, or the pushed tag."""
    if placement.source != Placement.Source.IMAGE:
        return {"ref": push.ref, **({"commit": push.commit} if push.commit else {})}
    return {"image": f"{image_reference.parse(placement.image).name}:{push.ref}"}
