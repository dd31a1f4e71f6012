"""Access tokens: one's own, and an admin's hand on somebody else's."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ADMINS, EVERYONE, FORM, Request, get_person, get_token, seen_by
from dashboard.forms.refusals import add_refusal
from dashboard.forms.tokens import TokenForm
from deployments.accounts import tokens
from deployments.errors import Refused
from deployments.models import User
from deployments.queries.tokens import tokens_of


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """One's own tokens."""
    return render(request, "tokens/list.html", {"rows": tokens_of(request.user)})


@seen_by(*EVERYONE, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Make one; its text is shown in the answer, and never again."""
    form = TokenForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            token, text = tokens.create(actor=request.actor, user=request.user, **form.values())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            context = {"token": token, "text": text, "base_url": settings.ESTIVA_BASE_URL}
            return render(request, "tokens/shown.html", context)
    return render(request, "tokens/new.html", {"form": form}, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE, methods=ACT)
def revoke(request: Request, token: int) -> HttpResponse:
    """End one of one's own."""
    _revoke(request, request.user, token)
    return redirect("tokens")


@seen_by(*ADMINS, methods=ACT)
def revoke_of(request: Request, person: int, token: int) -> HttpResponse:
    """End one of somebody else's."""
    user = get_person(request, person)
    _revoke(request, user, token)
    return redirect("person", user.pk)


def _revoke(request: Request, user: User, number: int) -> None:
    row = get_token(request, user, number)
    try:
        tokens.revoke(actor=request.actor, token=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(name)s is revoked: nothing gets in with it any more.") % {"name": row.name})
