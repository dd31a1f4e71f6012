"""Sets of variables that the applications of an environment share: admins keep them and say who uses which."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ADMINS, FORM, READING_ALL, Request, get_environment, get_placement, seen_by
from dashboard.forms.refusals import add_refusal
from dashboard.forms.shared_variables import OrderForm, SetForm
from dashboard.forms.variables import ImportForm, VariableForm
from dashboard.views import variables as own
from deployments import permissions
from deployments.errors import FieldErrors, Refused
from deployments.inventory import shared_variables as inventory
from deployments.models import SharedVariable, VariableSet
from deployments.queries.shared_variables import sets_of, users_of


@seen_by(*READING_ALL, methods=FORM, changes=ADMINS)
def index(request: Request, environment: str) -> HttpResponse:
    """An environment's sets, and one form that adds another."""
    row = get_environment(request, environment)
    form = SetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = inventory.create_set(actor=request.actor, environment=row, name=form.cleaned_data["name"])
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect("variable_set", environment, made.name)
    context = {"environment": row, "sets": sets_of(row), "form": form}
    return render(request, "shared/list.html", context, status=422 if form.is_bound else 200)


@seen_by(*READING_ALL, methods=FORM, changes=ADMINS)
def detail(request: Request, environment: str, name: str) -> HttpResponse:
    """One set: its variables, who uses it, and one form that adds or (`?edit=NAME`) changes."""
    row = _get(request, environment, name)
    edited = row.variables.filter(name=request.GET.get("edit", "")).first()
    form = VariableForm(request.POST or None, initial=own.initial_of(edited))
    if request.method == "POST" and form.is_valid() and _set(request, row, form, edited):
        said = _("%(name)s is saved. The next deploy of each application that uses it brings it.")
        messages.success(request, said % {"name": form.cleaned_data["name"]})
        own.say_doubts(request, form)
        return redirect("variable_set", environment, name)
    context = {
        "environment": row.environment,
        "set": row,
        "variables": list(row.variables.select_related("secret_version")),
        "users": users_of(row),
        "form": form,
        "edited": edited,
        "acts": permissions.may_administer(request.user),
    }
    return render(request, "shared/detail.html", context, status=422 if form.is_bound else 200)


@seen_by(*ADMINS, methods=ACT)
def rename(request: Request, environment: str, name: str) -> HttpResponse:
    """Call a set otherwise."""
    row = _get(request, environment, name)
    try:
        row = inventory.rename_set(actor=request.actor, variable_set=row, name=request.POST.get("name", ""))
    except FieldErrors as refusal:
        messages.error(request, " ".join(str(text) for texts in refusal.errors.values() for text in texts))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("It is called %(name)s now.") % {"name": row.name})
    return redirect("variable_set", environment, row.name)


@seen_by(*ADMINS, methods=FORM)
def import_text(request: Request, environment: str, name: str) -> HttpResponse:
    """Many at once, from `.env` text: all or none."""
    row = _get(request, environment, name)
    form = ImportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        text, secret = form.cleaned_data["text"], form.chosen_secrets()
        try:
            changed = inventory.import_shared_variables(
                actor=request.actor, variable_set=row, text=text, secret_names=secret
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            own.say_imported(request, changed)
            return redirect("variable_set", environment, name)
    context = {"environment": row.environment, "set": row, "form": form}
    return render(request, "shared/import.html", context, status=422 if form.is_bound else 200)


@seen_by(*READING_ALL)
def export_text(request: Request, environment: str, name: str) -> HttpResponse:
    """`.env` text; of secrets only the names."""
    row = _get(request, environment, name)
    text = inventory.export_shared_variables(actor=request.actor, variable_set=row)
    return own.as_file(text, f"{environment}-{name}.env")


@seen_by(*ADMINS, methods=ACT)
def delete_variable(request: Request, environment: str, name: str) -> HttpResponse:
    """Remove the variable whose `name` is sent. A secret's values are destroyed."""
    row = _get(request, environment, name)
    gone = request.POST.get("name", "")
    try:
        inventory.delete_shared_variable(actor=request.actor, variable_set=row, name=gone)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        said = _("%(name)s is gone. The next deploy of each application that uses the set leaves it out.")
        messages.success(request, said % {"name": gone})
    return redirect("variable_set", environment, name)


@seen_by(*ADMINS, methods=ACT)
def delete(request: Request, environment: str, name: str) -> HttpResponse:
    """Remove a set that nothing uses."""
    row = _get(request, environment, name)
    try:
        inventory.delete_set(actor=request.actor, variable_set=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("variable_set", environment, name)
    messages.success(request, _("The set %(name)s is gone.") % {"name": name})
    return redirect("variable_sets", environment)


@seen_by(*ADMINS, methods=ACT)
def use(request: Request, application: str, environment: str) -> HttpResponse:
    """Which sets a placement uses, by number: a higher one wins over a lower one."""
    placement = get_placement(request, application, environment)
    sets = VariableSet.objects.filter(environment=placement.environment_id)
    form = OrderForm(request.POST, sets=list(sets))
    if not form.is_valid():
        messages.error(request, _("Nothing was saved: use whole numbers from 1 to 999, or leave a field empty."))
        return redirect("variables", application, environment)
    try:
        inventory.use_sets(actor=request.actor, placement=placement, set_ids=form.chosen())
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Saved. The next deploy brings it."))
    return redirect("variables", application, environment)


def _get(request: Request, environment: str, name: str) -> VariableSet:
    row = get_environment(request, environment).variable_sets.select_related("environment").filter(name=name).first()
    if row is None:
        raise Http404(_("There is no set of this name here."))
    return row


def _set(request: Request, row: VariableSet, form: VariableForm, edited: SharedVariable | None) -> bool:
    taken = row.variables.filter(name=form.cleaned_data["name"]).exists()
    if not own.is_sound(form, edited, is_taken=taken):
        return False
    try:
        inventory.set_shared_variable(actor=request.actor, variable_set=row, **form.cleaned_data)
    except Refused as refusal:
        add_refusal(form, refusal)
        return False
    return True
