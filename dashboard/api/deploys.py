"""Plans and Deployments: ask, look, click, follow, cancel, go back."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router, Status

from dashboard.access import ACTING
from dashboard.api import shown
from dashboard.api.access import Bearer, Request, get_deployment, get_placement, get_plan, get_release
from dashboard.api.asked import AskedDeploy, AskedPlan, AskedRollback, PlanClick
from dashboard.api.errors import ApiError
from dashboard.api.paging import QUERY, SAID, limit_of, paged
from dashboard.api.placements import PLACE
from dashboard.api.shapes import DeploymentShape, Page, PlanShape, WholeDeployment
from deployments import called, requests, waves
from deployments.called import Key
from deployments.errors import FieldErrors
from deployments.live import LogLine
from deployments.models import Deployment, Plan, Release, Target
from deployments.queries import history, log
from deployments.states import DeploymentStatus

router = Router()
KEY: Final = "Idempotency-Key"
FILTERS: Final = ("application", "environment", "status")
LINES: Final = "application/x-ndjson"

_KEYED: Final[dict[str, Any]] = {
    "parameters": [{"in": "header", "name": KEY, "schema": {"type": "string", "maxLength": called.LONGEST_KEY}}]
}
_DEPLOYS: Final = Bearer("deploy", *ACTING)
_AS_SET: Final = AskedDeploy()
_PLAN_AS_SET: Final = AskedPlan()


@router.post(f"{PLACE}/plans", response={201: PlanShape}, auth=_DEPLOYS, url_name="plans")
def ask_plan(request: Request, application: str, environment: str, payload: AskedPlan = _PLAN_AS_SET) -> dict[str, Any]:
    """Ask what a deploy would change. GET its `href` until it is `ready`, then POST its fingerprint to …/deploy."""
    place = get_placement(request, application, environment)
    release = _release(request, place, payload.of_release)
    wanted = called.wanted_of(place, **_wanted(payload)) if release is None else _nothing_else(payload)
    row = requests.request_plan(
        actor=request.auth.actor,
        placement=place,
        of_release=release,
        secrets_of_release=payload.secrets_of_release and release is not None,
        build_anew=payload.build_anew,
        wanted=wanted,
    )
    row.placement = place
    return shown.plan(row)


@router.get("/plans/{int:plan}", response=PlanShape, auth=Bearer("read"), url_name="plan")
def get_one_plan(request: Request, plan: int) -> dict[str, Any]:
    """What would change on each server; of one that deploys itself also what has become of it."""
    return shown.plan(get_plan(request, plan))


@router.post(
    "/plans/{int:plan}/deploy",
    response={(200, 201): WholeDeployment},
    auth=_DEPLOYS,
    url_name="plan_deploy",
    openapi_extra=_KEYED,
)
def deploy_plan(request: Request, plan: int, payload: PlanClick) -> Any:
    """The click: refused with code `plan_changed` where the settings changed since the plan was shown."""
    row = get_plan(request, plan)
    left_out = _hosts_of(row, payload.leave_out)
    made, is_new = called.once(
        token=request.auth.token,
        key=_key(request, payload.model_dump()),
        ask=lambda: requests.request_deployment(
            actor=request.auth.actor,
            plan=row,
            fingerprint=payload.fingerprint,
            note=payload.note,
            leave_out=left_out,
        ),
    )
    return Status(201 if is_new else 200, shown.whole_deployment(get_deployment(request, made.pk)))


@router.post(
    f"{PLACE}/deploy", response={(200, 202): PlanShape}, auth=_DEPLOYS, url_name="deploy", openapi_extra=_KEYED
)
def deploy(request: Request, application: str, environment: str, payload: AskedDeploy = _AS_SET) -> Any:
    """Plan and deploy in one call, for pipelines. Answers at once: GET its `href` until `deploy.state` is no longer
    `waiting`; then `deploy.deployment` is there, or `deploy.said` says why not. With the header Idempotency-Key the same
    call made again answers with the same plan, for 24 hours."""
    place = get_placement(request, application, environment)
    wanted = called.wanted_of(place, **_wanted(payload))
    made, is_new = called.once(
        token=request.auth.token,
        key=_key(request, payload.model_dump()),
        ask=lambda: called.deploy(
            actor=request.auth.actor, token=request.auth.token, placement=place, wanted=wanted, note=payload.note
        ),
    )
    return _begun(request, made, is_new=is_new)


@router.post(
    f"{PLACE}/rollback", response={(200, 202): PlanShape}, auth=_DEPLOYS, url_name="rollback", openapi_extra=_KEYED
)
def roll_back(request: Request, application: str, environment: str, payload: AskedRollback) -> Any:
    """Deploy an earlier Release in one call, as …/deploy does."""
    place = get_placement(request, application, environment)
    release = get_release(request, place, payload.release)
    made, is_new = called.once(
        token=request.auth.token,
        key=_key(request, payload.model_dump()),
        ask=lambda: called.deploy(
            actor=request.auth.actor,
            token=request.auth.token,
            placement=place,
            of_release=release,
            secrets_of_release=payload.secrets_of_release,
            note=payload.note,
        ),
    )
    return _begun(request, made, is_new=is_new)


@router.get(
    "/deployments",
    response=Page[DeploymentShape],
    auth=Bearer("read", query=(*QUERY, *FILTERS)),
    url_name="deployments",
    openapi_extra=SAID,
)
def list_deployments(
    request: Request, application: str = "", environment: str = "", status: str = ""
) -> dict[str, Any]:
    """The history, newest first; names as they were then."""
    if status and status not in DeploymentStatus.values:
        raise ApiError(422, _("There is no such state."), field="status")
    wanted = history.HistoryFilter(application=application, environment=environment, state=status)
    rows = history.filtered(request.auth.reach.deployments(), wanted).select_related("release", "previous_release")
    return paged(request, rows, ("-id",), shown.deployment)


@router.get("/deployments/{int:deployment}", response=WholeDeployment, auth=Bearer("read"), url_name="deployment")
def get_one_deployment(request: Request, deployment: int) -> dict[str, Any]:
    """One Deployment: how it stands on each server."""
    return shown.whole_deployment(get_deployment(request, deployment))


@router.get(
    "/deployments/{int:deployment}/log",
    auth=Bearer("read", query=("from", "server", "limit")),
    url_name="deployment_log",
    openapi_extra={
        "parameters": [
            {"in": "query", "name": "from", "schema": {"type": "integer", "default": 1}, "required": False},
            {"in": "query", "name": "server", "schema": {"type": "string"}, "required": False},
            {
                "in": "query",
                "name": "limit",
                "schema": {"type": "integer", "default": log.MOST_LINES},
                "required": False,
            },
        ],
        "responses": {200: {"description": "One JSON object a line", "content": {LINES: {}}}},
    },
)
def get_log(request: Request, deployment: int) -> HttpResponse:
    """The log as one JSON object a line, from line number `from` on of each server, or of the one named `server`
    (`build` for the build). Lines are numbered for each server by itself; the header Estiva-More says that there were
    more than `limit`: then name each `server`, and go on from its own last number."""
    row = get_deployment(request, deployment)
    begin, limit = _begin(request), limit_of(request, log.MOST_LINES, log.MOST_LINES)
    targets = _targets(row, request.GET.get("server", ""))
    lines: list[str] = []
    more = False
    for target in targets:
        page = log.lines_after(target.pk, begin - 1, limit - len(lines))
        lines += [_line(target, each) for each in page.lines]
        more = more or page.more
    response = HttpResponse("".join(lines), content_type=LINES)
    response.headers["Estiva-More"] = "yes" if more else "no"
    return response


@router.post(
    "/deployments/{int:deployment}/cancel", response=WholeDeployment, auth=_DEPLOYS, url_name="deployment_cancel"
)
def cancel(request: Request, deployment: int) -> dict[str, Any]:
    """Stop it: what hasn't begun ends at once, what has is restored."""
    row = get_deployment(request, deployment)
    requests.cancel_deployment(actor=request.auth.actor, deployment=row)
    return shown.whole_deployment(get_deployment(request, row.pk))


@router.post(
    "/deployments/{int:deployment}/go-on", response=WholeDeployment, auth=_DEPLOYS, url_name="deployment_go_on"
)
def go_on(request: Request, deployment: int) -> dict[str, Any]:
    """Let one that waits between two waves go on."""
    row = get_deployment(request, deployment)
    waves.go_on(actor=request.auth.actor, deployment=row)
    return shown.whole_deployment(get_deployment(request, row.pk))


def _begun(request: Request, plan: Plan, *, is_new: bool) -> Status[Any]:
    """The plan as it stands now: the same call made again may find it deployed."""
    return Status(202 if is_new else 200, shown.plan(get_plan(request, plan.pk)))


def _key(request: HttpRequest, body: Mapping[str, Any]) -> Key | None:
    name = request.headers.get(KEY)
    return None if name is None else Key(called.checked_key(name), {"path": request.path, "body": dict(body)})


def _wanted(payload: AskedPlan | AskedDeploy) -> dict[str, str]:
    return {name: getattr(payload, name) for name in ("image", "tag", "ref", "commit")}


def _nothing_else(payload: AskedPlan) -> dict[str, str]:
    """A Release is taken as it is."""
    said = [name for name, value in _wanted(payload).items() if value]
    if said:
        raise FieldErrors({said[0]: [_("A Release is deployed as it was: leave this out.")]})
    return {}


def _release(request: Request, place: Any, number: int | None) -> Release | None:
    return None if number is None else get_release(request, place, number)


def _hosts_of(plan: Plan, names: list[str]) -> set[int]:
    known = {row["name"]: row["host"] for row in plan.hosts}
    missing = [name for name in names if name not in known]
    if missing:
        raise FieldErrors({"leave_out": [_("%(server)s isn't in this plan.") % {"server": missing[0][:100]}]})
    return {known[name] for name in names}


def _begin(request: Request) -> int:
    text = request.GET.get("from", "1")
    if not text.isdecimal() or not 1 <= len(text) <= 15:
        raise ApiError(422, _("Use the number of a line, from 1 on."), field="from")
    return max(int(text), 1)


def _targets(deployment: Deployment, name: str) -> list[Target]:
    rows = list(Target.objects.filter(deployment=deployment).order_by("role", "host_name"))
    if not name:
        return rows
    chosen = [row for row in rows if row.label == name]
    if not chosen:
        raise ApiError(404, _("It does not go to a server of this name."), field="server")
    return chosen


def _line(target: Target, line: LogLine) -> str:
    said = {
        "server": target.label,
        "line": line.number,
        "time_ms": line.time_ms,
        "step": line.step,
        "stream": line.stream,
        "level": line.level,
        "text": line.text,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"
