"""Plans and deploys by program: looked at first, or in one call; once for each key; with the token's own power."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections, transaction
from django.utils import timezone

from deployments import operations, requests
from deployments.accounts import people, tokens
from deployments.accounts.reach import Reach
from deployments.actors import Actor
from deployments.claims import claim_operation
from deployments.models import AccessToken, Deployment, IdempotencyKey, Operation, Plan, Release
from deployments.states import OperationStatus
from deployments.webhooks import automatic
from tests.dashboard.api.calls import Api, error, token
from tests.deployments.world import DIGEST, World, look_of, make_world, place, succeed

pytestmark = pytest.mark.django_db

PLACE = "placements/storefront/production"


@pytest.fixture
def world() -> World:
    """Ana, Bruno, Carla and a shop in production."""
    cache.clear()
    return make_world(2)


@pytest.fixture
def api(world: World) -> Api:
    """A pipeline of Ana's."""
    return Api(token(world.ana, "deploy"))


def looked(number: int, *, ready: bool = True, source: dict[str, Any] | None = None) -> None:
    """What the worker does about a plan: it looks, and carries on what deploys itself."""
    row = Plan.objects.get(pk=number)
    claim = claim_operation(row.operation_id, holder="look@one")
    assert claim is not None
    finding = {"check": "disk", "result": "good" if ready else "bad", "message": "Full.", "remedy": "Make room."}
    hosts = [look_of(host, findings=[finding]) for host in row.placement.hosts.all()]
    result = {"digest": DIGEST, "tag": "2.5.0", "hosts": hosts, "source": source or {}}
    assert operations.end_operation(claim, OperationStatus.SUCCEEDED, result)
    automatic.carry_on(number)


def test_in_one_call(world: World, api: Api) -> None:
    asked = api.post(f"{PLACE}/deploy", {"tag": "2.5.0", "note": "run 7"})
    assert asked.status_code == 202
    said = asked.json()
    assert (said["state"], said["deploy"], said["image"]) == (
        "looking",
        {"state": "waiting", "said": "", "deployment": None},
        "registry.example.com/storefront:2.5.0",
    )
    looked(said["id"])
    said = api.get(f"plans/{said['id']}").json()
    assert (said["state"], said["deploy"]["state"], said["deploy"]["deployment"]["status"]) == (
        "ready",
        "deployed",
        "queued",
    )
    deployment = Deployment.objects.get()
    assert (deployment.requested_by, deployment.requested_by_name, deployment.note) == (
        world.ana,
        "Ana Prado (token ci)",
        "run 7",
    )
    assert deployment.release.image == "registry.example.com/storefront:2.5.0"
    world.placement.refresh_from_db()
    assert world.placement.image.endswith(":2.4.1")  # what is set stays
    assert {each["server"] for each in api.get(f"deployments/{deployment.pk}").json()["targets"]} == {"web-1", "web-2"}


def test_what_runs_already_is_deployed_again(world: World, api: Api) -> None:
    """A push of the same is left out; whoever says deploy means it."""
    succeed(world)
    number = api.post(f"{PLACE}/deploy", {"tag": "2.4.1"}).json()["id"]
    looked(number)
    assert api.get(f"plans/{number}").json()["deploy"]["deployment"]["kind"] == "redeploy"


def test_refused_once_it_was_looked_at(world: World, api: Api) -> None:
    number = api.post(f"{PLACE}/deploy").json()["id"]
    looked(number, ready=False)
    said = api.get(f"plans/{number}").json()["deploy"]
    assert said["state"] == "refused"
    assert "can't be deployed to: Full. Make room." in said["said"]
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda world, row: tokens.revoke(actor=world.actor, token=row), "token was revoked"),
        (lambda world, row: people.deactivate(actor=world.actor, user=row.user), "token was revoked"),
        (
            lambda world, row: people.change_access(actor=world.actor, user=row.user, role="auditor"),
            "may not deploy this any more",
        ),
        (
            lambda world, row: people.change_access(actor=world.actor, user=row.user, role="deployer"),
            "may not deploy this any more",
        ),
    ],
)
def test_what_ends_between_the_call_and_its_turn(
    world: World, act: Callable[[World, AccessToken], object], why: str
) -> None:
    pair = [(world.application.pk, world.production.pk)]
    people.change_access(actor=world.actor, user=world.bruno, role="deployer", grants=pair)
    api = Api(token(world.bruno, "deploy"))
    number = api.post(f"{PLACE}/deploy").json()["id"]
    act(world, AccessToken.objects.select_related("user").get())
    looked(number)
    row = Plan.objects.get(pk=number)
    assert row.automatic == "dropped"
    assert why in row.automatic_said
    assert not Deployment.objects.exists()


def test_a_push_and_a_program_leave_each_other_alone(world: World, api: Api) -> None:
    first, second = (api.post(f"{PLACE}/deploy", {"tag": tag}).json()["id"] for tag in ("1", "2"))
    with transaction.atomic():
        automatic._supersede_waiting(world.placement.pk)
    for number in (first, second):
        looked(number)
    assert [each.release.tag for each in Deployment.objects.order_by("pk")] == ["2.5.0", "2.5.0"]
    assert set(Deployment.objects.values_list("status", flat=True)) == {"queued"}


def test_what_was_asked_for_last_is_deployed_last(world: World, api: Api) -> None:
    """Plans are worked out side by side: the second may be ready before the first."""
    first, second, third = (api.post(f"{PLACE}/deploy", {"tag": tag}).json()["id"] for tag in ("1", "2", "3"))
    looked(second)
    looked(third)
    assert not Deployment.objects.exists()
    assert api.get(f"plans/{second}").json()["deploy"]["state"] == "waiting"
    looked(first)
    assert [each.plan_id for each in Deployment.objects.order_by("pk")] == [first, second, third]


def test_one_that_is_never_carried_on_keeps_no_other_waiting(world: World, api: Api) -> None:
    first, second = (api.post(f"{PLACE}/deploy", {"tag": tag}).json()["id"] for tag in ("1", "2"))
    long_ago = timezone.now() - timedelta(minutes=2)
    Operation.objects.filter(plan=first).update(status=OperationStatus.FAILED, ended_at=long_ago)
    looked(second)
    assert [each.plan_id for each in Deployment.objects.all()] == [second]


class TestKeys:
    """The same key, the same deploy."""

    def test_once(self, world: World, api: Api) -> None:
        first = api.post(f"{PLACE}/deploy", {"tag": "2"}, **{"Idempotency-Key": "run-1"})
        again = api.post(f"{PLACE}/deploy", {"tag": "2"}, **{"Idempotency-Key": "run-1"})
        assert (first.status_code, again.status_code) == (202, 200)
        assert first.json()["id"] == again.json()["id"]
        looked(first.json()["id"])
        done = api.post(f"{PLACE}/deploy", {"tag": "2"}, **{"Idempotency-Key": "run-1"}).json()
        assert done["deploy"]["deployment"]["id"] == Deployment.objects.get().pk

    def test_another_request_under_it(self, world: World, api: Api) -> None:
        key = {"Idempotency-Key": "run-1"}
        api.post(f"{PLACE}/deploy", {"tag": "2"}, **key)
        assert error(api.post(f"{PLACE}/deploy", {"tag": "3"}, **key), 422)["code"] == "key_used"
        release = succeed(world)
        assert error(api.post(f"{PLACE}/rollback", {"release": release.number}, **key), 422)["code"] == "key_used"

    def test_it_is_the_tokens_own(self, world: World, api: Api) -> None:
        other = Api(token(world.ana, "deploy", name="other"))
        key = {"Idempotency-Key": "run-1"}
        assert api.post(f"{PLACE}/deploy", **key).json()["id"] != other.post(f"{PLACE}/deploy", **key).json()["id"]

    def test_a_day(self, world: World, api: Api) -> None:
        key = {"Idempotency-Key": "run-1"}
        first = api.post(f"{PLACE}/deploy", **key).json()["id"]
        IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
        assert api.post(f"{PLACE}/deploy", **key).json()["id"] != first
        assert IdempotencyKey.objects.count() == 1

    def test_what_was_refused_may_be_asked_again(self, world: World, api: Api) -> None:
        key = {"Idempotency-Key": "run-1"}
        error(api.post(f"{PLACE}/deploy", {"tag": "not a tag"}, **key), 422)
        assert api.post(f"{PLACE}/deploy", {"tag": "2"}, **key).status_code == 202

    @pytest.mark.parametrize("key", ["", "x" * 201, "é", "a\tb"])
    def test_keys_that_can_not_be(self, world: World, api: Api, key: str) -> None:
        assert error(api.post(f"{PLACE}/deploy", **{"Idempotency-Key": key}), 422)["field"] == "Idempotency-Key"

    def test_the_click_too(self, world: World, api: Api) -> None:
        number = api.post(f"{PLACE}/plans").json()["id"]
        looked(number)
        body = {"fingerprint": api.get(f"plans/{number}").json()["fingerprint"]}
        key = {"Idempotency-Key": "click"}
        first, again = (api.post(f"plans/{number}/deploy", body, **key) for _time in range(2))
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"] == Deployment.objects.get().pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_databases
def test_the_same_key_at_the_same_moment() -> None:
    """Eight calls at once are one deploy."""
    cache.clear()
    world = make_world()
    text = token(world.ana, "deploy")
    answers: list[tuple[int, int]] = []
    together = threading.Barrier(8)

    def call() -> None:
        try:
            together.wait()
            answer = Api(text).post(f"{PLACE}/deploy", {"tag": "2"}, **{"Idempotency-Key": "run-1"})
            answers.append((answer.status_code, answer.json().get("id", 0)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call) for _number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(status for status, _number in answers) == [200] * 7 + [202]
    assert {number for _status, number in answers} == {Plan.objects.get().pk}


class TestPlanAndClick:
    """Looked at first."""

    def test_the_whole_way(self, world: World, api: Api) -> None:
        asked = api.post(f"{PLACE}/plans", {"tag": "2.5.0"})
        assert asked.status_code == 201
        number = asked.json()["id"]
        assert asked.json()["deploy"] is None
        looked(number)
        said = api.get(f"plans/{number}").json()
        assert (said["state"], said["digest"]) == ("ready", DIGEST)
        assert [each["name"] for each in said["servers"] if each["ready"]] == ["web-1", "web-2"]
        body = {"fingerprint": said["fingerprint"], "note": "by hand", "leave_out": ["web-2"]}
        made = api.post(f"plans/{number}/deploy", body)
        assert made.status_code == 201, made.content
        assert [each["server"] for each in made.json()["targets"]] == ["web-1"]
        cancelled = api.post(f"deployments/{made.json()['id']}/cancel").json()
        assert cancelled["status"] == "cancelled"
        assert "over already" in error(api.post(f"deployments/{made.json()['id']}/cancel"), 409)["message"]
        error(api.post(f"deployments/{made.json()['id']}/go-on"), 409)

    def test_settings_that_changed_meanwhile(self, world: World, api: Api) -> None:
        number = api.post(f"{PLACE}/plans").json()["id"]
        looked(number)
        fingerprint = api.get(f"plans/{number}").json()["fingerprint"]
        api.ask("PUT", f"{PLACE}/variables", {"name": "COLOUR", "value": "blue"})
        said = error(api.post(f"plans/{number}/deploy", {"fingerprint": fingerprint}), 409)
        assert said["code"] == "plan_changed"
        assert said["changes"][0]["name"] == "COLOUR"

    def test_a_server_that_is_not_in_it(self, world: World, api: Api) -> None:
        number = api.post(f"{PLACE}/plans").json()["id"]
        looked(number)
        said = error(api.post(f"plans/{number}/deploy", {"fingerprint": "x", "leave_out": ["web-9"]}), 422)
        assert said["field"] == "leave_out"

    def test_one_that_could_not_be_worked_out(self, world: World, api: Api) -> None:
        number = api.post(f"{PLACE}/plans").json()["id"]
        operations.fail_late(Plan.objects.get(pk=number).operation)
        said = api.get(f"plans/{number}").json()
        assert said["state"] == "failed"
        assert "Nobody took this up in time." in said["failure"]


class TestGoingBack:
    """Earlier Releases."""

    def test_in_one_call(self, world: World, api: Api) -> None:
        first = succeed(world)
        Release.objects.filter(pk=first.pk).update(image="registry.example.com/storefront:2.4.1")
        succeed(world, wanted={"image": "registry.example.com/storefront:2.5.0"})
        assert [each["number"] for each in api.get(f"{PLACE}/releases").json()["items"]] == [2, 1]
        number = api.post(f"{PLACE}/rollback", {"release": 1, "note": "too slow"}).json()["id"]
        looked(number)
        said = api.get(f"plans/{number}").json()
        assert (said["of_release"], said["deploy"]["deployment"]["kind"]) == (1, "rollback")
        assert said["deploy"]["deployment"]["note"] == "too slow"
        error(api.post(f"{PLACE}/rollback", {"release": 99}), 404)

    def test_power_of_an_earlier_release_needs_an_admin(self, world: World, api: Api) -> None:
        """Ana may, but not by a token that may only deploy: said where the deploy is asked for."""
        release = succeed(world)
        Release.objects.filter(pk=release.pk).update(settings={**release.settings, "privileged": True})
        world.placement.seats.update(running_release=None)
        number = api.post(f"{PLACE}/rollback", {"release": release.number}).json()["id"]
        looked(number)
        assert "Only an admin may deploy" in api.get(f"plans/{number}").json()["deploy"]["said"]
        whole = Api(token(world.ana, "admin", name="all"))
        number = whole.post(f"{PLACE}/rollback", {"release": release.number}).json()["id"]
        looked(number)
        assert whole.get(f"plans/{number}").json()["deploy"]["state"] == "deployed"


class TestWanted:
    """What may stand in place of what is set."""

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"tag": "a b"}, "tag"),
            ({"image": "shop/UPPER"}, "image"),
            ({"image": "shop:1", "tag": "2"}, "tag"),
            ({"ref": "main"}, "ref"),
            ({"commit": "a" * 40}, "commit"),
            ({"tag": "x" * 201}, "tag"),
        ],
    )
    def test_an_image(self, world: World, api: Api, body: dict[str, str], field: str) -> None:
        assert error(api.post(f"{PLACE}/deploy", body), 422)["field"] == field
        assert not Plan.objects.exists()

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"image": "shop:1"}, "image"),
            ({"tag": "1"}, "tag"),
            ({"ref": "--upload-pack=x"}, "ref"),
            ({"ref": "a..b"}, "ref"),
            ({"commit": "abc"}, "commit"),
            ({"commit": "G" * 40}, "commit"),
        ],
    )
    def test_a_repository(self, world: World, api: Api, body: dict[str, str], field: str) -> None:
        place(world.actor, world.application, world.staging, world.hosts, source="git", build={})
        assert error(api.post("placements/storefront/staging/deploy", body), 422)["field"] == field

    def test_a_release_is_taken_as_it_is(self, world: World, api: Api) -> None:
        succeed(world)
        assert error(api.post(f"{PLACE}/plans", {"of_release": 1, "tag": "2"}), 422)["field"] == "tag"
        assert api.post(f"{PLACE}/plans", {"of_release": 1}).json()["of_release"] == 1

    def test_a_narrowed_token_does_its_own(self, world: World) -> None:
        other = place(world.actor, world.application, world.staging, world.hosts)
        narrowed = Api(token(world.ana, "deploy", places=[other]))
        assert narrowed.post("placements/storefront/staging/deploy").status_code == 202
        error(narrowed.post(f"{PLACE}/deploy"), 404)
        number = requests.request_plan(actor=Actor.of(world.ana), placement=world.placement).pk
        error(narrowed.get(f"plans/{number}"), 404)
        assert [each["environment"] for each in narrowed.get("placements").json()["items"]] == ["staging"]
        assert not Reach(AccessToken.objects.get()).may_create()
