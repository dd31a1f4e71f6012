"""One's own account, and the one-time links that let people in."""

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import EVERYONE, FORM, Request, open_to_all, seen_by
from dashboard.adapters import end_terminals
from dashboard.forms.accounts import PasswordForm, PersonForm, PreferencesForm, SetupForm
from dashboard.forms.refusals import add_refusal
from dashboard.middleware import client_address
from deployments.accounts import invitations, links, people, setup
from deployments.errors import Refused
from deployments.models import AccessLink, User

_CAME_BY_LINK = "estiva_came_by_link"

_Purpose = AccessLink.Purpose


@open_to_all(methods=FORM)
def link(request: HttpRequest, token: str) -> HttpResponse:
    """Open a one-time link. Looking at it uses nothing up, since mail and chat programs look at links by themselves."""
    found = links.find(token)
    if found is None:
        return render(request, "account/link_over.html", status=404)
    if found.purpose == _Purpose.SIGN_IN:
        return _sign_in_by(request, found, token)
    form = SetupForm(request.POST or None) if found.purpose == _Purpose.SETUP else PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _let_in(request, _new_person(request, found, token, form))
        except Refused as refusal:
            add_refusal(form, refusal)
    return render(request, "account/welcome.html", {"form": form, "link": found}, status=422 if form.is_bound else 200)


def _new_person(request: HttpRequest, found: AccessLink, token: str, form: Form) -> User:
    address = client_address(request)
    if found.purpose == _Purpose.SETUP:
        return setup.complete_setup(token=token, address=address, **form.cleaned_data)
    return invitations.accept(token=token, address=address, **form.cleaned_data)


def _sign_in_by(request: HttpRequest, found: AccessLink, token: str) -> HttpResponse:
    if request.method != "POST":
        return render(request, "account/link_sign_in.html", {"link": found})
    try:
        user = people.sign_in_by(token=token, address=client_address(request))
    except Refused:
        return render(request, "account/link_over.html", status=404)
    response = _let_in(request, user)
    request.session[_CAME_BY_LINK] = True
    return response


def _let_in(request: HttpRequest, user: User) -> HttpResponse:
    if request.user.is_authenticated:
        end_terminals(request)
        logout(request)  # whoever used this browser before; nothing of their session goes on
    get_adapter(request).login(request, user)
    return redirect("overview")


@seen_by(*EVERYONE, methods=FORM)
def change_password(request: Request) -> HttpResponse:
    """Change one's own password; other sessions of theirs end, this one goes on."""
    needs_current = not request.session.get(_CAME_BY_LINK, False)
    form = PasswordForm(request.POST or None, user=request.user, needs_current=needs_current)
    if request.method == "POST" and not ratelimit.consume(request, action="change_password", user=request.user):
        form.add_error(None, _("Too many attempts. Wait a minute, then try again."))
    elif request.method == "POST" and form.is_valid():
        try:
            user = people.change_password(
                actor=request.actor, user=request.user, password=form.cleaned_data["password"]
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            update_session_auth_hash(request, user)
            request.session.pop(_CAME_BY_LINK, None)
            messages.success(request, _("Your password is changed. Everywhere else you are signed out."))
            return redirect("account_preferences")
    return render(request, "account/password.html", {"form": form}, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE, methods=FORM)
def preferences(request: Request) -> HttpResponse:
    """One's own name and look."""
    form = PreferencesForm(request.POST or None, initial={"name": request.user.name, "theme": request.user.theme})
    if request.method == "POST" and form.is_valid():
        try:
            people.rename(actor=request.actor, user=request.user, name=form.cleaned_data["name"])
            people.set_theme(user=request.user, theme=form.cleaned_data["theme"])
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("account_preferences")
    return render(request, "account/preferences.html", {"form": form}, status=422 if form.is_bound else 200)
