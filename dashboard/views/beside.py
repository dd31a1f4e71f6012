"""Engines beside workers: adding one as a server, and changing what may be changed of it."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ADMINS, FORM, Request, seen_by
from dashboard.forms.beside import AddEngineForm, ChangeEngineForm
from dashboard.forms.refusals import add_refusal
from deployments import engines
from deployments.errors import Refused
from deployments.inventory import beside as inventory
from deployments.models import Host
from deployments.server_list import plain


@seen_by(*ADMINS, methods=FORM)
def add(request: Request, engine: str) -> HttpResponse:
    """Say what it means, then add it. One that no worker has, or that is a server already, is not there."""
    found = next((each for each in engines.offered() if each.short == engine), None)
    if found is None:
        raise Http404(_("No running worker has this engine, or it is a server already."))
    form = AddEngineForm(request.POST or None, initial={"name": plain(found.name)})
    if request.method == "POST" and form.is_valid():
        try:
            host, _check = inventory.add_engine(
                actor=request.actor, engine_id=found.engine_id, name=form.cleaned_data["name"]
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect("host", host.name)
    return render(request, "hosts/beside.html", {"form": form, "found": found}, status=422 if form.is_bound else 200)


def edit(request: Request, host: Host) -> HttpResponse:
    """As `hosts.edit`, which has looked who asks."""
    form = ChangeEngineForm(request.POST or None, initial={"name": host.name, "builds_at_once": host.builds_at_once})
    if request.method == "POST" and form.is_valid():
        try:
            host = inventory.update_engine(actor=request.actor, host=host, **form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("host", host.name)
    context = {"form": form, "host": host}
    return render(request, "hosts/beside_edit.html", context, status=422 if form.is_bound else 200)
