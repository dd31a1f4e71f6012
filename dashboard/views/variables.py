"""Environment variables of a placement: plain ones are shown, secrets are written once and never read back."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.access import ACT, ACTING, EVERYONE, FORM, Request, get_placement, seen_by
from dashboard.forms.refusals import add_refusal
from dashboard.forms.variables import ImportForm, VariableForm
from deployments import dotenv, permissions
from deployments.errors import Refused
from deployments.inventory import applications as inventory
from deployments.models import Placement, SharedVariable, Variable
from deployments.queries.shared_variables import from_sets

_MASKED_FROM = 6  # characters; shorter ones occur by chance in any log


@seen_by(*EVERYONE, methods=FORM, changes=ACTING)
def index(request: Request, application: str, environment: str) -> HttpResponse:
    """The list, and one form that adds or (`?edit=NAME`) changes."""
    placement = get_placement(request, application, environment)
    edited = placement.variables.filter(name=request.GET.get("edit", "")).first()
    form = VariableForm(request.POST or None, initial=initial_of(edited))
    if request.method == "POST" and form.is_valid() and _set(request, placement, form, edited):
        said = _("%(name)s is saved. The next deploy brings it.")
        messages.success(request, said % {"name": form.cleaned_data["name"]})
        say_doubts(request, form)
        return redirect("variables", application, environment)
    status = 422 if form.is_bound else 200
    return render(request, "variables/list.html", _context(request, placement, form, edited), status=status)


@seen_by(*ACTING, methods=FORM)
def import_text(request: Request, application: str, environment: str) -> HttpResponse:
    """Many at once, from `.env` text: all or none."""
    placement = get_placement(request, application, environment)
    form = ImportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        try:
            changed = inventory.import_variables(
                actor=request.actor, placement=placement, text=text, secret_names=form.chosen_secrets()
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            say_imported(request, changed)
            return redirect("variables", application, environment)
    context = {"placement": placement, "form": form, "tab": "variables"}
    return render(request, "variables/import.html", context, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE)
def export_text(request: Request, application: str, environment: str) -> HttpResponse:
    """`.env` text; of secrets only the names."""
    placement = get_placement(request, application, environment)
    text = inventory.export_variables(actor=request.actor, placement=placement)
    return as_file(text, f"{application}-{environment}.env")


@seen_by(*ACTING, methods=ACT)
def delete(request: Request, application: str, environment: str) -> HttpResponse:
    """Remove the one whose `name` is sent: a name may hold what an address can't, such as a slash.

    A secret's values are destroyed, so a deploy of an older release asks for it again.
    """
    placement = get_placement(request, application, environment)
    name = request.POST.get("name", "")
    try:
        inventory.delete_variable(actor=request.actor, placement=placement, name=name)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(name)s is gone. The next deploy leaves it out.") % {"name": name})
    return redirect("variables", application, environment)


def initial_of(edited: Variable | SharedVariable | None) -> dict[str, object]:
    """What the form of one variable begins with."""
    if edited is None:
        return {}
    return {"name": edited.name, "value": edited.value, "is_secret": edited.is_secret}


def is_sound(form: VariableForm, edited: Variable | SharedVariable | None, *, is_taken: bool) -> bool:
    """What only this page can tell: a valid form about an `edited` one changes it, any other must name a new one."""
    value, is_secret = form.cleaned_data["value"], form.cleaned_data["is_secret"]
    if edited is not None and not edited.is_secret and edited.value.replace("\r\n", "\n") == value:
        form.cleaned_data["value"] = edited.value  # a text field can't hold `\r`: what wasn't touched stays as it is
    if edited is None and is_taken:
        form.add_error("name", _("There is one of this name already; change that one."))
    elif is_secret and not value:
        form.add_error("value", _("A secret needs a value."))
    return not form.errors


def say_doubts(request: Request, form: VariableForm) -> None:
    """What was saved and may still not be what was meant."""
    name, value, is_secret = (form.cleaned_data[field] for field in ("name", "value", "is_secret"))
    if warning := dotenv.unusual_name(name):
        messages.warning(request, str(warning))
    if is_secret and len(value) < _MASKED_FROM:
        messages.warning(request, _("%(name)s is so short that it can't be masked in logs.") % {"name": name})


def say_imported(request: Request, changed: list[str]) -> None:
    """How much an import changed."""
    words = ngettext("%(n)s variable changed: %(names)s.", "%(n)s variables changed: %(names)s.", len(changed))
    said = words % {"n": len(changed), "names": ", ".join(changed)} if changed else _("Nothing differs.")
    messages.success(request, said)


def as_file(text: str, name: str) -> HttpResponse:
    """A `.env` file to keep."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=disposition)


def _context(request: Request, placement: Placement, form: VariableForm, edited: Variable | None) -> dict[str, object]:
    variables = list(placement.variables.select_related("secret_version"))
    in_use = placement.application.archived_at is None
    return {
        "placement": placement,
        "variables": variables,
        "shared": from_sets(placement, variables),
        "form": form,
        "edited": edited,
        "acts": in_use and permissions.may_act(request.user, placement),
        "orders_sets": in_use and permissions.may_administer(request.user),
        "tab": "variables",
    }


def _set(request: Request, placement: Placement, form: VariableForm, edited: Variable | None) -> bool:
    taken = placement.variables.filter(name=form.cleaned_data["name"]).exists()
    if not is_sound(form, edited, is_taken=taken):
        return False
    try:
        inventory.set_variable(actor=request.actor, placement=placement, **form.cleaned_data)
    except Refused as refusal:
        add_refusal(form, refusal)
        return False
    return True
