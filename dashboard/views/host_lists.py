"""Many servers: a pasted list of them, and their keys confirmed one after the other."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.access import ADMINS, FORM, Request, get_host, seen_by
from dashboard.forms.host_lists import CSV, SSH, ConfirmForm, ServerListForm, as_csv
from dashboard.forms.refusals import add_refusal
from deployments import fingerprints
from deployments.errors import Refused
from deployments.inventory import hosts as inventory
from deployments.inventory.many_hosts import LineErrors, register_hosts
from deployments.models import Host
from deployments.queries.host_page import awaiting_confirmation


@seen_by(*ADMINS, methods=FORM)
def import_servers(request: Request) -> HttpResponse:
    """A list is read and shown as CSV to look over; that is then registered whole, or not at all."""
    form = ServerListForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "hosts/import.html", {"form": form}, status=422 if form.is_bound else 200)
    found = form.found()
    context = {"form": form, "found": found, "lines": {}}
    if form.cleaned_data["kind"] == SSH and found.servers:
        data = {"kind": CSV, "text": as_csv(found.servers), "user": form.cleaned_data["user"]}
        return render(request, "hosts/import.html", {**context, "form": ServerListForm(data), "was_ssh": True})
    if not found.servers or found.notes:
        return render(request, "hosts/import.html", context, status=422)
    try:
        made = register_hosts(actor=request.actor, listed=found.servers)
    except LineErrors as refusal:
        return render(request, "hosts/import.html", {**context, "lines": refusal.lines}, status=422)
    text = ngettext("%(n)s server is registered.", "%(n)s servers are registered.", len(made)) % {"n": len(made)}
    messages.success(request, f"{text} {_('Estiva looks at their host keys now; confirm each of them.')}")
    return redirect("host_confirm")


@seen_by(*ADMINS, methods=FORM)
def confirm(request: Request) -> HttpResponse:
    """The next server whose key waits for a word. Each has a form of its own: none is confirmed unseen."""
    if request.method == "POST":
        return _confirmed(request)
    waiting = list(awaiting_confirmation())
    after = request.GET.get("after", "")
    host = next((each for each in waiting if each.name > after), None)
    return _page(request, host, waiting, None)


def _confirmed(request: Request) -> HttpResponse:
    if "host" not in request.POST:
        return redirect("host_confirm")
    host = get_host(request, request.POST.get("host", ""))
    form = ConfirmForm(request.POST)
    if form.is_valid():
        try:
            inventory.trust_host(
                actor=request.actor, host=host, key=form.cleaned_data["key"], pasted=form.cleaned_data["pasted"]
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(server)s is trusted.") % {"server": host.name})
            return redirect(f"{reverse('host_confirm')}?{urlencode({'after': host.name})}")
    host.refresh_from_db()
    return _page(request, host, list(awaiting_confirmation()), form)


def _page(request: Request, host: Host | None, waiting: list[Host], form: ConfirmForm | None) -> HttpResponse:
    names = [each.name for each in waiting]
    context = {
        "host": host,
        "waiting": names,
        "place": names.index(host.name) + 1 if host is not None and host.name in names else 0,
        "fingerprint": fingerprints.fingerprint(host.offered_key) if host is not None and host.offered_key else "",
        "form": form or ConfirmForm(initial={"key": host.offered_key if host is not None else ""}),
        "unmet": Host.objects.filter(retired_at=None, way=Host.Way.SSH, host_key="", offered_key="").count(),
    }
    return render(request, "hosts/confirm.html", context, status=422 if form is not None else 200)
