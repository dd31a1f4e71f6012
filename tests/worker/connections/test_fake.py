"""The in-memory server keeps Docker's rules, so that the engine's tests mean something."""

from typing import Any

import pytest

from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.engine.container_host import LogLine, Platform
from worker.engine.errors import Cancelled, Conflict, HostError, HostLost, LeaseLost, NotFound

SHOP = "registry.test/shop"


def body(image: str, **host_config: object) -> dict[str, object]:
    return {"Image": image, "Labels": {"estiva.placement": "7"}, "HostConfig": host_config}


def ready(behaviour: Behaviour | None = None, **fields: Any) -> tuple[FakeHost, str]:
    """A host with the shop's image pulled; its reference."""
    server = FakeServer()
    reference = server.images.publish(SHOP, "1", behaviour=behaviour or Behaviour(), **fields)
    host = FakeHost(server)
    list(host.pull(reference, platform=None, deadline=60))
    return host, reference


def test_pull_makes_the_image_local_under_its_digest() -> None:
    host, reference = ready()
    image = host.local_image(reference)
    assert image is not None
    assert image.repo_digests == (reference,)
    assert host.remote_image(f"{SHOP}:1").digest == reference.partition("@")[2]


def test_pull_of_another_platform_is_refused_with_dockers_words() -> None:
    server = FakeServer()
    reference = server.images.publish(SHOP, "1", platforms=(Platform("windows", "amd64"),))
    with pytest.raises(HostError, match="no matching manifest for linux/amd64"):
        list(FakeHost(server).pull(reference, platform=None, deadline=60))


def test_a_name_is_taken_once() -> None:
    host, reference = ready()
    host.create("web", body(reference))
    with pytest.raises(Conflict):
        host.create("web", body(reference))
    host.rename("web", "web.f2")
    assert host.container("web") is None
    with pytest.raises(NotFound):
        host.start("web")


def test_a_published_port_belongs_to_one_running_container() -> None:
    host, reference = ready()
    port = {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5000"}]}
    for name in ("old", "new"):
        host.create(name, body(reference, PortBindings=port))
    host.start("old")
    with pytest.raises(HostError, match="port is already allocated"):
        host.start("new")
    host.stop("old", timeout=10)
    host.start("new")
    assert [each[:4] for each in host.all_published_ports()] == [("127.0.0.1", 5000, "tcp", "new")]
    assert host.probe_http("127.0.0.1", 5000, "/", timeout=1).status == 200


@pytest.mark.parametrize(
    ("policy", "stopped", "comes_back"),
    [
        ("always", True, True),
        ("unless-stopped", True, False),
        ("unless-stopped", False, True),
        ("no", False, False),
        ("always", False, True),
    ],
)
def test_a_reboot_follows_the_restart_policy(policy: str, stopped: bool, comes_back: bool) -> None:
    host, reference = ready()
    host.create("web", body(reference, RestartPolicy={"Name": policy}))
    host.start("web")
    if stopped:
        host.stop("web", timeout=10)
    host.server.reboot()
    found = host.container("web")
    assert found is not None
    assert found.running is comes_back


def test_a_stubborn_container_is_killed_after_the_timeout() -> None:
    host, reference = ready(Behaviour(ignores_term=True))
    host.create("web", body(reference))
    host.start("web")
    before = host.now()
    host.stop("web", timeout=7)
    found = host.container("web")
    assert host.now() - before >= 7
    assert found is not None
    assert (found.status, found.exit_code) == ("exited", 137)


def test_an_exiting_container_is_restarted_and_counted() -> None:
    host, reference = ready(Behaviour(exits_after=1.0, exit_code=3))
    host.create("web", body(reference, RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 2}))
    host.start("web")
    host.wait(20)
    found = host.container("web")
    assert found is not None
    assert (found.status, found.exit_code, found.restart_count) == ("exited", 3, 2)


def test_health_and_output_come_with_time() -> None:
    lines = ((0.5, LogLine("stdout", "ready")),)
    host, reference = ready(Behaviour(healthy_after=2.0, output=lines), has_healthcheck=True)
    host.create("web", body(reference))
    host.start("web")
    follow = host.follow("web")
    assert list(follow.available()) == []
    host.wait(1)
    assert [line.text for line in follow.available()] == ["ready"]
    assert (inspected := host.container("web")) is not None
    assert inspected.health == "starting"
    assert host.probe_http(inspected.networks["bridge"], 5000, "/", timeout=1).status == 503
    host.wait(1.5)
    assert (inspected := host.container("web")) is not None
    assert inspected.health == "healthy"
    assert host.probe_http(inspected.networks["bridge"], 5000, "/", timeout=1).status == 200


def test_anonymous_volumes_outlive_their_container() -> None:
    host, reference = ready(volumes=("/data",))
    host.create("web", body(reference))
    found = host.container("web")
    assert found is not None
    (mount,) = found.mounts
    assert mount.path == "/data"
    host.remove("web")
    assert mount.name in host.server.volumes


def test_a_lost_connection_stays_lost_and_says_when() -> None:
    host, reference = ready()
    host.create("web", body(reference))
    host.fail_before("start")
    with pytest.raises(HostLost):
        host.start("web")
    assert not host.server.find("web").running
    with pytest.raises(HostLost):
        host.container("web")
    again = FakeHost(host.server)
    again.fail_after("start")
    with pytest.raises(HostLost):
        again.start("web")
    assert again.server.find("web").running
    assert [call.outcome for call in again.changing_calls()] == ["HostLost"]


def test_cancelled_is_raised_once_and_a_lost_lease_always() -> None:
    host, reference = ready()
    host.cancel_at("create")
    with pytest.raises(Cancelled):
        host.create("web", body(reference))
    assert host.container("web") is None
    host.shield()
    host.create("web", body(reference))
    host.signals.lost.set()
    for _ in range(2):
        with pytest.raises(LeaseLost):
            host.wait(1)


def test_a_wait_ends_when_somebody_cancels() -> None:
    host, _ = ready()
    begun = host.now()
    host.server.at(3.0, host.signals.cancelled.set)
    with pytest.raises(Cancelled):
        host.wait(600)
    assert host.now() - begun < 3.2


def test_images_are_removed_by_reference_and_never_from_under_a_container() -> None:
    host, reference = ready()
    host.tag(reference, "estiva/x/shop:1")
    host.create("web", body(reference))
    assert [each.repo_tags for each in host.local_images("estiva/x/shop:*")] == [("estiva/x/shop:1",)]
    assert host.remove_image(reference) is True
    assert host.remove_image("estiva/x/shop:1") is False
    host.remove("web")
    assert host.remove_image("estiva/x/shop:1") is True
    assert host.remove_image("estiva/x/shop:1") is False


def test_the_network_alias_can_be_given_later() -> None:
    host, reference = ready()
    host.ensure_network("back", {})
    host.create("web", body(reference, NetworkMode="back"))
    host.start("web")
    host.disconnect_network("back", "web")
    host.connect_network("back", "web", ["shop"])
    found = host.container("web")
    assert found is not None
    assert found.network_aliases == {"back": ("shop",)}
    assert found.networks["back"]
