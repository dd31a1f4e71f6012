"""Environments: created, named and ordered by admins."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ADMINS, FORM, READING_ALL, Request, get_environment, seen_by
from dashboard.forms.environments import ChangeEnvironmentForm, EnvironmentForm
from dashboard.forms.refusals import add_refusal
from deployments.errors import Refused
from deployments.inventory import applications as inventory
from deployments.models import Environment, Host


@seen_by(*READING_ALL)
def index(request: Request) -> HttpResponse:
    """All of them, in their order."""
    return render(request, "environments/list.html", {"environments": Environment.objects.select_related("builder")})


@seen_by(*ADMINS, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Another one, last in the order unless said otherwise."""
    form = EnvironmentForm(request.POST or None, initial={"position": Environment.objects.count() + 1})
    if request.method == "POST" and form.is_valid():
        try:
            inventory.create_environment(actor=request.actor, **form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Created."))
            return redirect("environments")
    return render(request, "environments/form.html", {"form": form}, status=422 if form.is_bound else 200)


@seen_by(*ADMINS, methods=FORM)
def edit(request: Request, environment: str) -> HttpResponse:
    """Move it, or mark it as production; its name is part of containers' names and stays."""
    row = get_environment(request, environment)
    kept = {key: getattr(row, key) for key in ("position", "is_production", "allows_terminal")}
    initial = {**kept, "builder": row.builder_id or ""}
    servers = Host.objects.filter(Q(retired_at=None) | Q(pk=row.builder_id or 0))
    form = ChangeEnvironmentForm(request.POST or None, initial=initial, servers=servers)
    if request.method == "POST" and form.is_valid():
        try:
            inventory.update_environment(actor=request.actor, environment=row, **form.changes())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("environments")
    context = {"form": form, "environment": row}
    return render(request, "environments/form.html", context, status=422 if form.is_bound else 200)
