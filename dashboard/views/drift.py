"""What was changed by hand on a server: look at it, take it over, or let it be."""

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ACTING, ADMINS, EVERYONE, FORM, Request, denial, get_host, get_placement, seen_by
from dashboard.forms.drift import AdoptForm, IgnoreForm
from dashboard.forms.refusals import add_refusal
from deployments import adopting, drifting, permissions
from deployments.errors import Refused
from deployments.models import Host, Placement
from deployments.queries.drift_page import DriftPage, drift_page, unknown_containers


@seen_by(*EVERYONE, methods=FORM, changes=ACTING)
def detail(request: Request, application: str, environment: str, host: str) -> HttpResponse:
    """What differs there from the record; a POST says what is done about it: ignore, heed or adopt."""
    placement = get_placement(request, application, environment)
    page = _page(placement, host)
    acts = placement.application.archived_at is None and permissions.may_act(request.user, placement)
    if request.method == "POST" and not acts:
        raise denial(request)
    wanted = request.POST.get("act", "")
    begun = {"shown": page.fingerprint}
    ignoring = IgnoreForm(request.POST if wanted == "ignore" else None, initial=begun)
    taking = AdoptForm(request.POST if wanted == "adopt" else None, initial=begun)
    if request.method == "POST" and _done(request, page, wanted, ignoring, taking):
        return redirect("drift", application, environment, host)
    template = "placements/_drift.html" if request.GET.get("fragment") == "drift" else "placements/drift.html"
    context = {
        "placement": placement,
        "page": page,
        "seat": page.seat,
        "acts": acts,
        "ignoring": ignoring,
        "taking": taking,
    }
    return render(request, template, context, status=422 if request.method == "POST" else 200)


@seen_by(*ADMINS, methods=ACT)
def container(request: Request, host: str) -> HttpResponse:
    """Say no more about a container of ours that the record doesn't know, or speak of it again."""
    row = get_host(request, host)
    key = request.POST.get("container", "")
    found = next((each for each in unknown_containers([row])[row.pk] if each.row["id"] == key), None)
    try:
        if request.POST.get("act") == "heed":
            drifting.heed_container(actor=request.actor, host=row, container_id=key)
        elif found is None:
            raise Refused(_("It is not there any more, or it is known by now."))
        else:
            reason = request.POST.get("reason", "")
            drifting.ignore_container(actor=request.actor, host=row, container=found.row, reason=reason)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("host", row.name)


def _page(placement: Placement, name: str) -> DriftPage:
    host = Host.objects.filter(name=name, seats__placement=placement).first()
    page = drift_page(placement, host) if host is not None else None
    if page is None:
        raise Http404(_("It is not on this server."))
    return page


def _done(request: Request, page: DriftPage, wanted: str, ignoring: IgnoreForm, taking: AdoptForm) -> bool:
    """Whether it was done; else the form says why not."""
    form = {"ignore": ignoring, "adopt": taking}.get(wanted)
    if form is not None and not form.is_valid():
        return False
    try:
        if wanted == "ignore":
            said = ignoring.cleaned_data
            drifting.ignore(actor=request.actor, seat_id=page.seat.pk, shown=said["shown"], reason=said["reason"])
        elif wanted == "adopt":
            adopting.request_adoption(actor=request.actor, seat=page.seat, **taking.cleaned_data)
        elif wanted == "heed":
            drifting.heed(actor=request.actor, seat_id=page.seat.pk)
        else:
            raise BadRequest("act is none of ignore, heed and adopt.")
    except Refused as refusal:
        if form is None:
            messages.error(request, str(refusal))
            return True
        add_refusal(form, refusal)
        return False
    return True
