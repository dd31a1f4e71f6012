"""People: who they are, what they may do, inviting them, and shutting them out."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.access import ACT, ADMINS, FORM, READING_ALL, Request, get_person, seen_by
from dashboard.forms.people import AccessForm, InviteForm
from dashboard.forms.refusals import add_refusal
from dashboard.paging import page_number
from deployments import audit
from deployments.accounts import invitations
from deployments.accounts import people as accounts
from deployments.errors import Refused
from deployments.models import AccessLink, User
from deployments.queries import people as queries
from deployments.queries.tokens import tokens_of


@seen_by(*READING_ALL)
def index(request: Request) -> HttpResponse:
    """Everybody."""
    return render(request, "people/list.html", {"page": queries.people(page_number(request))})


@seen_by(*ADMINS, methods=FORM)
def invite(request: Request) -> HttpResponse:
    """Invite somebody; the link is shown once, to be passed on."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        try:
            link, token = invitations.invite(actor=request.actor, email=email, **form.access())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return _show_link(request, "people/invited.html", token, link=link, email=email)
    return render(request, "people/invite.html", {"form": form}, status=422 if form.is_bound else 200)


@seen_by(*ADMINS, methods=ACT)
def revoke_link(request: Request, link: int) -> HttpResponse:
    """End an invitation that nobody accepted."""
    row = AccessLink.objects.filter(pk=link, purpose=AccessLink.Purpose.INVITATION).first()
    if row is None:
        raise Http404
    try:
        invitations.revoke_invitation(actor=request.actor, link=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The invitation of %(email)s is over.") % {"email": row.email})
    return redirect("people")


@seen_by(*READING_ALL, methods=FORM, changes=ADMINS)
def detail(request: Request, person: int) -> HttpResponse:
    """Somebody's access; an admin changes it here."""
    user = get_person(request, person)
    form = AccessForm(request.POST or None, initial=_access_of(user), user=user)
    if request.method == "POST" and form.is_valid():
        try:
            accounts.change_access(actor=request.actor, user=user, **form.access())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved. It holds from now on, on open pages too."))
            return redirect("person", user.pk)
    page = {
        "form": form,
        "row": queries.person(user),
        "is_last_admin": _is_last_admin(user),
        "tokens": tokens_of(user),
    }
    return render(request, "people/detail.html", page, status=422 if form.is_bound else 200)


@seen_by(*ADMINS, methods=ACT)
def deactivate(request: Request, person: int) -> HttpResponse:
    """Shut somebody out: sessions and streams end at once."""
    user = get_person(request, person)
    return _act(
        request, user, accounts.deactivate, _("%(name)s is shut out; their sessions have ended.") % {"name": user}
    )


@seen_by(*ADMINS, methods=ACT)
def reactivate(request: Request, person: int) -> HttpResponse:
    """Let somebody in again."""
    user = get_person(request, person)
    return _act(request, user, accounts.reactivate, _("%(name)s may sign in again.") % {"name": user})


@seen_by(*ADMINS, methods=ACT)
def sign_in_link(request: Request, person: int) -> HttpResponse:
    """A link that signs somebody in once: for who lost the password."""
    user = get_person(request, person)
    try:
        token = accounts.issue_sign_in_token(actor=request.actor, user=user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("person", user.pk)
    return _show_link(request, "people/sign_in_link.html", token, person=user)


def _act(request: Request, user: User, action: Any, done: str) -> HttpResponse:
    try:
        action(actor=request.actor, user=user)
    except Refused as refusal:
        audit.denied(request.actor, f"person.{action.__name__}", user, str(refusal.message))
        messages.error(request, str(refusal))
    else:
        messages.success(request, done)
    return redirect("person", user.pk)


def _show_link(request: Request, template: str, token: str, **context: object) -> HttpResponse:
    address = settings.ESTIVA_BASE_URL + reverse("account_link", args=[token])
    return render(request, template, {"address": address, **context})


def _access_of(user: User) -> dict[str, Any]:
    pairs = user.grants.values_list("application_id", "environment_id")
    return {
        "role": user.role,
        "deploys_everything": user.deploys_everything,
        "grants": [f"{application}:{environment}" for application, environment in pairs],
    }


def _is_last_admin(user: User) -> bool:
    return user.is_admin and queries.admins_left(without=user) == 0
