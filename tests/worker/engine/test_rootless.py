"""An engine without root: its containers' addresses are not its server's, so nothing that answers there is taken for them."""

from dataclasses import replace

import pytest

from tests.worker.engine.stage import SHOP, health
from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.engine.container_host import Container, EngineFacts
from worker.engine.probing import ask
from worker.engine.rootless import addresses_reach, rootless_findings
from worker.engine.spec import ContainerSpec, HealthSpec, PortSpec

DOCKER = EngineFacts("20.10", "1.41", "linux", "amd64", "/home/it", "", rootless=True)
PODMAN = replace(DOCKER, product="Podman")
PUBLISHED = (PortSpec(5000, 8080),)


def started(**host_config: object) -> tuple[FakeHost, Container]:
    """A container that is well, and its server."""
    server = FakeServer()
    reference = server.images.publish(SHOP, "1", behaviour=Behaviour(healthy_after=0.0))
    host = FakeHost(server)
    list(host.pull(reference, platform=None, deadline=9))
    host.create("web", {"Image": reference, "HostConfig": host_config})
    host.start("web")
    container = host.container("web")
    assert container is not None
    return host, container


def test_whoever_answers_at_its_address_is_not_asked() -> None:
    host, container = started()
    check = health(kind="http")
    assert ask(host, container, check, check.port or 5000, None).ok
    answer = ask(host, container, check, check.port or 5000, None, reaches=False)
    assert not answer.ok
    assert "not published" in answer.text


def test_a_published_port_is_asked() -> None:
    host, container = started(PortBindings={"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]})
    assert container.published
    assert ask(host, container, health(kind="http"), 5000, None, reaches=False).ok


@pytest.mark.parametrize(
    ("facts", "host_network", "reaches"),
    [(DOCKER, False, False), (DOCKER, True, False), (PODMAN, False, False), (PODMAN, True, True), (None, False, True)],
)
def test_where_addresses_mean_the_same(facts: EngineFacts | None, host_network: bool, reaches: bool) -> None:
    assert addresses_reach(facts, host_network) is reaches
    assert addresses_reach(replace(DOCKER, rootless=False), host_network)


@pytest.mark.parametrize(
    ("container", "said"),
    [
        (ContainerSpec(health=HealthSpec("http", port=5000)), ["is not published"]),
        (ContainerSpec(health=HealthSpec("http")), ["a port, which is not published"]),
        (ContainerSpec(ports=PUBLISHED, health=HealthSpec("http", port=9000)), ["port 9000"]),
        (ContainerSpec(ports=PUBLISHED, health=HealthSpec("http")), []),
        (ContainerSpec(ports=PUBLISHED, health=HealthSpec("tcp")), ["also where nothing listens"]),
        (ContainerSpec(health=HealthSpec("image")), []),
        (ContainerSpec(health=HealthSpec("running")), []),
    ],
)
def test_what_the_plan_says(container: ContainerSpec, said: list[str]) -> None:
    found = list(rootless_findings(container, DOCKER, "web-1"))
    assert [each.result for each in found] == ["bad"] * len(said)
    assert all(words in each.message for words, each in zip(said, found, strict=True))
    assert not list(rootless_findings(container, replace(DOCKER, rootless=False), "web-1"))
