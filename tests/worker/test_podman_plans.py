"""Plans for servers with podman: what its engine can't find out the worker does, and what it can't do is a finding."""

from typing import Any

import pytest

from deployments.models import Plan
from tests.deployments.world import World
from tests.worker.test_operations import IMAGE, Servers, bad, planned, servers, world
from worker.engine.container_host import EngineFacts
from worker.engine.events import Finding
from worker.engine.podman import podman_builder, podman_compose
from worker.keeper import Keeper
from worker.operations import blind
from worker.registries.client import RegistryRefused
from worker.registries.tags import Tag

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
__all__ = ["servers", "world"]  # fixtures
DIGEST = "sha256:" + "5" * 64


@pytest.fixture
def on_podman(servers: Servers) -> Servers:
    """Both servers run podman."""
    for each in servers.by_name.values():
        each.podman = True
    servers.publish("web-1", "web-2")
    return servers


def rows(plan: Plan) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plan.operation.result["hosts"]
    return found


def test_the_worker_asks_what_a_tag_stands_for(
    world: World, keeper: Keeper, on_podman: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(reference: Any) -> Tag:
        asked.append(reference.name)
        return Tag("2.4.1", DIGEST, platforms=("linux/amd64",))

    monkeypatch.setattr(blind, "one_tag", answer)
    plan = planned(world, keeper)
    assert plan.operation.result["digest"] == DIGEST
    assert (asked, [bad(each) for each in rows(plan)]) == ([IMAGE], [[], []])
    assert all("platform" in {each["check"] for each in row["findings"]} for row in rows(plan))


def test_an_image_for_another_platform_is_refused(
    world: World, keeper: Keeper, on_podman: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blind, "one_tag", lambda _: Tag("2.4.1", DIGEST, platforms=("windows/amd64",)))
    for row in rows(planned(world, keeper)):
        assert any("no matching manifest" in each for each in bad(row))


def test_where_nobody_can_tell_it_is_bad(
    world: World, keeper: Keeper, on_podman: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Tag:
        raise RegistryRefused("registry.example.com is not among the registries.", remedy="Add it.")

    monkeypatch.setattr(blind, "one_tag", refuse)
    for row in rows(planned(world, keeper)):
        assert any("is not known" in each for each in bad(row))


def test_a_server_with_docker_tells_it_for_all(
    world: World, keeper: Keeper, on_podman: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Tag:
        raise RegistryRefused("Not asked.")

    monkeypatch.setattr(blind, "one_tag", refuse)
    on_podman.by_name["web-2"].podman = False
    plan = planned(world, keeper)
    assert plan.operation.result["digest"].startswith("sha256:")
    assert [bad(each) for each in rows(plan)] == [[], []]


def test_an_unregistered_registry_is_not_asked_by_the_worker(world: World, keeper: Keeper, on_podman: Servers) -> None:
    """The worker may reach what a deployer must not."""
    for row in rows(planned(world, keeper)):
        assert any("is not among the registries" in each for each in bad(row))


@pytest.mark.parametrize("finding", [podman_builder, podman_compose])
def test_what_podman_can_not_do_at_all(finding: Any) -> None:
    docker = EngineFacts("26.1", "1.45", "linux", "amd64", "/var/lib/docker", "")
    podman = EngineFacts("4.3.1", "1.41", "linux", "amd64", "/var/lib/containers", "", product="Podman")
    assert list(finding(docker, "web-1")) == []
    (said,) = finding(podman, "web-1")
    assert isinstance(said, Finding)
    assert (said.result, "Podman 4.3.1" in said.message) == ("bad", True)
