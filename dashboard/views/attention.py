"""Servers that a deployment left in doubt: what is there now, and the ways out."""

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.access import ACTING, EVERYONE, FORM, Request, get_deployment, seen_by
from dashboard.forms.attention import WayOutForm
from dashboard.forms.refusals import add_refusal
from deployments import attention, permissions, taking_as_is, ways_out
from deployments.errors import Refused
from deployments.models import Attention, Deployment
from deployments.queries.attention_page import attention_page

MOST: Final = 1_000
WAYS: Final = (Attention.Way.RESUME, Attention.Way.RESTORE, Attention.Way.AS_IS)


@seen_by(*EVERYONE, methods=FORM, changes=ACTING)
def detail(request: Request, deployment: int) -> HttpResponse:
    """What is known of each server now; a POST takes a way out, or asks for another look."""
    row = get_deployment(request, deployment)
    wanted = request.POST.get("act", "")
    forms = {str(way): WayOutForm(request.POST if wanted == way else None, auto_id=f"{way}_%s") for way in WAYS}
    if request.method == "POST":
        done = _look(request, row) if wanted == "look" else _act(request, row, forms.get(wanted))
        if done is not None:
            return done
    fragment = request.GET.get("fragment") == "seen"
    if not fragment:
        attention.look_if_stale(row)
    page = attention_page(row)
    if not page.doubts:
        raise Http404(_("Deployment #%(number)s left no server in doubt.") % {"number": row.pk})
    acts = row.placement.application.archived_at is None and permissions.may_act(request.user, row.placement)
    context = {"deployment": row, "page": page, "acts": acts, "forms": forms}
    template = "attention/_seen.html" if fragment else "attention/detail.html"
    return render(request, template, context, status=422 if request.method == "POST" else 200)


def _look(request: Request, row: Deployment) -> HttpResponse:
    try:
        if not attention.look(actor=request.actor, deployment=row):
            messages.error(request, _("No server can be looked at now: see its page."))
    except Refused as refusal:
        messages.error(request, str(refusal))
    to = "deployment" if request.POST.get("back") == "deployment" else "deployment_attention"
    return redirect(to, row.pk)


def _act(request: Request, row: Deployment, form: WayOutForm | None) -> HttpResponse | None:
    """Where to go on; None where the form says why not."""
    if form is None or not form.is_valid():
        return None
    ways: dict[str, Callable[[Request, Deployment, str], HttpResponse]] = {
        Attention.Way.RESUME: _resume,
        Attention.Way.RESTORE: _restore,
        Attention.Way.AS_IS: _take,
    }
    try:
        return ways[request.POST["act"]](request, row, form.cleaned_data["reason"])
    except Refused as refusal:
        add_refusal(form, refusal)
        return None


def _resume(request: Request, row: Deployment, reason: str) -> HttpResponse:
    made = ways_out.resume(actor=request.actor, deployment=row, servers=_servers(request), reason=reason)
    return redirect("deployment", made.pk)


def _restore(request: Request, row: Deployment, reason: str) -> HttpResponse:
    made = ways_out.restore(actor=request.actor, deployment=row, servers=_servers(request), reason=reason)
    return redirect("deployment", made[0].pk)


def _take(request: Request, row: Deployment, reason: str) -> HttpResponse:
    pairs = (each.partition("=") for each in request.POST.getlist("shown")[:MOST])
    shown = {name: mark for name, _equals, mark in pairs}
    chosen = {name: shown.get(name, "") for name in _servers(request)}
    made = taking_as_is.request_as_is(actor=request.actor, deployment=row, shown=chosen, reason=reason)
    said = ngettext(
        "Looking once more, then recording what is there.",
        "Looking once more at %(n)s servers, then recording what is there.",
        len(made),
    )
    messages.success(request, said % {"n": len(made)})
    return redirect("deployment_attention", row.pk)


def _servers(request: Request) -> set[str]:
    return set(request.POST.getlist("server")[:MOST])
