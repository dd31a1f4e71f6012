"""Webhooks: making them, changing what they follow, their secrets. A secret is shown once, by whoever made it."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, clock
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.field_key import hide
from deployments.leases import lock_placement
from deployments.models import Placement, Webhook
from deployments.webhooks.rules import Rules

MOST: Final = 20
LONGEST_NAME: Final = 60


def create_webhook(
    *, actor: Actor, placement: Placement, kind: str, name: str, rules: Mapping[str, Sequence[str]]
) -> tuple[Webhook, str]:
    """A new hook and its secret, which is never shown again. Refused at `name` or `kind`, FieldErrors at the rules."""
    if kind not in Webhook.Kind.values:
        raise Refused(_("Choose who calls."), "kind")
    checked, secret = Rules.checked(rules), _new_secret()
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        _check_in_use(placement)
        if placement.webhooks.count() >= MOST:
            raise Refused(_("There are %(most)s hooks here already; delete one first.") % {"most": MOST})
        webhook = Webhook.objects.create(
            placement=placement,
            kind=kind,
            name=_checked_name(name, placement, None),
            public_id=secrets.token_urlsafe(18),
            secret=hide(secret),
            secret_at=clock.now(),
            rules=checked.as_json(),
            created_by_id=actor.user_id,
            created_by_name=actor.name,
        )
        audit.record(actor, "webhook.create", webhook, after=_shown(webhook))
    return webhook, secret


def change_webhook(*, actor: Actor, webhook: Webhook, name: str, rules: Mapping[str, Sequence[str]]) -> Webhook:
    """Another name, other rules. Refused at `name`, FieldErrors at the rules."""
    checked = Rules.checked(rules)
    with transaction.atomic():
        webhook = _locked(webhook)
        before = _shown(webhook)
        webhook.name, webhook.rules = _checked_name(name, webhook.placement, webhook), checked.as_json()
        if before != _shown(webhook):
            webhook.save(update_fields=("name", "rules"))
            audit.record(actor, "webhook.update", webhook, before=before, after=_shown(webhook))
    return webhook


def rotate_secret(*, actor: Actor, webhook: Webhook) -> str:
    """A new secret in place of the old, which is refused from now on. It is never shown again."""
    secret = _new_secret()
    with transaction.atomic():
        webhook = _locked(webhook)
        webhook.secret, webhook.secret_at = hide(secret), clock.now()
        webhook.secret_version += 1
        webhook.save(update_fields=("secret", "secret_at", "secret_version"))
        audit.record(actor, "webhook.rotate_secret", webhook, after={"secret_version": webhook.secret_version})
    return secret


def switch_webhook(*, actor: Actor, webhook: Webhook, on: bool) -> Webhook:
    """Let it deploy, or only keep a record of what comes."""
    with transaction.atomic():
        webhook = _locked(webhook)
        if webhook.is_active != on:
            webhook.is_active = on
            webhook.save(update_fields=("is_active",))
            audit.record(actor, "webhook.switch", webhook, before={"on": not on}, after={"on": on})
    return webhook


def delete_webhook(*, actor: Actor, webhook: Webhook) -> None:
    """Remove it with its secret and the list of what it was sent; what it deployed stays on record."""
    with transaction.atomic():
        webhook = _locked(webhook)
        described = ("webhook", webhook.pk, str(webhook))
        before = _shown(webhook)
        webhook.delete()
        audit.record(actor, "webhook.delete", described, before=before)


def _locked(webhook: Webhook) -> Webhook:
    placement = lock_placement(webhook.placement_id)
    webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
    webhook.placement = placement
    return webhook


def _new_secret() -> str:
    return f"estiva_{secrets.token_urlsafe(32)}"  # what looks for lost secrets can know it by its beginning


def _check_in_use(placement: Placement) -> None:
    if placement.application.archived_at is not None:
        raise Refused(_("%(name)s is archived.") % {"name": placement.application.name})


def _checked_name(name: str, placement: Placement, webhook: Webhook | None) -> str:
    name = " ".join(name.split())
    if not name or not name.isprintable():
        raise Refused(_("Give it a name, such as where it is called from."), "name")
    if len(name) > LONGEST_NAME:
        raise Refused(_("Use at most %(most)s characters.") % {"most": LONGEST_NAME}, "name")
    if placement.webhooks.filter(name=name).exclude(pk=webhook.pk if webhook else 0).exists():
        raise Refused(_("There is a hook of this name here already."), "name")
    return name


def _shown(webhook: Webhook) -> dict[str, object]:
    """For the record: everything but the secret."""
    return {"kind": webhook.kind, "name": webhook.name, **webhook.rules}
