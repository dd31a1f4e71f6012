"""Registries: the list, adding and changing one, its test; and the tags of an image to choose from."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.access import ACT, ACTING, ADMINS, EVERYONE, FORM, Request, get_placement, seen_by
from dashboard.forms.refusals import add_refusal
from dashboard.forms.registries import RegistryForm, TagsForm
from deployments import permissions
from deployments.errors import Refused
from deployments.inventory import registries as inventory
from deployments.models import Placement, Registry
from deployments.queries.registries import registry_list, registry_page, tags_of

_DIGITS = 19
_SHOWN = ("kind", "host", "namespace", "username", "ca", "test_host", "test_image")


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """All of them: who deploys should know which images can be had."""
    return render(request, "registries/list.html", {"rows": registry_list()})


@seen_by(*ADMINS, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Add one, and test it."""
    form = RegistryForm(request.POST or None, initial={"host": request.GET.get("host", "")[:300]})
    return _edited(request, form, None)


@seen_by(*EVERYONE)
def detail(request: Request, registry: int) -> HttpResponse:
    """How it is, the latest test, and what uses it."""
    row = _registry(registry)
    template = "registries/_detail.html" if request.GET.get("fragment") == "detail" else "registries/detail.html"
    page = registry_page(row, permissions.visible_placements(request.user))
    is_live = page.is_open and permissions.sees_everything(request.user)
    context = {"registry": row, "page": page, "is_live": is_live, "may_change": _may_change(request)}
    return render(request, template, context)


@seen_by(*ADMINS, methods=FORM)
def edit(request: Request, registry: int) -> HttpResponse:
    """Change it, and test it; another host clears the password, and the page says so first."""
    row = _registry(registry)
    form = RegistryForm(request.POST or None, initial={name: getattr(row, name) for name in _SHOWN})
    return _edited(request, form, row)


@seen_by(*ADMINS, methods=ACT)
def test(request: Request, registry: int) -> HttpResponse:
    """Test it again."""
    row = _registry(registry)
    try:
        inventory.test_registry(actor=request.actor, registry=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("registry", row.pk)


@seen_by(*ADMINS, methods=ACT)
def remove(request: Request, registry: int) -> HttpResponse:
    """Forget it, with its password."""
    row = _registry(registry)
    inventory.remove_registry(actor=request.actor, registry=row)
    messages.success(request, _("Removed. Its password is destroyed."))
    return redirect("registries")


@seen_by(*ACTING, methods=FORM)
def tags(request: Request, application: str, environment: str) -> HttpResponse:
    """The tags of an image to choose from; asked for by POST, shown as they come."""
    placement = get_placement(request, application, environment)
    if placement.application.archived_at is not None:
        raise Http404(_("%(name)s is archived.") % {"name": placement.application.name})
    is_part = "HX-Request" in request.headers
    template = "registries/_tags.html" if is_part or "fragment" in request.GET else "registries/tags.html"
    if request.method == "POST":
        return _ask(request, placement, template)
    return render(request, template, _tags_page(request, placement))


def _ask(request: Request, placement: Placement, template: str) -> HttpResponse:
    form = TagsForm(request.POST)
    image = form.cleaned_data["image"] if form.is_valid() else ""
    try:
        operation = inventory.look_at_tags(actor=request.actor, placement=placement, image=image)
    except Refused as refusal:
        add_refusal(form, refusal)
        context = {"placement": placement, "tags": None, "form": form}
        return render(request, template, context, status=422)
    path = reverse("placement_tags", args=[placement.application.name, placement.environment.name])
    if template.endswith("_tags.html"):
        return render(request, template, {"placement": placement, "tags": tags_of(placement, operation.pk)})
    return redirect(f"{path}?look={operation.pk}")


def _tags_page(request: Request, placement: Placement) -> dict[str, Any]:
    number = request.GET.get("look", "")
    found = tags_of(placement, int(number)) if number.isdecimal() and len(number) < _DIGITS else None
    return {"placement": placement, "tags": found, "form": TagsForm(initial={"image": placement.image})}


def _edited(request: Request, form: RegistryForm, row: Registry | None) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            saved, operation = inventory.save_registry(actor=request.actor, registry=row, **form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved. It is tested now.") if operation else _("Saved, and not tested."))
            return redirect("registry", saved.pk)
    context = {"form": form, "registry": row}
    return render(request, "registries/edit.html", context, status=422 if form.is_bound else 200)


def _registry(number: int) -> Registry:
    row = Registry.objects.select_related("test_host").filter(pk=number).first()
    if row is None:
        raise Http404(_("There is no such registry any more."))
    return row


def _may_change(request: Request) -> bool:
    return permissions.may_administer(request.user)
