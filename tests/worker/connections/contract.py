"""What every `ContainerHost` keeps, asked of the in-memory server and of a real one in the same words."""

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from parts.sample_image import Behaviour
from worker.connections.signals import Signals
from worker.engine.aside import KEPT, KEPT_LABEL
from worker.engine.at_once import at_once
from worker.engine.container_host import Container, ContainerHost, Follow, LogLine
from worker.engine.errors import Cancelled, Conflict, HostError, LeaseLost, NotFound
from worker.engine.server_clock import seconds_between

LABELS = {"estiva.installation": "test", "estiva.placement": "7"}


class World(Protocol):
    """A server, a connection to it, and a registry with sample images."""

    @property
    def host(self) -> ContainerHost:
        """The connection."""

    @property
    def signals(self) -> Signals:
        """What interrupts it."""

    def image(self, behaviour: Behaviour = "plain", *, healthcheck: bool = False) -> str:
        """`name@digest` in the registry, not yet on the server."""

    def windows_image(self) -> str:
        """`name@digest` of an image for windows/amd64 alone."""

    def free_port(self) -> int:
        """A port of the server that nobody holds."""

    def pause(self, name: str) -> None:
        """Somebody's `docker pause`."""


def body(reference: str, **host_config: Any) -> dict[str, Any]:
    """The smallest body of a container of ours."""
    return {"Image": reference, "Labels": LABELS, "ExposedPorts": {"5000/tcp": {}}, "HostConfig": host_config}


def pulled(world: World, behaviour: Behaviour = "plain", *, healthcheck: bool = False) -> str:
    """The reference of an image that is on the server."""
    reference = world.image(behaviour, healthcheck=healthcheck)
    for _ in world.host.pull(reference, platform=None, deadline=60):
        pass
    return reference


def seen(host: ContainerHost, name: str) -> Container:
    """Inspect what must be there."""
    found = host.container(name)
    assert found is not None
    return found


def until(host: ContainerHost, met: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition in the host's own time."""
    end = host.now() + seconds
    while not met():
        assert host.now() < end, "did not happen in time"
        host.wait(0.05)


def gathered(follow: Follow, lines: list[LogLine]) -> list[LogLine]:
    """The lines so far, with those that arrived meanwhile."""
    lines += follow.available()
    return lines


class ContainerHostContract:
    """Subclassed with a fixture `world`."""

    def test_facts_name_a_linux_engine(self, world: World) -> None:
        facts = world.host.facts()
        assert facts.os_type == "linux"
        assert facts.architecture == "amd64"
        assert facts.engine_version
        assert facts.server_time[:2] == "20"

    def test_disk_free_is_less_than_the_disk(self, world: World) -> None:
        found = world.host.disk_free("/")
        assert found is not None
        free, total = found
        assert 0 < free < total

    def test_files_free_are_fewer_than_the_disk_can_hold(self, world: World) -> None:
        found = world.host.files_free("/")
        assert found is None or 0 < found[0] < found[1], "some file systems count none"

    def test_a_pull_tells_its_progress_and_leaves_the_image(self, world: World) -> None:
        reference = world.image()
        steps = list(world.host.pull(reference, platform=None, deadline=60))
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].total
        assert steps[-1].layers_done == steps[-1].layers
        image = world.host.local_image(reference)
        assert image is not None
        assert reference in image.repo_digests
        assert image.exposed_ports == ("5000/tcp",)
        assert world.host.remote_image(reference).digest == reference.partition("@")[2]

    def test_a_pull_of_what_the_registry_lacks_is_not_found(self, world: World) -> None:
        missing = world.image().partition("@")[0] + ":no-such-tag"
        with pytest.raises(NotFound, match="manifest unknown"):
            list(world.host.pull(missing, platform=None, deadline=60))
        with pytest.raises(NotFound):
            world.host.remote_image(missing)
        assert world.host.local_image(missing) is None

    def test_an_image_for_another_platform_is_refused(self, world: World) -> None:
        reference = world.windows_image()
        assert [str(each) for each in world.host.remote_image(reference).platforms] == ["windows/amd64"]
        with pytest.raises(HostError, match="no matching manifest for linux/amd64"):
            list(world.host.pull(reference, platform=None, deadline=60))

    def test_a_container_lives_and_goes(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        host.create("web", body(reference))
        created = seen(host, "web")
        assert (created.status, created.running, created.restart_policy) == ("created", False, "no")
        assert created.image == reference
        assert LABELS.items() <= dict(created.labels).items()
        host.start("web")
        host.start("web")
        running = seen(host, "web")
        assert (running.status, running.running) == ("running", True)
        assert running.image_id == getattr(host.local_image(reference), "id", None)
        until(host, lambda: host.probe_tcp(running.networks["bridge"], 5000, timeout=2).ok)
        until(host, lambda: len(host.logs("web", tail=5)) == 2)  # it has set its handler for SIGTERM by now
        host.stop("web", timeout=10)
        host.stop("web", timeout=10)
        stopped = seen(host, "web")
        assert (stopped.status, stopped.running, stopped.exit_code) == ("exited", False, 0)
        assert stopped.networks["bridge"] == ""
        host.remove("web")
        assert host.container("web") is None

    def test_one_that_is_paused_goes_on_ends_and_is_renamed(self, world: World) -> None:
        host = world.host
        host.create("web", body(pulled(world), RestartPolicy={"Name": "unless-stopped"}))
        host.start("web")
        world.pause("web")
        paused = seen(host, "web")
        assert (paused.status, paused.running, paused.paused, paused.up) == ("paused", True, True, False)
        host.start("web")
        again = seen(host, "web")
        assert (again.status, again.up, again.started_at) == ("running", True, paused.started_at)
        world.pause("web")
        host.rename("web", "web.f1")
        host.set_restart_policy("web.f1", "no")
        host.stop("web.f1", timeout=10)
        stopped = seen(host, "web.f1")
        assert (stopped.status, stopped.running, stopped.exit_code) == ("exited", False, 0)
        host.start("web.f1")
        world.pause("web.f1")
        host.remove("web.f1")
        assert host.container("web.f1") is None

    def test_one_that_was_started_again_tells_when_it_had_ended(self, world: World) -> None:
        host = world.host
        host.create("web", body(pulled(world)))
        host.start("web")
        host.stop("web", timeout=10)
        host.wait(0.3)
        host.start("web")
        found = seen(host, "web")
        assert (seconds_between(found.created_at, found.finished_at) or 0.0) > 0
        away = seconds_between(found.finished_at, found.started_at)
        assert away is not None
        assert 0.2 < away < 30

    def test_a_running_container_is_removed_by_force(self, world: World) -> None:
        world.host.create("web", body(pulled(world)))
        world.host.start("web")
        world.host.remove("web")
        assert world.host.container("web") is None

    def test_a_stubborn_container_is_killed_after_its_time(self, world: World) -> None:
        host = world.host
        host.create("web", body(pulled(world, "ignores_term")))
        host.start("web")
        begun = host.now()
        host.stop("web", timeout=1)
        assert 1.0 <= host.now() - begun < 5
        assert seen(host, "web").exit_code == 137

    def test_a_name_is_taken_once_and_gone_when_renamed(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        host.create("web.f1", body(reference))
        with pytest.raises(Conflict):
            host.create("web.f1", body(reference))
        host.create("other", body(reference))
        with pytest.raises(Conflict):
            host.rename("other", "web.f1")
        host.rename("web.f1", "web.f2")
        assert seen(host, "web.f2").name == "web.f2"
        with pytest.raises(NotFound):
            host.start("web.f1")

    @pytest.mark.parametrize(
        "call",
        [
            lambda host: host.start("nobody"),
            lambda host: host.stop("nobody", timeout=1),
            lambda host: host.rename("nobody", "somebody"),
            lambda host: host.remove("nobody"),
            lambda host: host.set_restart_policy("nobody", "always"),
            lambda host: host.connect_network("bridge", "nobody", ["a"]),
            lambda host: host.disconnect_network("bridge", "nobody"),
            lambda host: host.logs("nobody", tail=5),
            lambda host: host.follow("nobody"),
            lambda host: host.tag("no.such/image:1", "estiva/test:1"),
            lambda host: host.create("web", body("no.such/image:1")),
        ],
    )
    def test_what_is_not_there_is_not_found(self, world: World, call: Callable[[ContainerHost], object]) -> None:
        with pytest.raises(NotFound):
            call(world.host)

    def test_calls_made_together_are_answered_in_their_order(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        host.create("web", body(reference))
        facts, web, nobody, image = at_once(
            host,
            host.facts,
            lambda: seen(host, "web"),
            lambda: host.container("nobody"),
            lambda: host.local_image(reference),
        )
        assert (facts.os_type, web.name, nobody) == ("linux", "web", None)
        assert image is not None
        with pytest.raises(NotFound):
            at_once(host, host.facts, lambda: host.start("nobody"))

    def test_a_published_port_is_held_by_one(self, world: World) -> None:
        host, reference, port = world.host, pulled(world), world.free_port()
        bindings = {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
        for name in ("old", "new"):
            host.create(name, body(reference, PortBindings=bindings))
        host.start("old")
        assert seen(host, "old").published == (("127.0.0.1", port, 5000, "tcp"),)
        (held,) = (each for each in host.all_published_ports() if each.port == port)
        assert held[:4] == ("127.0.0.1", port, "tcp", "old")
        assert held.labels.items() >= LABELS.items()
        until(host, lambda: host.probe_http("127.0.0.1", port, "/healthz", timeout=2).status == 200)
        with pytest.raises(HostError, match="port is already allocated"):
            host.start("new")
        assert not seen(host, "new").running
        assert "port is already allocated" in seen(host, "new").error
        host.stop("old", timeout=10)
        host.start("new")
        assert ("127.0.0.1", port, "tcp", "new") in [each[:4] for each in host.all_published_ports()]

    def test_the_engine_chooses_a_port_when_none_is_asked_for(self, world: World) -> None:
        bindings = {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
        world.host.create("web", body(pulled(world), PortBindings=bindings))
        world.host.start("web")
        ((_, port, inner, _),) = seen(world.host, "web").published
        assert port > 0
        assert inner == 5000

    def test_an_exit_leaves_code_and_words(self, world: World) -> None:
        host = world.host
        host.create("web", body(pulled(world, "exits")))
        host.start("web")
        until(host, lambda: seen(host, "web").status == "exited")
        assert seen(host, "web").exit_code == 3
        said = host.logs("web", tail=50)
        # the order between the two streams is the engine's, and it promises none
        assert [line.text[:8] for line in said if line.stream == "stdout"] == ["sample: "]
        assert [line for line in said if line.stream == "stderr"][-1] == LogLine("stderr", "sample: fatal: giving up")
        assert list(host.logs("web", tail=1)) == [said[-1]]

    def test_a_restart_policy_restarts_and_counts(self, world: World) -> None:
        host = world.host
        policy = {"Name": "on-failure", "MaximumRetryCount": 2}
        host.create("web", body(pulled(world, "exits"), RestartPolicy=policy))
        assert (seen(host, "web").restart_policy, seen(host, "web").restart_retries) == ("on-failure", 2)
        host.start("web")
        until(host, lambda: seen(host, "web").status == "exited" and seen(host, "web").restart_count == 2)

    @pytest.mark.parametrize("policy", ["no", "always", "unless-stopped", "on-failure"])
    def test_a_restart_policy_is_changed_while_it_runs(self, world: World, policy: str) -> None:
        world.host.create("web", body(pulled(world), RestartPolicy={"Name": "always"}))
        world.host.start("web")
        world.host.set_restart_policy("web", policy, 3)
        found = seen(world.host, "web")
        assert (found.restart_policy, found.restart_retries) == (policy, 3 if policy == "on-failure" else 0)

    def test_output_is_followed_and_ends_with_the_container(self, world: World) -> None:
        host = world.host
        host.create("web", body(pulled(world)))
        host.start("web")
        follow = host.follow("web")
        lines: list[LogLine] = []
        until(host, lambda: len(gathered(follow, lines)) == 2)
        assert not follow.ended
        host.stop("web", timeout=10)
        until(host, lambda: bool(gathered(follow, lines)) and follow.ended)
        gathered(follow, lines)
        assert lines[-1].text == "sample: asked to stop, closing"
        follow.close()
        assert list(follow.available()) == []

    def test_health_of_the_images_own_check(self, world: World) -> None:
        host = world.host
        host.create("web", body(pulled(world, healthcheck=True)))
        assert getattr(host.local_image(seen(host, "web").image_id), "has_healthcheck", False)
        host.start("web")
        until(host, lambda: seen(host, "web").health == "healthy")
        host.create("plain", body(pulled(world)))
        assert seen(host, "plain").health == ""

    def test_an_unhealthy_application_answers_503(self, world: World) -> None:
        host = world.host
        host.create("web", body(pulled(world, "never_healthy")))
        host.start("web")
        address = seen(host, "web").networks["bridge"]
        until(host, lambda: host.probe_http(address, 5000, "/healthz", timeout=2).ok)
        assert host.probe_http(address, 5000, "/healthz", timeout=2).status == 503
        probe = host.probe_http(address, 5001, "/", timeout=2)
        assert (probe.ok, probe.status, probe.problem, probe.unreachable) == (False, 0, "connection refused", False)
        assert host.probe_tcp(address, 5000, timeout=2).ok
        assert not host.probe_tcp(address, 5001, timeout=2).ok

    def test_networks_are_made_once_and_joined_with_aliases(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        for _ in range(2):
            host.ensure_network("back", LABELS)
        host.create("web", body(reference, NetworkMode="back"))
        host.start("web")
        assert set(seen(host, "web").networks) == {"back"}
        assert "shop" not in seen(host, "web").network_aliases["back"]
        host.disconnect_network("back", "web")
        assert seen(host, "web").networks == {}
        host.connect_network("back", "web", ["shop"])
        found = seen(host, "web")
        assert "shop" in found.network_aliases["back"]
        until(host, lambda: host.probe_tcp(found.networks["back"], 5000, timeout=2).ok)
        with pytest.raises(HostError):
            host.connect_network("back", "web", ["shop"])
        with pytest.raises(HostError):
            host.disconnect_network("bridge", "web")
        with pytest.raises(NotFound):
            host.connect_network("nowhere", "web", [])

    def test_an_address_is_kept_where_the_network_was_made_for_it(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        if host.facts().product == "Podman":
            pytest.skip("never asked of podman")
        host.ensure_network("plain", LABELS)
        host.ensure_network("kept", LABELS | {KEPT_LABEL: KEPT})
        assert (host.keeps_addresses("plain"), host.keeps_addresses("kept")) == (False, True)
        host.create("web", body(reference, NetworkMode="kept"))
        host.start("web")
        before = seen(host, "web").networks["kept"]
        host.disconnect_network("kept", "web")
        host.connect_network("kept", "web", ["formerly-shop"], ipv4=before)
        assert seen(host, "web").networks == {"kept": before}
        until(host, lambda: host.probe_tcp(before, 5000, timeout=2).ok)

    def test_volumes_outlive_their_container(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        for _ in range(2):
            host.ensure_volume("data", LABELS)
        host.create("web", {**body(reference, Binds=["data:/data:ro"]), "Volumes": {"/cache": {}}})
        mounts = {mount.path: mount for mount in seen(host, "web").mounts}
        assert (mounts["/data"].kind, mounts["/data"].name, mounts["/data"].read_only) == ("volume", "data", True)
        anonymous = mounts["/cache"].name
        assert len(anonymous) == 64
        host.remove("web")
        host.create("next", body(reference, Mounts=[{"Type": "volume", "Source": anonymous, "Target": "/cache"}]))
        (mount,) = seen(host, "next").mounts
        assert (mount.name, mount.path, mount.read_only) == (anonymous, "/cache", False)

    def test_containers_are_found_by_all_their_labels(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        for name, placement in (("one", "1"), ("two", "2")):
            host.create(name, {**body(reference), "Labels": {**LABELS, "estiva.placement": placement}})
        host.create("foreign", {**body(reference), "Labels": {}})
        host.start("two")
        found = host.containers({"estiva.installation": "test"})
        assert sorted(each.name for each in found) == ["one", "two"]
        assert sorted(host.names({"estiva.installation": "test"})) == ["one", "two"]
        assert host.names({"estiva.installation": "test", "estiva.placement": "3"}) == []
        (only,) = host.containers({"estiva.installation": "test", "estiva.placement": "2"})
        assert (only.name, only.running) == ("two", True)

    def test_a_reference_is_removed_and_an_image_in_use_stays(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        kept = "estiva/test/shop:1"
        host.tag(reference, kept)
        assert [kept in each.repo_tags for each in host.local_images("estiva/test/shop:*")] == [True]
        assert host.local_images("estiva/test/other:*") == []
        host.create("web", body(reference))
        assert host.remove_image(reference) is True  # the tag still holds it
        assert host.local_image(reference) is None
        assert host.remove_image(kept) is False  # the last reference, and a container uses it
        assert host.local_image(kept) is not None
        host.remove("web")
        assert host.remove_image(kept) is True
        assert host.local_image(kept) is None
        assert host.remove_image(kept) is False

    def test_cancelled_is_raised_once_and_the_lost_lease_always(self, world: World) -> None:
        host, reference = world.host, pulled(world)
        world.signals.cancelled.set()
        with pytest.raises(Cancelled):
            host.create("web", body(reference))
        host.shield()
        host.create("web", body(reference))
        host.wait(0.01)
        world.signals.lost.set()
        calls: tuple[Callable[[], object], ...] = (lambda: host.start("web"), lambda: host.wait(5), host.facts)
        for call in calls:
            with pytest.raises(LeaseLost):
                call()

    def test_a_shielded_host_never_hears_of_cancel(self, world: World) -> None:
        world.host.shield()
        world.signals.cancelled.set()
        begun = world.host.now()
        world.host.wait(0.1)
        assert world.host.now() - begun >= 0.1

    def test_the_clock_runs_forward(self, world: World) -> None:
        first = world.host.now()
        world.host.wait(0.02)
        assert world.host.now() >= first + 0.02
