"""Deploys on push: a placement's hooks, what each follows, and what was delivered to it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ACTING, EVERYONE, FORM, Request, get_placement, seen_by
from dashboard.forms.refusals import add_refusal
from dashboard.forms.webhooks import WebhookForm, kinds_for
from deployments import image_reference, permissions
from deployments.errors import Refused
from deployments.inventory import webhooks as inventory
from deployments.models import Placement, Webhook
from deployments.queries import webhooks as queries
from deployments.webhooks import receive, setup
from deployments.webhooks.receive import place_of
from deployments.webhooks.rules import Place, Rules
from deployments.webhooks.start import start_deploy


@seen_by(*EVERYONE)
def index(request: Request, application: str, environment: str) -> HttpResponse:
    """The placement's hooks."""
    placement = get_placement(request, application, environment)
    context = {"webhooks": queries.webhooks(placement), **_common(request, placement)}
    return render(request, "webhooks/list.html", context)


@seen_by(*ACTING, methods=FORM)
def new(request: Request, application: str, environment: str) -> HttpResponse:
    """Make one; its secret is shown in the answer and never again."""
    placement = get_placement(request, application, environment)
    place = place_of(placement)
    form = WebhookForm(request.POST or None, place=place, initial=_first_rules(placement, place))
    if request.method == "POST" and form.is_valid():
        try:
            webhook, secret = inventory.create_webhook(
                actor=request.actor,
                placement=placement,
                kind=form.cleaned_data["kind"],
                name=form.cleaned_data["name"],
                rules=form.rules(),
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return _show_secret(request, placement, webhook, secret)
    context = {"form": form, **_common(request, placement)}
    return render(request, "webhooks/new.html", context, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE, methods=FORM, changes=ACTING)
def detail(request: Request, application: str, environment: str, webhook: int) -> HttpResponse:
    """What it follows, how to call it, and the newest deliveries."""
    placement, row = _get(request, application, environment, webhook)
    initial = {"name": row.name, **Rules.from_json(row.rules).as_json()}
    form = WebhookForm(request.POST or None, place=place_of(placement), kind=row.kind, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            inventory.change_webhook(
                actor=request.actor, webhook=row, name=form.cleaned_data["name"], rules=form.rules()
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved. It holds from the next push on."))
            return redirect("webhook", application, environment, row.pk)
    context = {
        "form": form,
        "deliveries": queries.deliveries(row),
        **_setup(row, ""),
        **_common(request, placement),
    }
    return render(request, "webhooks/detail.html", context, status=422 if form.is_bound else 200)


@seen_by(*ACTING, methods=ACT)
def rotate(request: Request, application: str, environment: str, webhook: int) -> HttpResponse:
    """A new secret, shown in the answer and never again; the old one is refused from now on."""
    placement, row = _get(request, application, environment, webhook)
    secret = inventory.rotate_secret(actor=request.actor, webhook=row)
    row.refresh_from_db()
    return _show_secret(request, placement, row, secret)


@seen_by(*ACTING, methods=ACT)
def switch(request: Request, application: str, environment: str, webhook: int) -> HttpResponse:
    """On or off, as `on` says."""
    _placement, row = _get(request, application, environment, webhook)
    on = request.POST.get("on") == "yes"
    inventory.switch_webhook(actor=request.actor, webhook=row, on=on)
    said = _("%(name)s deploys again.") if on else _("%(name)s is off: what comes is listed and deploys nothing.")
    messages.success(request, said % {"name": row.name})
    return redirect("webhook", application, environment, row.pk)


@seen_by(*ACTING, methods=ACT)
def delete(request: Request, application: str, environment: str, webhook: int) -> HttpResponse:
    """Remove it, with its list of deliveries."""
    _placement, row = _get(request, application, environment, webhook)
    inventory.delete_webhook(actor=request.actor, webhook=row)
    messages.success(request, _("%(name)s is gone. Remove it at the other end too.") % {"name": row.name})
    return redirect("webhooks", application, environment)


@seen_by(*ACTING, methods=ACT)
def again(request: Request, application: str, environment: str, webhook: int, delivery: int) -> HttpResponse:
    """Decide anew on what was delivered, by the rules of now."""
    _placement, row = _get(request, application, environment, webhook)
    sent = get_object_or_404(row.deliveries, pk=delivery)
    try:
        answer = receive.send_again(actor=request.actor, delivery=sent, start=start_deploy)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        say = messages.success if answer.verdict == receive.Verdict.ACCEPTED else messages.warning
        say(request, answer.reason)
    return redirect("webhook", application, environment, row.pk)


def _get(request: Request, application: str, environment: str, number: int) -> tuple[Placement, Webhook]:
    placement = get_placement(request, application, environment)
    row = Webhook.objects.filter(placement=placement, pk=number).first()
    if row is None:
        raise Http404(_("There is no such hook here."))
    row.placement = placement
    return placement, row


def _common(request: Request, placement: Placement) -> dict[str, Any]:
    return {
        "placement": placement,
        "acts": placement.application.archived_at is None and permissions.may_act(request.user, placement),
        "tab": "webhooks",
    }


def _setup(webhook: Webhook, secret: str) -> dict[str, Any]:
    address, rules = queries.address(webhook), Rules.from_json(webhook.rules)
    return {
        "webhook": webhook,
        "secret": secret,
        "address": address,
        "snippet": setup.snippet(
            webhook.kind, address, secret, branch="".join(rules.branches[:1]), tag="".join(rules.tags[:1])
        ),
    }


def _show_secret(request: Request, placement: Placement, webhook: Webhook, secret: str) -> HttpResponse:
    context = {**_setup(webhook, secret), **_common(request, placement)}
    return render(request, "webhooks/secret.html", context)


def _first_rules(placement: Placement, place: Place) -> dict[str, Any]:
    """What a new form begins with: the branch that is built, or the tag that runs."""
    kind, label = kinds_for(place)[0]
    begin: dict[str, Any] = {"kind": kind, "name": label}
    if place.repository_url or not place.images:
        return {**begin, "branches": [placement.build.get("ref") or "main"]}
    try:
        tag = image_reference.parse(place.images[0]).tag
    except image_reference.ImageReferenceError:
        tag = None
    return {**begin, "tags": [tag] if tag else []}
