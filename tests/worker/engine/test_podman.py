"""What podman's service does otherwise than Docker: said before anything is touched, and done so that something always serves."""

from dataclasses import replace

import pytest

from tests.worker.engine.stage import STOP_FIRST, Stage, ended, lines
from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.engine.errors import HostLost
from worker.engine.events import Finding, Gap
from worker.engine.options import Options, VolumeOptionSpec
from worker.engine.podman import podman_findings, podman_misfits
from worker.engine.preflight import preflight
from worker.engine.spec import ContainerSpec, HealthSpec
from worker.engine.verify import observed_of

TWIN = "shop-production-r2.f2"


def podman_findings_of(container: ContainerSpec, **facts: object) -> list[tuple[str, str]]:
    """What is said of a container's settings on podman 4.3."""
    known = replace(FakeHost(FakeServer(podman=True)).facts(), **facts)  # type: ignore[arg-type]
    return [(each.result, each.message) for each in podman_misfits(container, known, "web-1")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(domainname="shop.internal"), "a domain name"),
        (Options(mac_address="02:42:0a:d5:07:09"), "a MAC address"),
        (Options(gpus="all"), "graphics cards"),
        (Options(device_cgroup_rules=("c 1:3 rwm",)), "device rules"),
        (Options(cgroupns_mode="private"), "a control group namespace"),
        (Options(runtime="runc"), "a runtime"),
        (Options(annotations=("a=b",)), "annotations"),
        (Options(volume_options=(VolumeOptionSpec("conf", no_copy=True),)), "the options of a volume"),
        (Options(extra_hosts=("up:host-gateway",)), "host-gateway"),
        (Options(log_driver="json-file", log_options=("max-size=1m", "max-file=2")), "the log option max-file"),
    ],
)
def test_what_podman_passes_over_is_refused_by_name(options: Options, words: str) -> None:
    (said,) = podman_findings_of(ContainerSpec(restart="always", options=options))
    assert said[0] == "bad"
    assert words in said[1]
    assert podman_findings_of(ContainerSpec(restart="always", options=options), engine_version="5.4.2") == []
    assert podman_findings_of(ContainerSpec(restart="always", options=options), product="Docker") == []


def test_podman_holds_what_it_was_seen_to_hold() -> None:
    options = Options(log_driver="json-file", log_options=("max-size=1m",), extra_hosts=("db:10.1.2.3",), init=True)
    assert podman_findings_of(ContainerSpec(restart="always", options=options)) == []


@pytest.mark.parametrize(
    ("policy", "words"), [("unless-stopped", 'becomes "always"'), ("on-failure", "after a reboot")]
)
def test_what_a_reboot_starts_on_podman_is_said(policy: str, words: str) -> None:
    (said,) = podman_findings_of(ContainerSpec(restart=policy))
    assert said[0] == "warn"
    assert words in said[1]


@pytest.mark.parametrize("kind", ["image", "command"])
def test_a_check_that_podman_would_never_run_is_refused(kind: str) -> None:
    container = ContainerSpec(restart="always", health=HealthSpec(kind=kind))  # type: ignore[arg-type]
    assert podman_findings_of(container) == []
    ((result, message),) = podman_findings_of(container, lacks=frozenset({"timers"}))
    assert (result, "timers of systemd" in message) == ("bad", True)


@pytest.mark.parametrize(("rootless", "words"), [(False, "systemctl enable"), (True, "systemctl --user enable")])
def test_a_server_on_which_a_reboot_starts_nothing_is_told(rootless: bool, words: str) -> None:
    known = FakeHost(FakeServer(podman=True)).facts()
    *_, last = podman_findings(replace(known, lacks=known.lacks | {"boot"}, rootless=rootless), "web-1")
    assert (last.result, "nothing serves" in last.message) == ("warn", True)
    assert words in last.remedy


def test_aliases_where_podman_answers_no_names() -> None:
    container = ContainerSpec(restart="always", network="shop-net", network_aliases=("shop",))
    ((result, message),) = podman_findings_of(container, lacks=frozenset({"names"}))
    assert (result, "dnsname" in message) == ("warn", True)


def test_podman_is_deployed_to_though_it_cannot_ask_a_registry() -> None:
    stage = Stage(server=FakeServer(podman=True)).serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    said = [each for each in preflight(stage.spec(2), host) if isinstance(each, Finding)]
    assert [each.message for each in said if each.result == "bad"] == []
    (image,) = [each for each in said if each.check == "image"]
    assert (image.result, "The pull shows it" in image.message) == ("unknown", True)
    assert not host.changing_calls()
    events = stage.deploy(2)
    assert ended(events).verdict == "succeeded"
    assert [event.seconds > 0 for event in events if isinstance(event, Gap)] == [True, True], "two starts, two gaps"


def test_a_twin_that_fails_gives_way_to_the_old_version() -> None:
    """What was proven is the image; the twin is judged too, and it isn't the one that a reboot would start any more."""
    stage = Stage(server=FakeServer(podman=True)).serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)

    def spoil() -> None:
        stage.server.behave(TWIN, Behaviour(healthy_after=None))

    host.on_call("create", 2, "after", spoil)
    events = stage.deploy(2, host)
    assert ended(events).verdict == "failed_restored"
    assert stage.serving() == [1]
    assert len(stage.containers()) == 1
    removed = next(n for n, call in enumerate(host.journal) if call.name == "remove" and call.arguments == (TWIN,))
    started = next(n for n, call in enumerate(host.journal) if call.name == "start" and "r1" in str(call.arguments))
    assert removed < started, "a reboot between would start both"


def test_a_policy_of_no_needs_no_twin() -> None:
    stage = Stage(replace(STOP_FIRST, restart="no"), FakeServer(podman=True)).serving_first()
    stage.publish(2)
    events = stage.deploy(2)
    assert ended(events).verdict == "succeeded"
    assert not [line for line in lines(events) if "twin" in line]


def test_what_failed_deploys_left_is_removed_if_a_reboot_would_start_it() -> None:
    stage = Stage(server=FakeServer(podman=True)).serving_first()
    stage.publish(2)
    stage.publish(3)
    cut = FakeHost(stage.server)
    cut.fail_after("create", 2)
    with pytest.raises(HostLost):
        stage.deploy(2, cut)
    stage.publish(3, Behaviour(healthy_after=None))
    end = ended(stage.deploy(3))
    assert end.verdict == "failed_restored", end
    assert stage.serving() == [1]
    assert len(stage.containers()) == 1


def test_an_image_of_several_digests_is_the_one_that_was_asked_for() -> None:
    stage = Stage(server=FakeServer(podman=True)).serving_first()
    host = FakeHost(stage.server)
    (container,) = host.containers({})
    image = host.local_image(container.image_id)
    assert image is not None
    both = replace(image, repo_digests=("shop@sha256:" + "0" * 64, *image.repo_digests))
    assert observed_of(container, 1, both).digest == container.image.rpartition("@")[2]


def test_a_reboot_may_start_both_until_the_deploy_goes_on() -> None:
    container = replace(STOP_FIRST, ports=())
    stage = Stage(container, FakeServer(podman=True)).serving_first()
    stage.publish(2)
    cut = FakeHost(stage.server)
    cut.fail_after("create", 2)
    with pytest.raises(HostLost):
        stage.deploy(2, cut)
    stage.server.reboot()
    stage.server.advance(3)
    assert sorted(stage.serving()) == [1, 2]
    assert ended(stage.deploy(2)).verdict == "succeeded"
    assert (stage.serving(), len(stage.containers())) == ([2], 1)


def test_a_first_version_whose_twin_falls_ill_is_not_said_to_have_had_an_older_one() -> None:
    stage = Stage(server=FakeServer(podman=True))
    stage.publish(2)
    cut = FakeHost(stage.server)
    cut.fail_after("stop", 1)
    with pytest.raises(HostLost):
        stage.deploy(2, cut)
    for each in stage.containers():
        each.scripted = Behaviour(healthy_after=None)
    end = ended(stage.deploy(2))
    assert end.verdict == "needs_attention"
    assert "The old version" not in end.what
    assert "no older one is there" in end.what
