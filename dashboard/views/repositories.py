"""An application's Git repository: named, trusted, looked at; and new applications that begin with one."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.access import ACT, ACTING, ADMINS, EVERYONE, FORM, Request, denial, get_application, seen_by
from dashboard.forms.hosts import TrustForm
from dashboard.forms.refusals import add_refusal
from dashboard.forms.repositories import LookForm, NewFromRepositoryForm, RepositoryForm
from deployments import fingerprints, permissions
from deployments.errors import Refused
from deployments.inventory import applications
from deployments.inventory import repositories as inventory
from deployments.models import Application, Repository
from deployments.queries.repository_page import repository_of, repository_page
from deployments.states import RepositoryState

_DIGITS = 19


@seen_by(*ACTING, methods=FORM)
def new(request: Request) -> HttpResponse:
    """A new application from its repository: both are saved, the repository is looked at, its page leads on."""
    _check_may_change(request)
    form = NewFromRepositoryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                row = applications.create_application(actor=request.actor, **form.naming())
                inventory.save_repository(actor=request.actor, application=row, **form.repository())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect("repository", row.name)
    return render(request, "repositories/new.html", {"form": form}, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE)
def detail(request: Request, application: str) -> HttpResponse:
    """How it is, what was seen there, and the steps of getting to know it."""
    row = get_application(request, application)
    repository = repository_of(row)
    may_change = _may_change(request, row)
    if repository is None:
        if may_change:
            return redirect("repository_edit", row.name)
        return render(request, "repositories/none.html", {"application": row})
    template = "repositories/_detail.html" if request.GET.get("fragment") == "detail" else "repositories/detail.html"
    return render(request, template, _page(request, row, repository))


@seen_by(*ACTING, methods=FORM)
def edit(request: Request, application: str) -> HttpResponse:
    """Name the repository, or change it: another address clears credential and trust, and the page says so first."""
    row = _changeable(request, application)
    repository = repository_of(row)
    names = ("url", "credential", "username")
    initial = {name: getattr(repository, name) for name in names} if repository else {}
    form = RepositoryForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            inventory.save_repository(actor=request.actor, application=row, **form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved. It is looked at now."))
            return redirect("repository", row.name)
    context = {"application": row, "repository": repository, "form": form}
    return render(request, "repositories/edit.html", context, status=422 if form.is_bound else 200)


@seen_by(*ADMINS, methods=FORM)
def trust(request: Request, application: str) -> HttpResponse:
    """Confirm the key that the Git server showed, for the first time or after it changed."""
    row = get_application(request, application)
    repository = _repository(row)
    if request.method != "POST":
        return redirect("repository", row.name)
    form = TrustForm(request.POST)
    if form.is_valid():
        try:
            inventory.trust_repository(actor=request.actor, repository=repository, **form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Trusted. Estiva speaks to this Git server only while it shows this key."))
            return redirect("repository", row.name)
    context = {**_page(request, row, repository), "trust_form": form}
    return render(request, "repositories/detail.html", context, status=422)


@seen_by(*ACTING, methods=ACT)
def look(request: Request, application: str) -> HttpResponse:
    """Look at all of it, or at one branch and folder."""
    row = _in_use(get_application(request, application))
    repository = _repository(row)
    form = LookForm(request.POST)
    if "ref" in request.POST and not form.is_valid():
        return render(
            request, "repositories/detail.html", {**_page(request, row, repository), "look_form": form}, status=422
        )
    wanted = form.cleaned_data if form.is_valid() else {}
    try:
        operation = inventory.look(actor=request.actor, repository=repository, **wanted)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("repository", row.name)
    return redirect(f"{reverse('repository', args=[row.name])}?look={operation.pk}")


@seen_by(*ACTING, methods=ACT)
def remove(request: Request, application: str) -> HttpResponse:
    """Forget it, with its credential."""
    row = _changeable(request, application)
    try:
        inventory.remove_repository(actor=request.actor, repository=_repository(row))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("repository_edit", row.name)
    messages.success(request, _("Removed. Its credential is destroyed."))
    return redirect("application", row.name)


def _changeable(request: Request, name: str) -> Application:
    _check_may_change(request)
    return _in_use(get_application(request, name))


def _check_may_change(request: Request) -> None:
    if not permissions.may_change_repository(request.user):
        raise denial(request)


def _may_change(request: Request, application: Application) -> bool:
    return application.archived_at is None and permissions.may_change_repository(request.user)


def _in_use(application: Application) -> Application:
    if application.archived_at is not None:
        raise Http404(_("%(name)s is archived.") % {"name": application.name})
    return application


def _repository(application: Application) -> Repository:
    row = repository_of(application)
    if row is None:
        raise Http404(_("%(name)s has no repository.") % {"name": application.name})
    return row


def _page(request: Request, application: Application, repository: Repository) -> dict[str, Any]:
    number = request.GET.get("look", "")
    wanted = int(number) if number.isdecimal() and len(number) < _DIGITS else None
    page = repository_page(request.user, repository, wanted)
    offered, pinned = repository.offered_key, repository.host_key
    waits = repository.state in {RepositoryState.NEW, RepositoryState.UNTRUSTED, RepositoryState.KEY_CHANGED}
    return {
        "application": application,
        "repository": repository,
        "page": page,
        "may_change": _may_change(request, application),
        "may_look": request.user.role in ACTING and application.archived_at is None,
        "may_trust": permissions.may_administer(request.user) and application.archived_at is None,
        "may_place": _may_change(request, application),
        "offered_fingerprint": fingerprints.fingerprint(offered) if offered else "",
        "pinned_fingerprint": fingerprints.fingerprint(pinned) if pinned else "",
        "trust_form": TrustForm(initial={"key": offered}),
        "look_form": LookForm(
            initial={"ref": page.default_ref, "subdirectory": page.look.subdirectory if page.look else ""}
        ),
        "is_moving": waits or (page.look is not None and page.look.is_open),
    }
