"""Plans: what a click would change, and the click."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.access import ACT, ACTING, EVERYONE, Request, get_placement, get_plan, get_release, seen_by
from deployments import permissions, requests
from deployments.errors import PlanChanged, Refused
from deployments.models import Placement, Plan, Release
from deployments.queries.plan_page import PlanPage, plan_page

NOTE_LENGTH = 500
_DIGITS = 19


@seen_by(*ACTING, methods=ACT)
def new(request: Request, application: str, environment: str) -> HttpResponse:
    """Ask for a plan of what is set now, or of an earlier release (`of_release`), and show it; `build_anew` uses no cache."""
    placement = get_placement(request, application, environment)
    if placement.application.archived_at is not None:
        raise Http404(_("%(name)s is archived.") % {"name": placement.application.name})
    release = _release(request, application, environment)
    as_they_were = release is not None and request.POST.get("secrets_of_release") == "1"
    try:
        plan = requests.request_plan(
            actor=request.actor,
            placement=placement,
            of_release=release,
            secrets_of_release=as_they_were,
            build_anew=request.POST.get("build_anew") == "1",
        )
    except Refused as refusal:
        messages.error(request, str(refusal))
        if refusal.field == "source" and placement.source == Placement.Source.GIT:
            return redirect("repository", application)
        goal = "placement_settings" if refusal.field in {"image", "hosts", "source"} else "placement"
        return redirect(goal, application, environment)
    return redirect("plan", plan.pk)


@seen_by(*EVERYONE)
def detail(request: Request, plan: int) -> HttpResponse:
    """What would change on each server; until it is known, how far the looking is."""
    row = get_plan(request, plan)
    page = plan_page(row, _numbers(request.GET.getlist("leave_out")))
    template = "plans/_plan.html" if request.GET.get("fragment") == "plan" else "plans/detail.html"
    return render(request, template, _context(request, page, note=request.GET.get("note", "")))


@seen_by(*ACTING, methods=ACT)
def deploy(request: Request, plan: int) -> HttpResponse:
    """The click. The same form's smaller buttons leave a server out or take it back in."""
    row = get_plan(request, plan)
    left_out = _numbers(request.POST.getlist("leave_out"))
    note = request.POST.get("note", "")[:NOTE_LENGTH]
    if "leave" in request.POST or "keep" in request.POST:
        left_out = (left_out | _numbers([request.POST.get("leave", "")])) - _numbers([request.POST.get("keep", "")])
        return _shown_again(row, left_out, note)
    if row.placement.environment.is_production and request.POST.get("confirm") != row.placement.application.name:
        return _refused(request, plan_page(row, left_out), note, confirm_error=_("Say that you mean it."))
    try:
        deployment = requests.request_deployment(
            actor=request.actor,
            plan=row,
            fingerprint=request.POST.get("fingerprint", ""),
            note=note,
            leave_out=left_out,
        )
    except PlanChanged as changed:
        return _planned_anew(request, row, changed)
    except Refused as refusal:
        return _refused(request, plan_page(row, left_out), note, error=str(refusal))
    return redirect("deployment", deployment.pk)


def _release(request: Request, application: str, environment: str) -> Release | None:
    """The one whose number was sent, None where none was; no row has a number that a database can't hold."""
    number = request.POST.get("of_release", "")
    if not number:
        return None
    if not number.isdecimal() or len(number) >= _DIGITS:
        raise Http404(_("There is no such release."))
    return get_release(request, application, environment, int(number))


def _planned_anew(request: Request, plan: Plan, changed: PlanChanged) -> HttpResponse:
    """Refused, with the new plan."""
    names = ", ".join(dict.fromkeys(change["name"] for change in changed.changes))
    messages.warning(request, f"{changed} {names}".strip())
    fresh = requests.request_plan(
        actor=request.actor,
        placement=Placement.objects.get(pk=plan.placement_id),
        of_release=plan.of_release,
        secrets_of_release=plan.secrets_of_release,
        build_anew=plan.build_anew,
    )
    return redirect("plan", fresh.pk)


def _shown_again(plan: Plan, left_out: set[int], note: str) -> HttpResponse:
    fields = [("leave_out", str(host)) for host in sorted(left_out)] + ([("note", note)] if note else [])
    query = f"?{urlencode(fields)}" if fields else ""
    return HttpResponseRedirect(reverse("plan", args=[plan.pk]) + query + "#servers", status=303)


def _refused(request: Request, page: PlanPage, note: str, error: str = "", confirm_error: str = "") -> HttpResponse:
    context = {**_context(request, page, note), "error": error, "confirm_error": confirm_error}
    return render(request, "plans/detail.html", context, status=422)


def _context(request: Request, page: PlanPage, note: str) -> dict[str, object]:
    placement = page.plan.placement
    return {
        "plan": page.plan,
        "placement": placement,
        "page": page,
        "note": note[:NOTE_LENGTH],
        "needs_admin": bool(page.new_powers) and not permissions.may_administer(request.user),
        "acts": placement.application.archived_at is None and permissions.may_act(request.user, placement),
    }


def _numbers(texts: list[str]) -> set[int]:
    return {int(text) for text in texts if text.isdecimal() and len(text) < _DIGITS}
