"""What preflight finds before anything is touched, and what it says of it."""

from dataclasses import replace

import pytest

from tests.worker.engine.stage import Stage, health
from worker.connections.fake import FakeHost, FakeServer
from worker.engine.container_host import EngineFacts, Platform
from worker.engine.errors import HostError
from worker.engine.events import Finding
from worker.engine.preflight import Preflight, disk_finding, engine_finding, platform_finding, preflight
from worker.engine.spec import ContainerSpec, DeploySpec, Identity, ImageSpec, PortSpec

LINUX = EngineFacts("26.1", "1.45", "linux", "amd64", "/var/lib/docker", "")


def found(
    stage: Stage, release: int = 2, tag: str = "", host: FakeHost | None = None
) -> tuple[dict[str, Finding], Preflight, FakeHost]:
    """The findings by check (the last of each), what it resolved, and the connection it used."""
    host = host or FakeHost(stage.server)
    spec = stage.spec(release)
    looking = preflight(replace(spec, image=ImageSpec(tag, None)) if tag else spec, host)
    findings: dict[str, Finding] = {}
    while True:
        try:
            event = next(looking)
        except StopIteration as end:
            return findings, end.value, host
        assert isinstance(event, Finding)
        findings[event.check] = event


@pytest.fixture
def stage() -> Stage:
    stage = Stage().serving_first()
    stage.publish(2)
    return stage


def test_all_is_well_and_nothing_is_touched(stage: Stage) -> None:
    findings, resolved, host = found(stage)
    assert {each.result for each in findings.values()} == {"good"}
    assert host.changing_calls() == []
    assert resolved.strategy == "stop-first"
    assert "host port 5000/tcp" in resolved.reasons[0]
    assert resolved.digest == stage.spec(2).image.digest
    assert resolved.inventory.incumbent is not None


def test_a_tag_is_resolved_through_the_servers_engine(stage: Stage) -> None:
    digest = stage.spec(2).image.digest
    _, resolved, host = found(stage, 2, tag="registry.test/shop:2")
    assert resolved.digest == digest
    assert ("registry.test/shop:2",) in [call.arguments for call in host.journal if call.name == "remote_image"]


def test_a_windows_engine_is_named_and_refused() -> None:
    facts = EngineFacts("26.1", "1.45", "windows", "amd64", "C:", "")
    finding = engine_finding(facts, "web-1")
    assert finding.result == "bad"
    assert "windows containers" in finding.message
    assert "Linux" in finding.remedy


@pytest.mark.parametrize(
    ("platforms", "result", "words"),
    [
        ((Platform("linux", "amd64"),), "good", "linux/amd64"),
        ((Platform("linux", "arm64", "v8"), Platform("linux", "amd64")), "good", "linux/amd64"),
        ((Platform("windows", "amd64"),), "bad", "no matching manifest for linux/amd64"),
        ((Platform("linux", "arm64", "v8"), Platform("linux", "s390x")), "bad", "linux/arm64/v8 and linux/s390x only"),
        ((Platform("unknown", "unknown"),), "unknown", "doesn't say"),
        ((), "unknown", "doesn't say"),
    ],
)
def test_platforms(platforms: tuple[Platform, ...], result: str, words: str) -> None:
    finding = platform_finding(platforms, LINUX, "shop:1", "web-1")
    assert finding.result == result
    assert words in finding.message
    assert finding.remedy or result != "bad"


def test_an_image_for_windows_is_found_by_a_deploy(stage: Stage) -> None:
    stage.publish(3, platforms=(Platform("windows", "amd64"),))
    findings, _, _ = found(stage, 3)
    assert findings["platform"].result == "bad"
    assert "web-1 is linux/amd64" in findings["platform"].message


@pytest.mark.parametrize(
    ("space", "here", "result"),
    [
        ((50_000_000_000, 100_000_000_000), False, "good"),
        ((9_000_000_000, 100_000_000_000), False, "warn"),
        ((499_000_000, 1_000_000_000), False, "bad"),
        ((499_000_000, 1_000_000_000), True, "warn"),
        (None, False, "unknown"),
    ],
)
def test_disk(space: tuple[int, int] | None, here: bool, result: str) -> None:
    assert disk_finding(space, already_here=here, folder="/var/lib/docker", server="web-1").result == result


def test_a_registry_that_cannot_be_asked_is_bad_unless_the_image_is_here(stage: Stage) -> None:
    stage.server.images.registry_error = HostError("connection refused", why="Is it up?", remedy="Start the registry.")
    findings, _, _ = found(stage)
    assert findings["image"].result == "bad"
    assert "Is it up?" in findings["image"].message
    assert findings["image"].remedy == "Start the registry."
    findings, _, _ = found(stage, 1)
    assert findings["image"].result == "good"


@pytest.mark.parametrize(
    ("image", "result", "words"),
    [
        (
            ImageSpec("shop main", None, arrives=True),
            "good",
            "shop main is built first, and comes to web-1 before anything",
        ),
        (
            ImageSpec("shop main", None, image_id="sha256:abc", arrives=True),
            "good",
            "comes to web-1 from where it was built",
        ),
        (
            ImageSpec("shop main", None, image_id="sha256:abc"),
            "bad",
            "is not on web-1, and it was built without a registry",
        ),
    ],
)
def test_an_image_that_no_registry_has(stage: Stage, image: ImageSpec, result: str, words: str) -> None:
    host = FakeHost(stage.server)
    looked = [each for each in preflight(replace(stage.spec(2), image=image), host) if isinstance(each, Finding)]
    (finding,) = (each for each in looked if each.check == "image")
    assert finding.result == result
    assert words in finding.message
    assert [call for call in host.journal if call.name == "remote_image"] == []


def test_an_older_copy_of_a_tag_is_a_warning(stage: Stage) -> None:
    stage.server.images.registry_error = HostError("connection refused")
    given = stage.spec(1)
    stage.server.images.tag(given.image.reference, "registry.test/shop:1")
    tagged = DeploySpec(given.identity, ImageSpec("registry.test/shop:1", None, "1"), given.container)
    (finding,) = [
        each
        for each in preflight(tagged, FakeHost(stage.server))
        if isinstance(each, Finding) and each.check == "image"
    ]
    assert finding.result == "warn"


def test_ports_are_held_by_the_old_version_by_a_container_or_by_a_program(stage: Stage) -> None:
    assert "held by the version that is replaced" in found(stage)[0]["port"].message
    stage.container = ContainerSpec(ports=(PortSpec(5000, 7000),), health=health())
    assert "is free" in found(stage)[0]["port"].message
    stage.server.foreign_ports.add(7000)
    finding = found(stage)[0]["port"]
    assert finding.result == "bad"
    assert "ss -ltnp 'sport = :7000'" in finding.remedy


def test_a_port_of_another_container_is_told_by_name(stage: Stage) -> None:
    image = stage.containers()[0].body["Image"]
    host = FakeHost(stage.server)
    host.create("blog", {"Image": image, "HostConfig": {"PortBindings": {"1/tcp": [{"HostPort": "7000"}]}}})
    host.start("blog")
    stage.container = ContainerSpec(ports=(PortSpec(5000, 7000, "127.0.0.1"),), health=health())
    finding = found(stage)[0]["port"]
    assert finding.result == "bad"
    assert "container blog" in finding.message


def test_another_name_makes_no_stranger_of_a_container(stage: Stage) -> None:
    """A deploy that goes on meanwhile renames the old version, and makes a new one."""
    host, other = FakeHost(stage.server), FakeHost(stage.server)
    (name,) = stage.names()
    host.on_call("all_published_ports", 1, "before", lambda: other.rename(name, "shop-production-r1.f9"))
    finding = found(stage, host=host)[0]["port"]
    assert (finding.result, "(shop-production-r1.f9)" in finding.message) == ("good", True), finding


def test_a_container_of_ours_that_starts_meanwhile_is_no_other_program(stage: Stage) -> None:
    """Neither held the port as it was listed; while the registry is asked, the new version comes up."""
    host, other = FakeHost(stage.server), FakeHost(stage.server)
    (name,) = stage.names()
    other.stop(name, timeout=5)
    host.on_call("probe_tcp", 1, "before", lambda: other.start(name))
    host.on_call("probe_tcp", 1, "before", lambda: stage.server.advance(5))
    finding = found(stage, host=host)[0]["port"]
    assert (finding.result, f"({name})" in finding.message) == ("good", True), finding


def test_a_port_is_bound_a_moment_before_its_container_runs(stage: Stage) -> None:
    host, other = FakeHost(stage.server), FakeHost(stage.server)
    (name,) = stage.names()
    other.stop(name, timeout=5)
    stage.server.foreign_ports.add(5000)  # as whoever connects sees the engine's own listener

    def run() -> None:
        stage.server.foreign_ports.clear()
        other.start(name)

    host.on_call("all_published_ports", 3, "before", run)
    finding = found(stage, host=host)[0]["port"]
    assert (finding.result, f"({name})" in finding.message) == ("good", True), finding


def test_a_program_is_still_told_where_ours_is_down(stage: Stage) -> None:
    FakeHost(stage.server).stop(stage.names()[0], timeout=5)
    stage.server.foreign_ports.add(5000)
    finding = found(stage)[0]["port"]
    assert (finding.result, "isn't a Docker container" in finding.message) == ("bad", True), finding


def test_udp_is_said_to_be_unknown(stage: Stage) -> None:
    stage.container = ContainerSpec(ports=(PortSpec(53, 53, protocol="udp"),), health=health())
    assert found(stage)[0]["port"].result == "unknown"


def test_a_policy_that_survives_no_reboot_is_warned_of(stage: Stage) -> None:
    stage.container = ContainerSpec(restart="no", health=health())
    assert found(stage)[0]["restart"].result == "warn"


def test_names() -> None:
    server = FakeServer()
    reference = server.images.publish("shop", "1")
    identity = Identity("test", 7, "schöner-laden", 1, 1, 1, 1)
    spec = DeploySpec(identity, ImageSpec(reference, reference.partition("@")[2]), ContainerSpec())
    findings = [each for each in preflight(spec, FakeHost(server)) if isinstance(each, Finding)]
    assert [each.result for each in findings if each.check == "name"] == ["bad"]
