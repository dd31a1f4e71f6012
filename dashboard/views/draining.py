"""Draining a server, and taking it in use again."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ADMINS, FORM, Request, get_host, seen_by
from deployments import draining
from deployments.errors import Refused


@seen_by(*ADMINS, methods=FORM)
def drain(request: Request, host: str) -> HttpResponse:
    """Say what is placed there and where else it runs; then drain it, or take it in use again."""
    row = get_host(request, host)
    if request.method != "POST":
        return render(request, "room/drain.html", {"host": row, "placed": draining.placed(row)})
    try:
        if request.POST.get("wanted") == "in_use":
            draining.undrain(actor=request.actor, host=row)
            messages.success(request, _("%(server)s is in use again.") % {"server": row.name})
        else:
            draining.drain(actor=request.actor, host=row)
            messages.success(request, _("%(server)s is drained: nothing new goes there.") % {"server": row.name})
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("host_drain", row.name)
