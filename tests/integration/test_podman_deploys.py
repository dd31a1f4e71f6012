"""Deploys on podman 4.3 behind a real sshd: no restart policy can be changed there, so what is proven is exchanged for its twin."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

import pytest

from deployments import container_settings
from parts.podman import Podman
from parts.sshd import SshServer
from tests.every_option import SETTINGS
from tests.integration.engine_stage import HEALTH, IMPATIENT, Breaking, RealStage, last, until
from tests.real_parts import SampleImages, SshKey
from tests.worker.engine.stage import lines, steps
from worker.connections.pool import Pool
from worker.container_spec import container_spec
from worker.engine.errors import HostLost
from worker.engine.events import Finding, Gap, Observed, Verdict
from worker.engine.rollout import deploy

pytestmark = pytest.mark.real

NETWORK = {
    "Name": "estiva-test-extra",
    "EnableIPv6": True,
    "IPAM": {"Config": [{"Subnet": "10.214.7.0/24"}, {"Subnet": "fd00:214:7::/64"}]},
}
PASSED_OVER = (
    "domainname",
    "mac_address",
    "gpus",
    "device_cgroup_rules",
    "cgroupns_mode",
    "runtime",
    "annotations",
    "volume_options",
)
NOT_HERE = {
    "storage_options": "a quota needs a file system that keeps projects",
    "init": "catatonit is not installed",
    "cgroup_parent": "not beside a control group of the test's own",
}
GOOD = [(key, "good") for key in ("preflight", "pull", "replace", "health", "verify", "cleanup")]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def stage(pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_podman: Podman, sample_images: SampleImages) -> RealStage:
    return RealStage(pool, sshd, ssh_key, tidy_podman, sample_images)


def test_one_two_and_back_to_one_behind_a_published_port(stage: RealStage) -> None:
    stage.stop_first()
    one, two = stage.images.push("1"), stage.images.push("2")
    first = stage.deploy(1, one)
    assert last(first).verdict == Verdict.SUCCEEDED, last(first)
    assert "Version 1" in stage.answer()
    second = stage.deploy(2, two)
    assert steps(second) == GOOD, last(second)
    assert "Version 2" in stage.answer()
    assert stage.running() == [2]
    gaps = [event.seconds for event in second if isinstance(event, Gap)]
    assert len(gaps) == 2
    assert 0 < sum(gaps) < 8
    (seen,) = [event for event in second if isinstance(event, Observed)]
    assert (seen.digest, seen.image_id) == (two.digest, two.image_id)
    assert seen.published == (("127.0.0.1", stage.port, 5000, "tcp"),)
    back = stage.deploy(3, one)
    assert last(back).verdict == Verdict.SUCCEEDED, last(back)
    assert any("nothing to pull" in line for line in lines(back))
    assert "Version 1" in stage.answer()
    assert [each.restart_policy for each in stage.containers()] == ["always"]


def test_side_by_side_on_a_network_with_an_alias(stage: RealStage) -> None:
    stage.start_first()
    first = stage.deploy(1, stage.images.push("1"))
    assert last(first).verdict == Verdict.SUCCEEDED, last(first)
    events = stage.deploy(2, stage.images.push("2"))
    assert steps(events) == GOOD, last(events)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(0.0)]
    (container,) = stage.containers()
    assert "shop" in container.network_aliases["shop-net"]
    assert container.labels["estiva.release"] == "2"


def test_an_unhealthy_release_gives_way_to_the_old_one(stage: RealStage) -> None:
    stage.stop_first()
    stage.deploy(1, stage.images.push("1"))
    events = stage.deploy(2, stage.images.push("2", behaviour="never_healthy", tag="sick"), patience=IMPATIENT)
    end = last(events)
    assert end.verdict == Verdict.FAILED_RESTORED, end
    assert "HTTP 503" in end.what
    assert "Version 1" in stage.answer()
    assert len(stage.containers()) == 1


# A worker's changes on its way forward: tag 1, rename 2, volume 3, create 4, stop the old one 5, start 6, volume 7, create the
# twin 8, stop what was proven 9, start the twin 10, remove the old one 11, remove what was proven 12.
@pytest.mark.timeout(240)
def test_cut_off_rebooted_and_finished_by_another(stage: RealStage, tidy_podman: Podman) -> None:
    """Back and forth between two versions, cut off at another change each time; whatever a reboot starts there serves."""
    stage.stop_first(health=replace(HEALTH, interval=0.1))
    images = [stage.images.push("1"), stage.images.push("2")]
    stage.deploy(1, images[0])
    release = 2
    for n in (5, 8, 11):
        image = images[(release + 1) % 2]
        with stage.host() as host, suppress(HostLost):
            list(deploy(stage.spec(release, image), Breaking(host, n, "after", lose)))
        tidy_podman.reboot()
        assert until(lambda: "Version" in stage.answer()), (n, stage.containers())
        end = last(stage.deploy(release, image))
        assert end.verdict == Verdict.SUCCEEDED, (n, end)
        assert image.tag in stage.answer(), n
        assert [each.restart_policy for each in stage.containers()] == ["always"], n
        release += 1


def lose() -> NoReturn:
    """What a broken connection does."""
    raise HostLost("cut off by the test")


def test_what_is_asked_is_what_is_there_or_is_refused_by_name(stage: RealStage) -> None:
    """Every option that podman holds, in one container; each of the others is a bad finding, and nothing is touched."""
    stage.engine.api.json("POST", "/networks/create", NETWORK)
    raw = {name: value for name, value in SETTINGS.items() if name not in (*NOT_HERE, *PASSED_OVER)}
    raw |= {
        "ports": [{"container_port": "5000-5001", "host_address": "127.0.0.1"}],
        "health": {"kind": "http", "port": 5000, "interval": 0.1, "deadline": 20},
        "networks": [{**SETTINGS["networks"][0], "ipv4": "10.214.7.9", "ipv6": "fd00:214:7::9"}],
        "restart": "always",
        "stop_timeout": 1,
        "restart_retries": 0,
        "extra_hosts": ["db.internal:10.1.2.3", "six:fd00::1"],
        "log_options": ["max-size=1m"],
        "ulimits": [
            *SETTINGS["ulimits"],
            {"name": "nproc", "soft": 4096, "hard": 4096},
        ],  # it raises this one by itself
    }
    stage.container = container_spec(container_settings.normalise(raw), (), "shop-net")
    image = stage.images.push("1")
    events = stage.deploy(1, image)
    assert last(events).verdict == Verdict.SUCCEEDED, last(events)
    found = stage.engine.api.json("GET", "/containers/shop-production-r1.f1/json")
    host, config = found["HostConfig"], found["Config"]
    assert (config["WorkingDir"], config["Hostname"], config["User"]) == ("/srv", "shop-1", "1000:1000")
    assert (host["Memory"], host["PidsLimit"], host["CpusetCpus"], host["ShmSize"]) == (67108864, 64, "0", 33554432)
    assert (host["ReadonlyRootfs"], host["Privileged"], host["PidMode"]) == (True, True, "host")
    assert (host["Dns"], host["DnsSearch"]) == (["10.9.9.9", "fd00::53"], ["shop.internal"])
    extra = found["NetworkSettings"]["Networks"]["estiva-test-extra"]
    assert (extra["IPAddress"], extra["GlobalIPv6Address"]) == ("10.214.7.9", "fd00:214:7::9")
    mounts = {each["Destination"]: each["RW"] for each in found["Mounts"]}
    assert (mounts["/mnt/share"], mounts["/data"], mounts["/conf"], mounts["/scratch"]) == (False, True, False, True)

    refused = {**raw, **{name: SETTINGS[name] for name in PASSED_OVER}, "extra_hosts": SETTINGS["extra_hosts"]}
    stage.container = container_spec(container_settings.normalise(refused), (), "shop-net")
    again = stage.deploy(2, image)
    assert last(again).verdict == Verdict.FAILED_UNTOUCHED
    said = " ".join(each.message for each in again if isinstance(each, Finding) and each.result == "bad")
    for words in ("a domain name", "a MAC address", "graphics cards", "device rules", "a runtime", "host-gateway"):
        assert words in said
    assert stage.running() == [1]
