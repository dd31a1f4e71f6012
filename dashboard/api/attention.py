"""Servers that a Deployment left in doubt: what was seen there, and the ways out."""

from typing import Any

from ninja import Router, Status

from dashboard.access import ACTING
from dashboard.api import shown
from dashboard.api.access import Bearer, Request, get_deployment
from dashboard.api.asked import AskedAsIs, AskedWayOut
from dashboard.api.shapes import AttentionShape, DeploymentsShape, WholeDeployment
from deployments import attention, taking_as_is, ways_out
from deployments.models import Deployment
from deployments.queries.attention_page import attention_page

router = Router()
PATH = "/deployments/{int:deployment}/attention"
_DEPLOYS = Bearer("deploy", *ACTING)


@router.get(PATH, response=AttentionShape, auth=Bearer("read"), url_name="deployment_attention")
def get_attention(request: Request, deployment: int) -> dict[str, Any]:
    """What was last seen on each server that this Deployment left in doubt, and how it was dealt with; no servers where
    it left none. Looks at nothing by itself: POST …/attention/look asks a worker to."""
    return _shown(get_deployment(request, deployment))


@router.post(f"{PATH}/look", response=AttentionShape, auth=_DEPLOYS, url_name="deployment_look")
def look_at_attention(request: Request, deployment: int) -> dict[str, Any]:
    """Have a worker look at each of them now. GET …/attention until `is_looking` is false."""
    row = get_deployment(request, deployment)
    attention.look(actor=request.auth.actor, deployment=row)
    return _shown(row)


@router.post(f"{PATH}/resume", response={201: WholeDeployment}, auth=_DEPLOYS, url_name="deployment_resume")
def resume(request: Request, deployment: int, payload: AskedWayOut) -> Any:
    """Bring the Deployment's Release to exactly these servers again, with a new Deployment."""
    row = get_deployment(request, deployment)
    made = ways_out.resume(
        actor=request.auth.actor, deployment=row, servers=set(payload.servers), reason=payload.reason
    )
    return Status(201, shown.whole_deployment(get_deployment(request, made.pk)))


@router.post(f"{PATH}/restore", response={201: DeploymentsShape}, auth=_DEPLOYS, url_name="deployment_restore")
def restore(request: Request, deployment: int, payload: AskedWayOut) -> Any:
    """Bring back what served on exactly these servers before, with a new Deployment for each Release."""
    row = get_deployment(request, deployment)
    made = ways_out.restore(
        actor=request.auth.actor, deployment=row, servers=set(payload.servers), reason=payload.reason
    )
    return Status(201, {"deployments": [shown.deployment(get_deployment(request, each.pk)) for each in made]})


@router.post(f"{PATH}/as-is", response={202: AttentionShape}, auth=_DEPLOYS, url_name="deployment_as_is")
def take_as_is(request: Request, deployment: int, payload: AskedAsIs) -> Any:
    """Take what is there as it is: a worker looks once more, and records it as what runs if it still bears the
    `fingerprint` that GET …/attention showed. GET it until `is_settling` is false; `failure` then says what went wrong."""
    row = get_deployment(request, deployment)
    shown_there = {each.server: each.fingerprint for each in payload.servers}
    taking_as_is.request_as_is(actor=request.auth.actor, deployment=row, shown=shown_there, reason=payload.reason)
    return Status(202, _shown(row))


def _shown(row: Deployment) -> dict[str, Any]:
    return shown.attention(attention_page(row))
