"""An application in an environment: its page, its settings, its releases."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import (
    ACT,
    ACTING,
    EVERYONE,
    FORM,
    Request,
    denial,
    get_application,
    get_placement,
    get_release,
    seen_by,
)
from dashboard.forms.applications import EnvironmentChoiceForm, PlacementForm
from dashboard.forms.placements import PlacementForms
from deployments import catching_up, compose_settings, permissions
from deployments.errors import Refused
from deployments.inventory import applications as inventory
from deployments.models import Application, Environment, Host, Placement, Repository
from deployments.queries.placement_page import placement_page, release_page
from deployments.queries.repository_page import Look, look_of, repository_of

_DIGITS = 19


@seen_by(*ACTING, methods=FORM)
def new(request: Request, application: str) -> HttpResponse:
    """Add an application to one more environment; begins with what it has in another, or with a `look` at its repository."""
    if not permissions.may_create_applications(request.user):
        raise denial(request)
    row = get_application(request, application)
    if row.archived_at is not None:
        raise Http404(_("%(name)s is archived.") % {"name": row.name})
    missing = list(Environment.objects.exclude(placements__application=row))
    like = row.placements.select_related("environment").last()
    post = request.POST if request.method == "POST" else None
    wanted = request.GET.get("environment") or (missing[0].name if missing else "")
    choosing = EnvironmentChoiceForm(post, environments=missing, initial={"environment": wanted})
    look, repository = _look(request, row)
    begun = _begun_with(request, look, like)
    placing = PlacementForms(
        post,
        hosts=permissions.visible_hosts(request.user).filter(retired_at=None),
        placement=like,
        repository=repository,
        **{**begun, "initial": {"hosts": [], "url": "", **begun["initial"]}},
    )
    if post is not None and all([choosing.is_valid(), placing.is_valid()]):
        try:
            placement = inventory.save_placement(
                actor=request.actor,
                placement=None,
                application=row,
                environment=choosing.chosen(),
                **placing.values(),
            )
        except Refused as refusal:
            placing.refuse(refusal, choosing)
        else:
            messages.success(request, _("Saved. Nothing runs there yet: deploy it when you are ready."))
            return redirect("placement", row.name, placement.environment.name)
    context = {
        "application": row,
        "choosing": choosing,
        "placing": placing,
        "environments": missing,
        "like": like,
        "look": look,
    }
    return render(request, "placements/new.html", context, status=422 if post is not None else 200)


@seen_by(*EVERYONE)
def detail(request: Request, application: str, environment: str) -> HttpResponse:
    """What runs on which server, what waits to be deployed, releases and deployments."""
    placement = get_placement(request, application, environment)
    template = "placements/_detail.html" if request.GET.get("fragment") == "detail" else "placements/detail.html"
    context = {"placement": placement, "page": placement_page(placement), "acts": _may_deploy(request, placement)}
    return render(request, template, context)


@seen_by(*ACTING, methods=FORM)
def settings(request: Request, application: str, environment: str) -> HttpResponse:
    """Image, servers, ports, health and the rest. Saving touches no server."""
    placement = get_placement(request, application, environment)
    if placement.application.archived_at is not None:
        raise Http404(_("%(name)s is archived.") % {"name": placement.application.name})
    post = request.POST if request.method == "POST" else None
    look, repository = _look(request, placement.application)
    forms = PlacementForms(
        post,
        hosts=_choosable_hosts(request, placement),
        placement=placement,
        repository=repository,
        **_begun_with(request, look, placement),
    )
    if post is not None and forms.is_valid() and _save(request, placement, forms):
        messages.success(request, _("Saved. What runs is as it was: the next deploy brings the change."))
        return redirect("placement", application, environment)
    context = {"placement": placement, "placing": forms, "tab": "settings", "look": look}
    return render(request, "placements/settings.html", context, status=422 if post is not None else 200)


@seen_by(*EVERYONE)
def release(request: Request, application: str, environment: str, number: int) -> HttpResponse:
    """A release exactly as it was, and what changed with it."""
    row = get_release(request, application, environment, number)
    context = {
        "placement": row.placement,
        "release": row,
        "page": release_page(row),
        "acts": _may_deploy(request, row.placement),
    }
    return render(request, "placements/release.html", context)


def _may_deploy(request: Request, placement: Placement) -> bool:
    return placement.application.archived_at is None and permissions.may_act(request.user, placement)


def _choosable_hosts(request: Request, placement: Placement) -> list[Host]:
    """Those this person may see, and those it is on already."""
    seen = set(permissions.visible_hosts(request.user).filter(retired_at=None).values_list("pk", flat=True))
    seated = set(placement.seats.filter(is_active=True).values_list("host_id", flat=True))
    return list(Host.objects.filter(pk__in=seen | seated))


def _save(request: Request, placement: Placement, forms: PlacementForms) -> bool:
    values = forms.values()
    try:
        inventory.save_placement(
            actor=request.actor,
            placement=placement,
            application=placement.application,
            environment=placement.environment,
            version=forms.placing.cleaned_data["version"],
            **values,
        )
    except Refused as refusal:
        forms.refuse(refusal)
        return False
    return True


@seen_by(*ACTING, methods=ACT)
def catch_up(request: Request, application: str, environment: str) -> HttpResponse:
    """Bring the server that is named to the Release that it missed while it was away."""
    placement = get_placement(request, application, environment)
    seat = placement.seats.filter(host__name=request.POST.get("server", "")).first()
    try:
        if seat is None:
            raise Refused(_("It is not on this server."))
        deployment = catching_up.catch_up(actor=request.actor, seat_id=seat.pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("placement", application, environment)
    return redirect("deployment", deployment.pk)


def _look(request: Request, application: Application) -> tuple[Look | None, Repository | None]:
    """What was seen at the branch that is to be built (`?look=` names the Operation), and the repository."""
    repository = repository_of(application)
    number = request.GET.get("look", "")
    if repository is None or not number.isdecimal() or len(number) >= _DIGITS:
        return None, repository
    look = look_of(repository, int(number))
    return (look if look is not None and look.is_of_a_branch else None), repository


def _begun_with(request: Request, look: Look | None, known: Placement | None) -> dict[str, Any]:
    """What the form begins with: a look's branch, for a build or, where Compose brings it up or is asked for, for Compose."""
    kept: dict[str, Any] = known.compose if known else {}
    is_composed = request.GET.get("source") == Placement.Source.COMPOSE or bool(kept)
    if look is None:
        chosen = {"image": request.GET["image"][:400]} if "image" in request.GET else {}  # a tag from its list
        return {"initial": {**chosen, **({"source": Placement.Source.COMPOSE} if is_composed else {})}}
    if is_composed:
        initial = {"source": Placement.Source.COMPOSE, "compose_from": PlacementForm.REPOSITORY}
        return {"initial": initial, "compose": {**compose_settings.defaults(), **kept, "ref": look.ref}}
    built = {**(known.build if known else {}), **look.build}
    suggested = {"settings": look.settings} if known is None else {}
    return {"initial": {"source": Placement.Source.GIT}, "build": built, "offered": look.generated, **suggested}
