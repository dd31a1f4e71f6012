"""What somebody changes by hand on the services of a Compose application: told piece by piece, mended by a deploy, never imagined."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from deployments import drifting
from deployments.models import PlacementHost
from tests.worker.compose_world import FILE, SECRET, Scene, findings
from tests.worker.conftest import Sent
from worker import compose_brief
from worker.connections.fake import Behaviour
from worker.connections.fake_container import FakeContainer
from worker.engine.spec import Secret
from worker.keeper import Keeper
from worker.operations import drift
from worker.operations.drift import look_for_drift

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

PROJECT = "pasted-production"


class Shop:
    """The application as it was deployed to one server, and somebody with the docker CLI there."""

    def __init__(self, scene: Scene) -> None:
        self.scene, (self.host,) = scene, scene.world.hosts
        self.server = scene.by_name[self.host.name]

    def service(self, name: str) -> FakeContainer:
        (found,) = self.server.of_service(PROJECT, name)
        return found

    def seen(self) -> PlacementHost:
        with self.scene.open_plain(self.host) as door:
            look_for_drift(self.host, door)
        return self.seat()

    def seat(self) -> PlacementHost:
        return PlacementHost.objects.get(placement=self.scene.place, host=self.host)

    def updated(self, name: str, **host_config: Any) -> None:
        """`docker update`."""
        found = self.service(name)
        found.body = {**found.body, "HostConfig": {**found.body["HostConfig"], **host_config}}

    def again(self, name: str, **body: Any) -> None:
        """Removed and run again under the same name, with the same labels."""
        found = self.service(name)
        self.server.remove(found.name)
        made = self.server.create(found.name, {**found.body, **body})
        made.networks = dict(found.networks)
        self.server.start(found.name)


@pytest.fixture
def shop(sent: Sent, monkeypatch: pytest.MonkeyPatch, keeper: Keeper) -> Shop:
    scene = Scene(monkeypatch, servers=1)
    assert scene.deployed(keeper).status == "succeeded"
    shop = Shop(scene)
    assert shop.seen().difference == {}, "as it was deployed, nothing differs"
    return shop


def changes(seat: PlacementHost) -> list[tuple[str, str, str]]:
    return [(each["name"], each["before"], each["after"]) for each in seat.difference["changes"]]


def test_restart_policy_and_limits(shop: Shop) -> None:
    shop.service("db").policy = "no"
    shop.updated("web", Memory=300 * 1024**2, MemorySwap=600 * 1024**2, NanoCpus=500_000_000, CpusetCpus="0-1")
    seat = shop.seen()
    assert "db was changed by hand: Restart Never" in seat.drift
    assert "web was changed by hand: Memory limit 300m, CPU limit 0.5" in seat.drift
    assert ("web: Memory limit", "", "300m") in changes(seat)
    assert ("db: Restart", "Always", "Never") in changes(seat)
    assert {name for name, _, _ in changes(seat) if name.startswith("web")} == {
        "web: Memory limit", "web: CPU limit", "web: Memory and swap together", "web: CPUs it may use",
    }  # fmt: skip
    assert seat.difference["why_not"].startswith("What Compose brings up is not adopted")


def test_recreated_from_the_same_image(shop: Shop) -> None:
    shop.again("web")
    seat = shop.seen()
    assert (seat.drift, changes(seat)) == (
        "web was recreated by hand.",
        [("web: Container", "as it was left", "recreated")],
    )
    labels = shop.service("web").body["Labels"]
    shop.again("web", Labels={**labels, "com.docker.compose.config-hash": "0" * 64})
    assert shop.seen().drift == "web was recreated by hand, from another definition."


def test_variables_by_name_and_never_by_value(shop: Shop) -> None:
    assert SECRET not in json.dumps(shop.seat().observed)
    shop.again("web", Env=["TOKEN=an-other-value", "EXTRA=what-was-added"])
    seat = shop.seen()
    assert "EXTRA was added in web; PLAIN is not set in web; TOKEN has another value in web" in seat.drift
    assert ("web: TOKEN", "as it was left", "another value") in changes(seat)
    kept = json.dumps([seat.observed, seat.difference, seat.drift])
    assert not [each for each in (SECRET, "an-other-value", "what-was-added") if each in kept]
    first = seat.difference["fingerprint"]
    shop.again("web", Env=["TOKEN=a-third-value", "EXTRA=what-was-added"])
    again = shop.seen()
    assert (again.drift == seat.drift, again.difference["fingerprint"] == first) == (True, False)


def test_ports_networks_and_the_name(shop: Shop) -> None:
    shop.again(
        "web",
        HostConfig={**shop.service("web").body["HostConfig"], "PortBindings": {"5000/tcp": [{"HostPort": "9090"}]}},
    )
    shop.server.networks["backstage"] = {}
    shop.server.connect("backstage", shop.service("db").name, ["till"])
    shop.server.rename(shop.service("db").name, "somebodys-own")
    seat = shop.seen()
    assert ("web: Ports", "0.0.0.0:8080 → 5000/tcp", "0.0.0.0:9090 → 5000/tcp") in changes(seat)
    assert "db was renamed to somebodys-own; db was changed by hand: joined network backstage" in seat.drift
    shop.server.disconnect(f"{PROJECT}_default", "somebodys-own")
    assert f"left network {PROJECT}_default" in shop.seen().drift


def test_a_paused_service_is_said_and_serves_after_a_deploy(shop: Shop, keeper: Keeper) -> None:
    name = shop.service("db").name
    shop.server.pause(name)
    assert shop.seen().drift == f"db is paused and answers nobody (docker unpause {name}, or redeploy)."
    assert shop.scene.deployed(keeper).status == "succeeded"
    assert [shop.service(each).status for each in ("db", "web")] == ["running", "running"]
    assert shop.seen().difference == {}


def test_a_setting_that_may_hold_a_secret_is_only_said_to_be_another(shop: Shop) -> None:
    shop.again("web", Cmd=["serve", "--key=an-other-secret"])
    seat = shop.seen()
    assert ("web: Command", "", "a value") in changes(seat)
    assert "an-other-secret" not in json.dumps([seat.difference, seat.drift])
    shop.again("web", Cmd=["serve", "--key=a-third-secret"])
    assert shop.seen().difference["fingerprint"] != seat.difference["fingerprint"]


def restarted(shop: Shop) -> None:
    for name in ("web", "db"):
        found = shop.service(name).name
        shop.server.stop(found, timeout=1)
        shop.server.start(found)


def rebooted(shop: Shop) -> None:
    before = shop.service("web").addresses
    shop.server.reboot()
    assert shop.service("web").addresses != before, "or this shows nothing"


def in_another_order(shop: Shop) -> None:
    found = shop.service("web")
    found.body = {**found.body, "Env": list(reversed(found.body["Env"])), "Labels": _reversed(found.body["Labels"])}
    shop.server.networks["backstage"] = {}
    found.networks = _reversed(found.networks)


def with_an_id_for_a_name(shop: Shop) -> None:
    found = shop.service("web")
    found.networks = {name: (*aliases, found.id[:12]) for name, aliases in found.networks.items()}
    found.body = {**found.body, "Hostname": found.id[:12], "MacAddress": "02:42:ac:11:00:02"}


def upgraded(shop: Shop) -> None:
    """A later version of the engine tells more of every container, and some of it otherwise."""
    for name in ("web", "db"):
        shop.updated(name, ShmSize=64 * 1024**2, OomScoreAdj=3, Annotations={"io.engine": "29"})


def before_this_was_written_down(shop: Shop) -> None:
    seat = shop.seat()
    seat.observed = {"containers": [_without_left(each) for each in seat.observed["containers"]]}
    seat.save(update_fields=["observed"])
    shop.again("web", Env=[])


def image_gone(shop: Shop) -> None:
    shop.service("db").policy = "no"
    shop.server.images.local.clear()


def _reversed(found: Mapping[str, Any]) -> dict[str, Any]:
    return dict(reversed(list(found.items())))


def _without_left(container: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in container.items() if name != "left"}


@pytest.mark.parametrize(
    "happened",
    [restarted, rebooted, in_another_order, upgraded, with_an_id_for_a_name, before_this_was_written_down, image_gone],
)
def test_what_nobody_changed_or_nobody_can_tell_is_no_drift(shop: Shop, happened: Callable[[Shop], None]) -> None:
    happened(shop)
    assert shop.seen().difference == {}


def test_another_key_ends_what_can_be_compared(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (drift, compose_brief):
        monkeypatch.setattr(module, "left_key", lambda: Secret("another installation's"))
    assert shop.seen().difference == {}


def test_ignored_for_exactly_this_difference(shop: Shop) -> None:
    shop.service("db").policy = "no"
    seat = shop.seen()
    drifting.ignore(
        actor=shop.scene.world.actor, seat_id=seat.pk, shown=seat.difference["fingerprint"], reason="until Friday"
    )
    assert shop.seen().drift == ""
    shop.service("db").policy = "on-failure"
    assert shop.seen().drift == "db was changed by hand: Restart When it fails."


def test_nothing_is_mended_until_a_deploy_whose_plan_says_so(shop: Shop, keeper: Keeper) -> None:
    scene, release = shop.scene, shop.seat().running_release
    shop.service("db").policy = "no"
    web, db = shop.service("web").id, shop.service("db").id
    shop.seen()
    assert shop.service("db").policy == "no"
    plan = scene.planned(keeper, of_release=release)
    assert findings(plan) == []
    assert [(each["service"], each["kind"], each["reasons"]) for each in plan.hosts[0]["services"]] == [
        ("db", "recreated", ["it was changed by hand"]),
        ("web", "unchanged", []),
    ]
    assert scene.deployed(keeper, of_release=release).status == "succeeded"
    assert (shop.service("web").id, shop.service("db").id != db, shop.service("db").policy) == (web, True, "always")
    assert shop.seen().difference == {}
    assert [each["kind"] for each in scene.planned(keeper, of_release=release).hosts[0]["services"]] == [
        "unchanged"
    ] * 2


def test_what_was_recreated_by_hand_gives_way_too(shop: Shop, keeper: Keeper) -> None:
    shop.again("web", Env=["TOKEN=an-other-value"])
    assert shop.scene.deployed(keeper, of_release=shop.seat().running_release).status == "succeeded"
    assert f"TOKEN={SECRET}" in shop.service("web").body["Env"]
    assert shop.seen().difference == {}


def test_what_is_changed_while_a_deploy_fails_is_told_after_it(
    shop: Shop, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How the service was left before is what it is compared with, not what was found when the deploy went back."""
    db, start = shop.service("db"), shop.server.start

    def started(name: str) -> None:
        start(name)
        db.policy = "no"

    shop.scene.publish("web", "2", behaviour=Behaviour(exits_after=0.5))
    shop.scene.text(FILE.replace("web:1", "web:2"))
    monkeypatch.setattr(shop.server, "start", started)
    deployment = shop.scene.deployed(keeper)
    assert deployment.targets.get().status == "failed_restored"
    assert (shop.service("db").id, shop.service("db").policy) == (db.id, "no")
    assert shop.seen().drift == "db was changed by hand: Restart Never."


def test_what_a_failed_deploy_made_anew_is_as_it_was_left(shop: Shop, keeper: Keeper) -> None:
    shop.service("db").policy = "no"
    shop.scene.publish("web", "2", behaviour=Behaviour(exits_after=0.5))
    shop.scene.text(FILE.replace("web:1", "web:2"))
    assert shop.scene.deployed(keeper).targets.get().status == "failed_restored"
    assert (shop.service("db").policy, shop.seen().difference) == ("always", {})
    assert shop.service("db").body["Labels"]["estiva.release"] == "1", "that is what serves again"
