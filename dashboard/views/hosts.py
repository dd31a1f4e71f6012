"""Servers: the list, getting to know one, its page, trust, retirement, and what ran there at a moment."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ADMINS, EVERYONE, FORM, Request, get_host, seen_by
from dashboard.forms.history import MomentForm
from dashboard.forms.hosts import ChangeHostForm, NewHostForm, RetireForm, TrustForm
from dashboard.forms.refusals import add_refusal
from dashboard.views import beside
from deployments import engines, fingerprints, permissions
from deployments.errors import Refused
from deployments.inventory import hosts as inventory
from deployments.inventory import rotation
from deployments.models import Host
from deployments.queries import history
from deployments.queries.host_page import host_list, host_page
from deployments.states import HostState


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """The servers this person may see."""
    visible = permissions.visible_hosts(request.user)
    retired = "retired" in request.GET
    template = "hosts/_list.html" if request.GET.get("fragment") == "list" else "hosts/list.html"
    rows = host_list(visible, permissions.visible_placements(request.user), retired=retired)
    unconfirmed = sum(bool(row.host.offered_key) and row.host.state == HostState.UNTRUSTED for row in rows)
    offered = engines.offered() if request.user.is_admin and not retired else []
    context = {"rows": rows, "retired": retired, "unconfirmed": unconfirmed, "offered": offered}
    return render(request, template, context)


@seen_by(*ADMINS, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Register a server; then its page leads on."""
    form = NewHostForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = {name: value for name, value in form.cleaned_data.items() if name != "key"}
        try:
            host, _operation = inventory.register_host(actor=request.actor, **data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect("host", host.name)
    return render(request, "hosts/new.html", {"form": form}, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE)
def detail(request: Request, host: str) -> HttpResponse:
    """One server: how it is, what runs there, and the steps of getting to know it."""
    row = get_host(request, host)
    template = "hosts/_detail.html" if request.GET.get("fragment") == "detail" else "hosts/detail.html"
    return render(request, template, _page(request, row))


@seen_by(*ADMINS, methods=FORM)
def edit(request: Request, host: str) -> HttpResponse:
    """Change a server; another address clears trust and credential."""
    row = get_host(request, host)
    if row.is_beside:
        return beside.edit(request, row)
    initial = {name: getattr(row, name) for name in ChangeHostForm.base_fields}
    form = ChangeHostForm(request.POST or None, initial=initial, host=row)
    if request.method == "POST" and form.is_valid():
        try:
            row, _operation = inventory.update_host(actor=request.actor, host=row, **form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("host", row.name)
    return render(request, "hosts/edit.html", {"form": form, "host": row}, status=422 if form.is_bound else 200)


@seen_by(*ADMINS, methods=FORM)
def trust(request: Request, host: str) -> HttpResponse:
    """Confirm the key that the server showed, for the first time or after it changed."""
    row = get_host(request, host)
    if request.method != "POST":
        return redirect("host", row.name)
    form = TrustForm(request.POST)
    if form.is_valid():
        act = inventory.retrust_host if row.is_trusted else inventory.trust_host
        try:
            act(actor=request.actor, host=row, key=form.cleaned_data["key"], pasted=form.cleaned_data["pasted"])
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            text = _("Trusted. Estiva speaks to %(server)s only while it shows this key.")
            messages.success(request, text % {"server": row.name})
            return redirect("host", row.name)
    return render(request, "hosts/detail.html", {**_page(request, row), "trust_form": form}, status=422)


@seen_by(*ADMINS, methods=ACT)
def refuse(request: Request, host: str) -> HttpResponse:
    """The shown key is not the server's: nothing is sent, and it stays on record."""
    row = get_host(request, host)
    return _act(request, row, lambda: inventory.refuse_host_key(actor=request.actor, host=row))


@seen_by(*ADMINS, methods=ACT)
def check(request: Request, host: str) -> HttpResponse:
    """Look at the server now."""
    row = get_host(request, host)
    # A server that isn't trusted, or that showed another key, is met again: that sends no credential.
    met = not row.is_trusted or row.state == HostState.KEY_CHANGED
    look = inventory.meet if met else inventory.check
    return _act(request, row, lambda: look(actor=request.actor, host=row))


@seen_by(*ADMINS, methods=ACT)
def rotate(request: Request, host: str) -> HttpResponse:
    """Another key to log in with, or the rest of a replacement that was begun."""
    row = get_host(request, host)
    return _act(request, row, lambda: rotation.rotate_key(actor=request.actor, host=row))


@seen_by(*ADMINS, methods=ACT)
def socket(request: Request, host: str) -> HttpResponse:
    """Use another engine's socket, such as the check found."""
    row = get_host(request, host)
    path = request.POST.get("docker_socket", "")
    return _act(request, row, lambda: inventory.update_host(actor=request.actor, host=row, docker_socket=path))


@seen_by(*ADMINS, methods=FORM)
def retire(request: Request, host: str) -> HttpResponse:
    """Retire a server on which nothing belongs any more."""
    row = get_host(request, host)
    form = RetireForm(request.POST or None, host=row)
    if request.method == "POST" and form.is_valid():
        try:
            inventory.retire_host(actor=request.actor, host=row)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(server)s is retired. Its history stays.") % {"server": row.name})
            return redirect("hosts")
    context = {"form": form, "host": row, "dependents": inventory.dependents(row)}
    return render(request, "hosts/retire.html", context, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE)
def at(request: Request, host: str) -> HttpResponse:
    """What ran on the server at a moment."""
    row = get_host(request, host)
    form = MomentForm(request.GET or None)
    ran = None
    if form.is_bound and form.is_valid():
        visible = permissions.visible_deployments(request.user)
        ran = history.what_ran(row, form.cleaned_data["at"], visible)
    status = 422 if form.is_bound and ran is None else 200
    return render(request, "hosts/at.html", {"host": row, "form": form, "ran": ran}, status=status)


def _act(request: Request, host: Host, act: Any) -> HttpResponse:
    try:
        act()
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("host", host.name)


def _page(request: Request, host: Host) -> dict[str, Any]:
    offered = host.offered_key
    return {
        "host": host,
        "page": host_page(
            host,
            permissions.visible_placements(request.user),
            everything=permissions.sees_everything(request.user),
        ),
        "may_administer": permissions.may_administer(request.user),
        "offered_fingerprint": fingerprints.fingerprint(offered) if offered else "",
        "pinned_fingerprint": fingerprints.fingerprint(host.host_key) if host.host_key else "",
        "trust_form": TrustForm(initial={"key": offered}),
    }
