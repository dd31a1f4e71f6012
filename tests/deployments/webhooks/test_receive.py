"""From a request to a row: kept once, judged by the rules, and begun by whoever was handed in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError

from deployments import audit, compose_settings
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.inventory import webhooks as inventory
from deployments.models import AuditEntry, Placement, Repository, Webhook, WebhookDelivery
from deployments.webhooks import receive
from deployments.webhooks.push import Push, Unauthentic
from deployments.webhooks.receive import Answer, Outcome, Verdict
from deployments.webhooks.request import WebhookRequest
from deployments.webhooks.rules import Place
from tests import factories as make
from tests.deployments.webhooks import samples

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@dataclass
class Begun:
    """What was asked to begin, in place of the Plans and Deployments that `start` would make."""

    pushes: list[tuple[Push, str]] = field(default_factory=list)
    refusal: Refused | None = None

    def __call__(self, webhook: Webhook, push: Push, actor: Actor) -> Outcome:
        if self.refusal:
            raise self.refusal
        self.pushes.append((push, actor.name))
        return Outcome(Verdict.ACCEPTED, "Planned.")


@pytest.fixture
def begun() -> Begun:
    return Begun()


@pytest.fixture
def placement() -> Placement:
    row = make.placement(make.application("storefront"), source=Placement.Source.GIT)
    Repository.objects.create(application=row.application, url=samples.URL)
    return row


@pytest.fixture
def ana() -> Actor:
    return Actor.of(make.ana(), "203.0.113.7")


Hook = tuple[Webhook, str]


@pytest.fixture
def hook(placement: Placement, ana: Actor) -> Hook:
    return inventory.create_webhook(
        actor=ana, placement=placement, kind="github", name="GitHub", rules={"branches": ["main"]}
    )


def send(hook: Hook, begun: Begun, *, number: str = "1", secret: str = "", body: bytes = b"", **changes: Any) -> Answer:
    """GitHub delivers a push."""
    webhook, own = hook
    raw = body or json.dumps(samples.github(**changes)).encode()
    request = samples.request(
        raw,
        x_github_event="push",
        x_github_delivery=number,
        x_hub_signature_256=f"sha256={samples.sign(raw, secret or own)}",
    )
    webhook = Webhook.objects.select_related("placement__application").get(pk=webhook.pk)
    (answer,) = take(webhook, request, begun)
    return answer


def take(webhook: Webhook, request: WebhookRequest, begun: Begun) -> tuple[Answer, ...]:
    authentic = receive.let_in(webhook=webhook, request=request, address="198.51.100.4")
    return receive.receive(webhook=webhook, authentic=authentic, address="198.51.100.4", start=begun)


def test_a_push_that_fits_begins_a_deploy(hook: Hook, begun: Begun) -> None:
    assert send(hook, begun) == Answer("accepted", "The branch main was pushed. Planned.")
    ((push, who),) = begun.pushes
    assert (push.commit, who) == (samples.AFTER, "GitHub (webhook)")
    row = WebhookDelivery.objects.get()
    assert (row.delivery_id, row.event, row.address, row.verdict) == ("1", "push", "198.51.100.4", "accepted")
    assert row.summary == {
        "ref": "main",
        "ref_kind": "branch",
        "commit": samples.AFTER,
        "message": "Sort the cart by price",
        "pusher": "ana-prado",
        "repository": samples.URL,
    }
    hook[0].refresh_from_db()
    assert hook[0].last_used_at == row.received_at


def test_a_number_is_used_once(hook: Hook, begun: Begun) -> None:
    send(hook, begun)
    assert send(hook, begun, forced=True).verdict == "duplicate"
    assert len(begun.pushes) == 1
    assert WebhookDelivery.objects.get().repeats == 1


def test_the_same_content_under_another_number_is_the_same(hook: Hook, begun: Begun) -> None:
    """The number isn't signed: whoever overheard a delivery could send it again under a new one."""
    send(hook, begun)
    assert send(hook, begun, number="2").verdict == "duplicate"
    assert len(begun.pushes) == 1


def test_another_hook_may_get_the_same_number(hook: Hook, begun: Begun, placement: Placement, ana: Actor) -> None:
    other = inventory.create_webhook(
        actor=ana, placement=placement, kind="github", name="Second", rules={"branches": ["main"]}
    )
    assert [send(each, begun).verdict for each in (hook, other)] == ["accepted", "accepted"]


def test_a_push_that_does_not_fit_is_kept_with_why(hook: Hook, begun: Begun) -> None:
    assert send(hook, begun, ref="refs/heads/spike").reason == "The branch spike was pushed; this hook follows main."
    assert begun.pushes == []
    assert WebhookDelivery.objects.get().verdict == "ignored"


def test_a_stranger_is_counted_and_not_listed(hook: Hook, begun: Begun) -> None:
    for _number in range(3):
        with pytest.raises(Unauthentic):
            send(hook, begun, secret="guessed")
    webhook = Webhook.objects.get()
    assert (webhook.strangers, webhook.stranger_address) == (1, "198.51.100.4"), "a flood isn't a flood of writes"
    assert not WebhookDelivery.objects.exists()
    assert webhook.stranger_at is not None
    later = webhook.stranger_at + timedelta(seconds=3)
    with time_machine.travel(later, tick=True), pytest.raises(Unauthentic):
        send(hook, begun, secret="guessed")
    assert Webhook.objects.get().strangers == 2


def test_what_cannot_be_read_is_refused_and_kept(hook: Hook, begun: Begun) -> None:
    assert send(hook, begun, body=b"[1]") == Answer("refused", "The body is JSON, but no object.")
    assert WebhookDelivery.objects.get().push == {}


def test_a_refusal_of_the_domain_is_kept(hook: Hook, begun: Begun) -> None:
    begun.refusal = Refused("This has no server yet.", remedy="Choose one.")
    assert send(hook, begun) == Answer("refused", "The branch main was pushed. This has no server yet. Choose one.")


def test_when_beginning_breaks_nothing_is_kept_and_a_retry_is_new(hook: Hook, begun: Begun) -> None:
    def breaks(webhook: Webhook, push: Push, actor: Actor) -> Outcome:
        raise IntegrityError("the database went away")

    with pytest.raises(IntegrityError):
        send(hook, breaks)  # type: ignore[arg-type]
    assert not WebhookDelivery.objects.exists()
    assert send(hook, begun).verdict == "accepted"


def test_a_hook_that_is_off_only_keeps_a_record(hook: Hook, begun: Begun, ana: Actor) -> None:
    inventory.switch_webhook(actor=ana, webhook=hook[0], on=False)
    assert "switched off" in send(hook, begun).reason
    inventory.switch_webhook(actor=ana, webhook=hook[0], on=True)
    assert send(hook, begun, number="2", forced=True).verdict == "accepted"


def test_an_archived_application_deploys_nothing(hook: Hook, begun: Begun, placement: Placement) -> None:
    placement.application.archived_at = placement.application.created_at
    placement.application.save()
    assert "archived" in send(hook, begun).reason


def test_an_old_secret_is_over_once_it_was_replaced(hook: Hook, begun: Begun, ana: Actor) -> None:
    new = inventory.rotate_secret(actor=ana, webhook=hook[0])
    with pytest.raises(Unauthentic):
        send(hook, begun)
    assert send((hook[0], new), begun).verdict == "accepted"


def test_the_newest_are_kept_and_older_numbers_stay_used(
    hook: Hook, begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "LISTED", 3)
    monkeypatch.setattr(receive, "REMEMBERED", 5)
    for number in range(7):
        send(hook, begun, number=str(number), pusher={"name": f"p{number}"})
    rows = list(WebhookDelivery.objects.order_by("id"))
    assert [row.delivery_id for row in rows] == ["2", "3", "4", "5", "6"]
    assert [bool(row.push) for row in rows] == [False, False, True, True, True]
    assert send(hook, begun, number="2").verdict == "duplicate"


def test_sending_again_decides_by_the_rules_of_now(hook: Hook, begun: Begun, ana: Actor) -> None:
    send(hook, begun, ref="refs/heads/spike")
    first = WebhookDelivery.objects.get()
    assert receive.send_again(actor=ana, delivery=first, start=begun).verdict == "ignored"
    inventory.change_webhook(actor=ana, webhook=hook[0], name="GitHub", rules={"branches": ["spike"]})
    assert receive.send_again(actor=ana, delivery=first, start=begun).verdict == "accepted"
    assert begun.pushes[0][1] == "Ana Prado"
    again = WebhookDelivery.objects.first()
    assert again is not None
    assert (again.delivery_id, again.again_of, again.sent_again_by_name) == ("1+2", first, "Ana Prado")
    assert AuditEntry.objects.filter(action="webhook.send_again").count() == 2


def test_what_held_no_push_is_not_sent_again(hook: Hook, begun: Begun, ana: Actor) -> None:
    send(hook, begun, body=b"[1]")
    with pytest.raises(Refused, match="no push"):
        receive.send_again(actor=ana, delivery=WebhookDelivery.objects.get(), start=begun)


def test_an_envelope_of_a_registry(ana: Actor, begun: Begun) -> None:
    placement = make.placement(make.application("shop"), image="registry.example.com:5000/harbour/storefront:2.4.1")
    webhook, secret = inventory.create_webhook(
        actor=ana, placement=placement, kind="registry", name="Registry", rules={"tags": ["2.*"]}
    )
    events = [
        samples.registry_event("a", action="pull"),
        samples.registry_event("b"),
        samples.registry_event("c", tag="latest"),
    ]
    request = samples.request({"events": events}, authorization=f"Bearer {secret}")
    answers = take(webhook, request, begun)
    assert [answer.verdict for answer in answers] == ["ignored", "accepted", "ignored"]
    assert list(webhook.deliveries.order_by("id").values_list("delivery_id", flat=True)) == ["b", "c"]


def test_no_secret_is_anywhere_but_hidden(hook: Hook, begun: Begun, ana: Actor) -> None:
    webhook, secret = hook
    send(hook, begun)
    newer = inventory.rotate_secret(actor=ana, webhook=webhook)
    kept = str([list(model.objects.values()) for model in (Webhook, WebhookDelivery, AuditEntry)])
    assert secret not in kept
    assert newer not in kept
    assert secret != newer
    assert audit.verify().ok


def test_a_compose_application_follows_its_repository_or_the_images_of_its_file(placement: Placement) -> None:
    placement.source, placement.compose = Placement.Source.COMPOSE, compose_settings.defaults()
    assert receive.place_of(placement) == Place(repository_url=samples.URL)
    text = "services: {web: {image: 'shop:2'}, db: {image: 'postgres:${V}'}, job: {build: .}, again: {image: 'shop:2'}}"
    placement.compose = compose_settings.normalise({"text": text})
    assert receive.place_of(placement) == Place(images=("shop:2",))
