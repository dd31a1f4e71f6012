"""Making and changing hooks, and what the audit trail says of it."""

from __future__ import annotations

import pytest

from deployments import field_key, sealing
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory import webhooks as inventory
from deployments.models import AuditEntry, Placement, Webhook
from tests import factories as make

pytestmark = pytest.mark.django_db

RULES = {"branches": ["main"]}


@pytest.fixture
def placement() -> Placement:
    return make.placement(make.application("storefront"))


@pytest.fixture
def ana() -> Actor:
    return Actor.of(make.ana())


def create(placement: Placement, actor: Actor, name: str = "GitHub") -> Webhook:
    return inventory.create_webhook(actor=actor, placement=placement, kind="github", name=name, rules=RULES)[0]


def test_every_change_is_recorded(placement: Placement, ana: Actor) -> None:
    webhook = create(placement, ana, "  Git\u00a0Hub ")
    assert webhook.name == "Git Hub"
    inventory.change_webhook(actor=ana, webhook=webhook, name="Hub", rules={"tags": ["v*"]})
    inventory.change_webhook(actor=ana, webhook=webhook, name="Hub", rules={"tags": ["v*"]})
    inventory.rotate_secret(actor=ana, webhook=webhook)
    inventory.switch_webhook(actor=ana, webhook=webhook, on=False)
    inventory.switch_webhook(actor=ana, webhook=webhook, on=False)
    inventory.delete_webhook(actor=ana, webhook=webhook)
    assert list(AuditEntry.objects.order_by("number").values_list("action", flat=True)) == [
        "webhook.create",
        "webhook.update",
        "webhook.rotate_secret",
        "webhook.switch",
        "webhook.delete",
    ]
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "GitHub"])
def test_a_name_that_cannot_be(placement: Placement, ana: Actor, name: str) -> None:
    create(placement, ana)
    with pytest.raises(Refused) as refused:
        create(placement, ana, name)
    assert refused.value.field == "name"


def test_a_kind_and_rules_that_cannot_be(placement: Placement, ana: Actor) -> None:
    with pytest.raises(Refused) as refused:
        inventory.create_webhook(actor=ana, placement=placement, kind="svn", name="x", rules=RULES)
    assert refused.value.field == "kind"
    with pytest.raises(FieldErrors):
        inventory.create_webhook(actor=ana, placement=placement, kind="github", name="x", rules={})


def test_there_is_an_end_to_hooks(placement: Placement, ana: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "MOST", 2)
    create(placement, ana, "one")
    create(placement, ana, "two")
    with pytest.raises(Refused, match="delete one"):
        create(placement, ana, "three")


def test_an_archived_application_gets_no_hook(placement: Placement, ana: Actor) -> None:
    placement.application.archived_at = placement.application.created_at
    placement.application.save()
    with pytest.raises(Refused, match="archived"):
        create(placement, ana)


def test_a_hidden_value_is_read_with_any_of_the_keys_and_no_other(settings: object) -> None:
    hidden = field_key.hide("gull ü")
    assert field_key.reveal(hidden) == "gull ü"
    assert "gull" not in repr(hidden)
    old = settings.ESTIVA_FIELD_KEY  # type: ignore[attr-defined]
    fresh = "A" * 43 + "="
    settings.ESTIVA_FIELD_KEY = f"{fresh}, {old}"  # type: ignore[attr-defined]
    assert field_key.reveal(hidden) == "gull ü"
    settings.ESTIVA_FIELD_KEY = fresh  # type: ignore[attr-defined]
    with pytest.raises(sealing.CannotOpen):
        field_key.reveal(hidden)
