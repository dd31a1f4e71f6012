"""A push at the real route: signed as its sender signs it, planned in the same transaction, and sent again by hand."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from deployments import build_settings, requests
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.inventory import webhooks as inventory
from deployments.models import Operation, Placement, Plan, Repository, User, Webhook, WebhookDelivery
from tests import factories as make
from tests.deployments.webhooks import samples

pytestmark = pytest.mark.django_db

PATH = "/applications/storefront/staging/hooks"
Hook = tuple[Webhook, str]


@pytest.fixture(autouse=True)
def _afresh() -> None:
    cache.clear()  # calls are counted there


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def placement() -> Placement:
    row = make.placement(
        make.application("storefront"), hosts=[make.host("web-1")], source="git", build=build_settings.defaults()
    )
    Repository.objects.create(application=row.application, url=samples.URL)
    return row


def make_hook(placement: Placement, ana: User, kind: str, **rules: list[str]) -> Hook:
    return inventory.create_webhook(
        actor=Actor.of(ana), placement=placement, kind=kind, name=kind, rules=rules or {"branches": ["main"]}
    )


def signed(kind: str, secret: str, body: bytes) -> dict[str, str]:
    """The headers of that kind's sender."""
    moment = int(time.time())
    return {
        "github": {
            "x-github-event": "push",
            "x-github-delivery": "d-1",
            "x-hub-signature-256": f"sha256={samples.sign(body, secret)}",
        },
        "gitlab": {"x-gitlab-event": "Push Hook", "x-gitlab-event-uuid": "d-1", "x-gitlab-token": secret},
        "gitea": {
            "x-gitea-event": "push",
            "x-gitea-delivery": "d-1",
            "x-gitea-signature": samples.sign(body, secret),
        },
        "plain": {"x-estiva-signature": f"t={moment},v1={samples.sign(f'{moment}.'.encode() + body, secret)}"},
    }[kind]


SENT: dict[str, dict[str, Any]] = {
    "github": samples.github(),
    "gitlab": samples.gitlab(),
    "gitea": samples.gitea(),
    "plain": {"ref": "main", "commit": samples.AFTER},
}


def call(client: Client, hook: Hook, sent: dict[str, Any], secret: str = "") -> Any:
    body = json.dumps(sent).encode()
    headers = signed(hook[0].kind, secret or hook[1], body)
    return client.post(f"/hooks/{hook[0].public_id}", body, content_type="application/json", headers=headers)


@pytest.mark.parametrize("kind", sorted(SENT))
def test_a_push_plans_its_commit(placement: Placement, ana: User, kind: str) -> None:
    hook = make_hook(placement, ana, kind)
    answer = call(Client(enforce_csrf_checks=True), hook, SENT[kind])
    assert (answer.status_code, answer.json()) == (
        202,
        {"verdict": "accepted", "reason": "The branch main was pushed."},
    )
    plan = Plan.objects.get()
    assert (plan.automatic, plan.automatic_by, plan.created_by) == ("waiting", f"{kind} (webhook)", None)
    assert plan.wanted == {"ref": "main", "commit": samples.AFTER}
    assert plan.source["commit"] == samples.AFTER
    assert WebhookDelivery.objects.get().plan == plan
    assert Operation.objects.get(pk=plan.operation_id).status == "queued"


@pytest.mark.parametrize("kind", sorted(SENT))
def test_without_the_secret_nothing_is_planned(client: Client, placement: Placement, ana: User, kind: str) -> None:
    hook = make_hook(placement, ana, kind)
    assert call(client, hook, SENT[kind], "guessed").status_code == 401
    assert not Plan.objects.exists()


def test_a_plan_that_cannot_be_asked_for_leaves_the_delivery_with_the_reason(
    client: Client, placement: Placement, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook(placement, ana, "plain")
    placement.seats.update(is_active=False)
    answer = call(client, hook, SENT["plain"])
    assert (answer.status_code, answer.json()["verdict"]) == (422, "refused")
    assert "no server yet" in WebhookDelivery.objects.get().reason


def test_what_breaks_leaves_no_delivery_so_that_it_may_come_again(
    placement: Placement, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, client = make_hook(placement, ana, "github"), Client(raise_request_exception=False)
    request_plan = requests.request_plan

    def broken(**_asked: object) -> Plan:
        raise RuntimeError("a bug")

    monkeypatch.setattr(requests, "request_plan", broken)
    assert call(client, hook, SENT["github"]).status_code == 500
    assert not WebhookDelivery.objects.exists()
    monkeypatch.setattr(requests, "request_plan", request_plan)
    assert call(client, hook, SENT["github"]).status_code == 202


@pytest.fixture
def ignored(client: Client, placement: Placement, ana: User) -> WebhookDelivery:
    """A push to main, which the hook follows only since."""
    hook = make_hook(placement, ana, "github", branches=["next"])
    assert call(client, hook, SENT["github"]).json()["verdict"] == "ignored"
    Webhook.objects.update(rules={"branches": ["main"]})
    return WebhookDelivery.objects.get()


def test_sending_again_decides_anew_and_is_this_persons(client: Client, ana: User, ignored: WebhookDelivery) -> None:
    client.force_login(ana)
    page = f"{PATH}/{ignored.webhook_id}/"
    again = f"{PATH}/{ignored.webhook_id}/again/{ignored.pk}"
    assert again in client.get(page).content.decode()
    answer = client.post(again, follow=True)
    assert answer.redirect_chain == [(page, 302)]
    assert "The branch main was pushed." in answer.content.decode()
    plan = Plan.objects.get()
    assert (plan.created_by, plan.automatic_by) == (ana, "Ana Prado")
    assert f"/plans/{plan.pk}/" in answer.content.decode()


def test_a_delivery_without_a_push_cannot_be_sent_again(client: Client, ana: User, ignored: WebhookDelivery) -> None:
    WebhookDelivery.objects.update(push={}, summary={})
    client.force_login(ana)
    page, again = f"{PATH}/{ignored.webhook_id}/", f"{PATH}/{ignored.webhook_id}/again/{ignored.pk}"
    assert again not in client.get(page).content.decode()
    assert "no push in this delivery" in client.post(again, follow=True).content.decode()
    assert not Plan.objects.exists()


def test_another_hooks_delivery_is_not_found(
    client: Client, ana: User, placement: Placement, ignored: WebhookDelivery
) -> None:
    other, _secret = make_hook(placement, ana, "gitea")
    client.force_login(ana)
    assert client.post(f"{PATH}/{other.pk}/again/{ignored.pk}").status_code == 404


def test_who_only_reads_cannot_send_again(client: Client, ignored: WebhookDelivery) -> None:
    client.force_login(make.carla())
    again = f"{PATH}/{ignored.webhook_id}/again/{ignored.pk}"
    assert client.post(again).status_code == 403
    assert again not in client.get(f"{PATH}/{ignored.webhook_id}/").content.decode()


def test_the_tab_is_there(client: Client, ana: User, placement: Placement) -> None:
    client.force_login(ana)
    assert f'href="{PATH}"' in client.get("/applications/storefront/staging/").content.decode()


def test_a_refusal_is_said(
    client: Client, ana: User, ignored: WebhookDelivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_asked: object) -> Plan:
        raise Refused("Not today.")

    monkeypatch.setattr(requests, "request_plan", refuse)
    client.force_login(ana)
    answer = client.post(f"{PATH}/{ignored.webhook_id}/again/{ignored.pk}", follow=True)
    assert "Not today." in answer.content.decode()
