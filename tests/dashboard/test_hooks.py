"""Where services call: who gets in, what is answered, and what strangers can't find out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.http import HttpResponseBase
from django.test import Client
from django.urls import path

from dashboard.views import hooks
from deployments.actors import Actor
from deployments.inventory import webhooks as inventory
from deployments.models import Placement, Webhook, WebhookDelivery
from deployments.webhooks.push import Push
from deployments.webhooks.receive import Outcome, Verdict
from tests import factories as make
from tests.deployments.webhooks import samples

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

IMAGE = "registry.example.com/harbour/storefront:2.4.1"
begun: list[Push] = []


def start(webhook: Webhook, push: Push, actor: Actor) -> Outcome:
    """Write down what would begin."""
    begun.append(push)
    return Outcome(Verdict.ACCEPTED)


urlpatterns = [path("hooks/<str:public_id>", hooks.receiver(start))]


@pytest.fixture(autouse=True)
def _afresh() -> None:
    begun.clear()
    cache.clear()


@pytest.fixture
def hook() -> tuple[Webhook, str]:
    placement: Placement = make.placement(make.application("storefront"), image=IMAGE)
    return inventory.create_webhook(
        actor=Actor.of(make.ana()), placement=placement, kind="registry", name="Registry", rules={"tags": ["2.*"]}
    )


def call(client: Client, hook: tuple[Webhook, str], sent: Any = None, **headers: str) -> Any:
    body = json.dumps({"events": [samples.registry_event()]} if sent is None else sent)
    headers = {"authorization": f"Bearer {hook[1]}", **headers}
    return client.post(f"/hooks/{hook[0].public_id}", body, content_type="application/json", headers=headers)


def test_a_push_is_taken(client: Client, hook: tuple[Webhook, str]) -> None:
    answer = call(client, hook)
    assert (answer.status_code, answer.json()["verdict"]) == (202, "accepted")
    assert begun[0].ref == "2.4.2"
    assert call(client, hook).json()["verdict"] == "duplicate"
    assert len(begun) == 1


def test_no_cookie_is_set_and_none_is_needed(hook: tuple[Webhook, str]) -> None:
    answer = call(Client(enforce_csrf_checks=True), hook)
    assert answer.status_code == 202
    assert not answer.cookies
    assert answer["Cache-Control"] == "no-store"


def test_what_is_ignored_is_a_success_with_its_reason(client: Client, hook: tuple[Webhook, str]) -> None:
    answer = call(client, hook, {"events": [samples.registry_event(tag="latest")]})
    assert answer.status_code == 200
    assert answer.json() == {
        "verdict": "ignored",
        "reason": "The image harbour/storefront:latest was pushed; this hook follows 2.*.",
    }
    assert call(client, hook, {"events": []}).json()["verdict"] == "ignored"


def test_of_several_the_one_that_deploys_is_told(client: Client, hook: tuple[Webhook, str]) -> None:
    events = [samples.registry_event("a", action="pull"), samples.registry_event("b")]
    assert call(client, hook, {"events": events}).json()["verdict"] == "accepted"


@pytest.mark.parametrize("kind", ["registry", "plain"])
def test_what_cannot_be_read(client: Client, hook: tuple[Webhook, str], kind: str) -> None:
    """A service that is answered with errors switches its hook off; a script's writer wants to see one."""
    row, secret = hook
    Webhook.objects.update(kind=kind)
    moment = int(time.time())
    body = b"[]"
    signature = f"t={moment},v1={samples.sign(f'{moment}.'.encode() + body, secret)}"
    headers = {"authorization": f"Bearer {secret}", "x-estiva-signature": signature}
    answer = client.post(f"/hooks/{row.public_id}", body, content_type="application/json", headers=headers)
    assert answer.json()["verdict"] == "refused"
    assert answer.status_code == (422 if kind == "plain" else 200)


def told(answer: HttpResponseBase) -> tuple[int, bytes, set[str]]:
    """All that somebody outside can tell two answers apart by."""
    varying = {"X-Request-Id"}
    return answer.status_code, getattr(answer, "content", b""), set(answer.headers) - varying


def test_a_stranger_cannot_tell_a_hook_from_none(client: Client, hook: tuple[Webhook, str]) -> None:
    row, _secret = hook
    there = call(client, (row, "guessed"))
    row.public_id = "there-is-no-such-hook"
    assert told(there) == told(call(client, (row, "guessed")))
    assert told(there)[:2] == (401, b"")
    assert not WebhookDelivery.objects.exists()


def test_too_large_is_said_before_it_is_read(client: Client, hook: tuple[Webhook, str]) -> None:
    answer = call(client, hook, {"events": ["x" * 1_000_000]})
    assert answer.status_code == 413
    row, secret = hook
    row.public_id = "there-is-no-such-hook"
    assert told(answer) == told(call(client, (row, secret), {"events": ["x" * 1_000_000]}))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post(client: Client, hook: tuple[Webhook, str], method: str) -> None:
    assert client.generic(method, f"/hooks/{hook[0].public_id}").status_code == 405


def test_strangers_are_slowed_down_and_the_sender_is_not(
    client: Client, hook: tuple[Webhook, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "STRANGERS_A_MINUTE", 3)
    codes = {call(client, (hook[0], "guessed")).status_code for _call in range(9)}
    assert codes == {401, 429}
    assert call(client, hook).status_code == 202


def test_a_sender_without_end_is_slowed_down(
    client: Client, hook: tuple[Webhook, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "CALLS_A_MINUTE", 2)
    with time_machine.travel(1_790_000_000, tick=False):
        answers = [call(client, hook) for _call in range(3)]
    assert answers[1].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1]["Retry-After"] == "60"
