"""History, and one Deployment's page with its log."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ACTING, EVERYONE, Request, get_deployment, seen_by
from dashboard.downloads import streamed_text
from dashboard.forms.history import HistoryForm
from deployments import attention, audit, permissions, requests, waves
from deployments.errors import Refused
from deployments.models import Target
from deployments.queries import history as histories
from deployments.queries import log
from deployments.queries.attention_page import attention_page, dealt_by
from deployments.queries.deployment_page import deployment_page
from deployments.queries.deployment_rows import STEP_TITLES
from deployments.queries.placement_page import settings_in_words


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """The history, filtered by the URL."""
    form = HistoryForm(request.GET, user=request.user)
    before, after = _key(request, "before"), _key(request, "after")
    page = histories.history(permissions.listed_deployments(request.user), form.wanted(), before, after)
    template = "deployments/_list.html" if request.GET.get("fragment") == "list" else "deployments/list.html"
    return render(request, template, {"form": form, "page": page, "is_first": before is None and after is None})


@seen_by(*EVERYONE)
def detail(request: Request, deployment: int) -> HttpResponse:
    """One Deployment: what happened, where, and its log."""
    row = get_deployment(request, deployment)
    fragments = {"head": "deployments/_head.html", "steps": "deployments/_steps.html"}
    template = fragments.get(request.GET.get("fragment", ""), "deployments/detail.html")
    page = deployment_page(row)
    if page.left_doubt and "fragment" not in request.GET:
        attention.look_if_stale(row)
    context = {
        "deployment": row,
        "page": page,
        "attention": attention_page(row) if page.left_doubt else None,
        "deals_with": dealt_by(row),
        "settings": settings_in_words(row.release),
        "may_act": permissions.may_act(request.user, row.placement),
    }
    return render(request, template, context)


@seen_by(*EVERYONE)
def lines(request: Request, deployment: int) -> HttpResponse:
    """JSON lines of the log: `?target=&after=&limit=&step=`, or `?q=&next=` to search all of it.

    `next` of a search's answer is the place to go on from; null when all of the log was looked at.
    """
    row = get_deployment(request, deployment)
    targets = list(Target.objects.filter(deployment=row).values_list("pk", flat=True))
    if text := request.GET.get("q", "")[:200]:
        found, following = log.search(_chosen(request, targets), text, _place(request))
        place = ":".join(map(str, following)) if following else None
        rows = [[target, *line] for target, line in found]
        return JsonResponse({"found": rows, "more": following is not None, "next": place})
    chosen = _chosen(request, targets)
    if len(chosen) != 1:
        return JsonResponse({"error": _("Name one server's target of this deployment.")}, status=400)
    step = request.GET.get("step", "")
    if step and step not in STEP_TITLES:
        return JsonResponse({"error": _("There is no step of that name.")}, status=400)
    limit = min(_key(request, "limit") or log.MOST_LINES, log.MOST_LINES)
    page = log.lines_after(chosen[0], _key(request, "after") or 0, limit, step)
    return JsonResponse({"lines": page.lines, "last": page.last if page.lines or page.more else 0, "more": page.more})


@seen_by(*EVERYONE)
def raw(request: Request, deployment: int) -> HttpResponseBase:
    """The whole log as a text file; that it was taken is recorded."""
    row = get_deployment(request, deployment)
    audit.record(request.actor, "log.download", row)
    targets = list(Target.objects.filter(deployment=row).order_by("role", "host_name"))
    name = f"{row.application_name}-{row.environment_name}-{row.pk}.log"
    return streamed_text(log.as_text(targets), content_type="text/plain", file_name=name)


@seen_by(*ACTING, methods=ACT)
def cancel(request: Request, deployment: int) -> HttpResponse:
    """Stop a Deployment's own work, queued or running."""
    row = get_deployment(request, deployment)
    try:
        requests.cancel_deployment(actor=request.actor, deployment=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Cancelling deployment #%(number)s.") % {"number": row.pk})
    return redirect("deployment", row.pk)


@seen_by(*ACTING, methods=ACT)
def go_on(request: Request, deployment: int) -> HttpResponse:
    """Let a Deployment that waits between two waves go on."""
    row = get_deployment(request, deployment)
    try:
        waves.go_on(actor=request.actor, deployment=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Deployment #%(number)s goes on.") % {"number": row.pk})
    return redirect("deployment", row.pk)


def _chosen(request: Request, targets: list[int]) -> list[int]:
    wanted = _key(request, "target")
    if wanted is None:
        return targets
    return [target for target in targets if target == wanted]


def _key(request: Request, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _place(request: Request) -> tuple[int, int]:
    target, _colon, line = request.GET.get("next", "").partition(":")
    numbers = [int(text) if text.isdecimal() and len(text) < 19 else 0 for text in (target, line)]
    return numbers[0], numbers[1]
