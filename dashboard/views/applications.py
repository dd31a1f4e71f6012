"""Applications: the list, a new one with its first placement, its page."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACTING, ADMINS, EVERYONE, FORM, Request, denial, get_application, seen_by
from dashboard.forms.applications import DescriptionForm, EnvironmentChoiceForm, NameForm
from dashboard.forms.pasting import COMPOSE, KINDS, RUN, PasteForm, Start
from dashboard.forms.placements import PlacementForms
from dashboard.forms.refusals import add_refusal
from dashboard.paging import page_number
from deployments import permissions
from deployments.errors import Refused
from deployments.inventory import applications as inventory
from deployments.models import Application, Environment, Host, Placement
from deployments.queries.application_page import application_page, applications_list


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """All that this person may see, archived ones apart."""
    context = {
        "page": applications_list(request.user, page_number(request)),
        "may_create": permissions.may_create_applications(request.user),
    }
    template = "applications/_list.html" if request.GET.get("fragment") == "list" else "applications/list.html"
    return render(request, template, context)


@seen_by(*ACTING, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Name, image, environment, servers, ports and health: one form, one save."""
    if not permissions.may_create_applications(request.user):
        raise denial(request)
    return _new(request, Start(request.POST if request.method == "POST" else None), is_typed=request.method == "POST")


@seen_by(*ACTING, methods=FORM)
def paste(request: Request) -> HttpResponse:
    """A docker run line or a compose file, read into the form of a new application; saves nothing."""
    if not permissions.may_create_applications(request.user):
        raise denial(request)
    kind = request.POST.get("kind") or request.GET.get("kind") or RUN
    kind = kind if kind in dict(KINDS) else RUN
    form = PasteForm(request.POST if request.method == "POST" else None, kind=kind, initial={"kind": kind})
    pasted = form.pasted() if form.is_bound else None
    if pasted is not None:
        return _new(request, Start(None, form, pasted), is_typed=False)
    context = {"form": form, "start_tab": kind, "is_compose": kind == COMPOSE}
    return render(request, "applications/paste.html", context, status=422 if form.errors else 200)


def _new(request: Request, start: Start, *, is_typed: bool) -> HttpResponse:
    """The form, as typed or as it begins."""
    post = request.POST if is_typed else None
    pasted = start.pasted if post is None else None
    environments = list(Environment.objects.all())
    first = environments[0].name if environments else ""
    naming = NameForm(post, initial={"name": pasted.name} if pasted else None)
    choosing = EnvironmentChoiceForm(post, environments=environments, initial={"environment": first})
    hosts = permissions.visible_hosts(request.user).filter(retired_at=None)
    settings = pasted.settings if pasted else None
    placing = PlacementForms(post, hosts=hosts, initial=start.initial(), settings=settings, compose=start.compose())
    if post is not None:
        placement = _create(request, naming, choosing, placing, start)
        if placement is not None:
            messages.success(request, _("Saved. Nothing runs yet: deploy it when you are ready."))
            return redirect("placement", placement.application.name, placement.environment.name)
    context = {"naming": naming, "choosing": choosing, "placing": placing, "environments": environments, "start": start}
    return render(request, "applications/new.html", context, status=422 if post is not None else 200)


def _create(
    request: Request, naming: NameForm, choosing: EnvironmentChoiceForm, placing: PlacementForms, start: Start
) -> Placement | None:
    if not all([naming.is_valid(), choosing.is_valid(), placing.is_valid(), start.is_valid()]):
        return None
    try:
        with transaction.atomic():
            application = inventory.create_application(actor=request.actor, **naming.cleaned_data)
            placement = inventory.save_placement(
                actor=request.actor,
                placement=None,
                application=application,
                environment=choosing.chosen(),
                **placing.values(),
            )
            start.save_variables(request.actor, placement)
            return placement
    except Refused as refusal:
        placing.refuse(refusal, naming, choosing, start.variables)
        return None


@seen_by(*EVERYONE)
def detail(request: Request, application: str) -> HttpResponse:
    """Where it is placed, what runs there, what happened lately."""
    row = get_application(request, application)
    template = "applications/_detail.html" if request.GET.get("fragment") == "detail" else "applications/detail.html"
    context = {
        "application": row,
        "page": application_page(request.user, row),
        "acts": request.user.role in ACTING and row.archived_at is None,
        "administers": permissions.may_administer(request.user),
        "may_change_repository": permissions.may_change_repository(request.user) and row.archived_at is None,
        "may_place": permissions.may_create_applications(request.user) and row.archived_at is None,
    }
    return render(request, template, context)


@seen_by(*ADMINS, methods=FORM)
def edit(request: Request, application: str) -> HttpResponse:
    """What is said about it; the name stays, since containers carry it."""
    row = get_application(request, application)
    form = DescriptionForm(request.POST or None, initial={"description": row.description})
    if request.method == "POST" and form.is_valid():
        try:
            inventory.update_application(actor=request.actor, application=row, **form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("application", row.name)
    context = {"application": row, "form": form}
    return render(request, "applications/edit.html", context, status=422 if form.is_bound else 200)


@seen_by(*ADMINS, methods=FORM)
def archive(request: Request, application: str) -> HttpResponse:
    """Put away: asks by name, and says what keeps running."""
    row = get_application(request, application)
    error = ""
    if request.method == "POST":
        if request.POST.get("name", "").strip() == row.name:
            try:
                inventory.archive_application(actor=request.actor, application=row)
            except Refused as refusal:
                error = str(refusal)
            else:
                messages.success(request, _("%(name)s is archived.") % {"name": row.name})
                return redirect("applications")
        else:
            error = _("This is not its name.")
    context = {"application": row, "error": error, "servers": _still_running(row)}
    return render(request, "applications/archive.html", context, status=422 if error else 200)


def _still_running(application: Application) -> list[Host]:
    seats = {"seats__placement__application": application, "seats__running_release__isnull": False}
    return list(Host.objects.filter(**seats).distinct())
