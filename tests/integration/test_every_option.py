"""A container with every option there is, on an old and on a current Docker Engine: what was asked is what is there."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployments import container_settings
from deployments.adopted_content import settings_after
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.every_option import ELSEWHERE, SETTINGS
from tests.integration.engine_stage import RealStage, last
from tests.real_parts import SampleImages, SshKey
from worker.connections.pool import Pool
from worker.container_spec import container_spec
from worker.engine.container_body import container_body
from worker.engine.events import Event, Finding, Line, Observed
from worker.engine.found import changed
from worker.engine.look import look

NOT_HERE = {
    "gpus": "no graphics card",
    "storage_options": "a quota needs a file system that keeps projects",
    "annotations": "tried on the current engine alone: the old one passes them over",
    "cgroup_parent": "tried by itself below",
}
"""What this machine can't do; tests/worker/engine/test_options.py sees what is sent."""
NETWORK = {
    "Name": "estiva-test-extra",
    "EnableIPv6": True,
    "IPAM": {"Config": [{"Subnet": "10.213.7.0/24"}, {"Subnet": "fd00:213:7::/64"}]},
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(params=["20.10", "26.1"])
def stage(
    request: pytest.FixtureRequest, pool: Pool, sshd: SshServer, ssh_key: SshKey, sample_images: SampleImages
) -> RealStage:
    engine: DockerEngine = request.getfixturevalue("tidy_engine" if request.param == "20.10" else "tidy_engine26")
    return RealStage(pool, sshd, ssh_key, engine, sample_images)


def inspected(stage: RealStage, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.engine.api.json("GET", f"/containers/{name}/json")
    return found


def is_within(wanted: Any, found: Any) -> bool:
    """All that was sent is there; an engine adds words of its own, and shows what is empty as nothing."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(is_within(each, found.get(name)) for name, each in wanted.items())
    if isinstance(wanted, list):
        given = found or []
        return len(wanted) == len(given) and all(map(is_within, wanted, given))
    return bool(wanted == found) or (wanted in (False, "", 0) and not found)


def problems(events: list[Event]) -> list[str]:
    return [each.message for each in events if isinstance(each, Finding) and each.result in ("warn", "bad")]


def test_what_was_asked_is_what_is_there(stage: RealStage, tmp_path: Path) -> None:
    stage.engine.api.json("POST", "/networks/create", NETWORK)
    canary = tmp_path / "canary"
    nasty = f"$HOME `touch {canary}` $(touch {canary}) ;touch {canary}; \"q\" 'a' \\n é"
    raw = {name: value for name, value in SETTINGS.items() if name not in NOT_HERE}
    raw |= {
        "ports": [{"container_port": "5000-5001", "host_address": "127.0.0.1"}],
        "labels": [f"com.example.nasty={nasty}"],
        "working_dir": f"/tmp/{nasty}",
        "health": {"kind": "command", "command": ["/bin/busybox", "test", nasty, "=", nasty], "interval": 0.2},
    }
    stage.container = container_spec(container_settings.normalise(raw), (), "shop-net")
    image = stage.images.push("1")
    spec = stage.spec(1, image)
    stage.fence -= 1
    events = stage.deploy(1, image)
    assert last(events).verdict == "succeeded", f"{last(events).what} {problems(events)}"

    brought = next(each for each in reversed(events) if isinstance(each, Observed))
    with stage.host() as server:
        now = look(spec.identity, server).observed
    assert now is not None
    assert brought.settings, "it was read back"
    assert changed(brought.settings, now.settings) == {}, "nobody changed anything by hand"
    laid_over = settings_after(container_settings.normalise(raw), brought.settings)
    assert {name for name in SETTINGS if name not in laid_over} == set(NOT_HERE) & set(SETTINGS)

    found = inspected(stage, "shop-production-r1.f1")
    body = container_body(spec, {}, with_aliases=True)
    host, endpoints = body.pop("HostConfig"), body.pop("NetworkingConfig")["EndpointsConfig"]
    del body["Labels"]["estiva.target"], host["RestartPolicy"]
    mounts = {each["Destination"]: each for each in found["Mounts"]}
    sent_mounts = host.pop("Mounts")
    assert set(mounts) == {each["Target"] for each in sent_mounts} | set(host["Tmpfs"]) & set(mounts)
    del body["Env"], body["MacAddress"]  # the image's own come besides; newer engines keep it by network
    assert set(host.pop("SecurityOpt")) < set(found["HostConfig"]["SecurityOpt"]), "privileged adds one"
    kept = [(key, value, found["Config"].get(key)) for key, value in body.items()]
    kept += [(key, value, found["HostConfig"].get(key)) for key, value in host.items()]
    lost = [each for each in kept if not is_within(each[1], each[2])]
    assert [key for key, _wanted, _found in lost] in ([], ["BlkioWeight"]), lost
    remarks = [each.text for each in events if isinstance(each, Line) and "remarks:" in each.text]
    assert bool(lost) == any("Weight discarded" in each for each in remarks), "the engine's own word is passed on"
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert mounts["/mnt/share"]["Propagation"] == "private"
    assert (mounts["/conf"]["RW"], mounts["/data"]["RW"]) == (False, True)
    volume = stage.engine.api.json("GET", "/volumes/conf")
    assert volume["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0750"}
    assert volume["Labels"] == {"estiva.installation": "it"}
    networks = found["NetworkSettings"]["Networks"]
    assert set(networks) == {"shop-net", "estiva-test-extra"} == set(endpoints) | {"estiva-test-extra"}
    extra = networks["estiva-test-extra"]
    assert (extra["IPAddress"], extra["GlobalIPv6Address"]) == ("10.213.7.9", "fd00:213:7::9")
    assert {"back", "store"} <= set(extra["Aliases"])
    assert found["State"]["Health"]["Status"] == "healthy"
    assert not canary.exists()

    again = stage.deploy(2, stage.images.push("2"))
    assert last(again).verdict == "succeeded", last(again)
    second = inspected(stage, "shop-production-r2.f2")
    assert second["NetworkSettings"]["Networks"]["estiva-test-extra"]["IPAddress"] == "10.213.7.9"
    carried = {each["Destination"]: each["Name"] for each in second["Mounts"] if each["Type"] == "volume"}
    assert carried["/scratch"] == mounts["/scratch"]["Name"], "a nameless volume goes on in the next version"


def test_the_servers_own_network_and_names(stage: RealStage) -> None:
    raw = {**ELSEWHERE, "health": {"kind": "tcp", "port": 5999, "interval": 0.1, "deadline": 5}}
    settings = container_settings.normalise(raw)
    environment = (("SAMPLE_PORT", "5999"),)
    stage.container = container_spec(settings, environment, None)
    events = stage.deploy(1, stage.images.push("1"))
    assert last(events).verdict == "succeeded", f"{last(events).what} {problems(events)}"
    host = inspected(stage, "shop-production-r1.f1")["HostConfig"]
    assert (host["NetworkMode"], host["UTSMode"]) == ("host", "host")
    assert (host["CpuQuota"], host["CpuPeriod"]) == (20000, 100000)


def test_what_the_old_engine_lacks_is_said_and_what_the_new_one_has_is_there(stage: RealStage) -> None:
    raw = {"annotations": ["com.example.note=hello"], "cgroup_parent": "/estiva-test", "runtime": "runc"}
    stage.container = container_spec(container_settings.normalise(raw), (), None)
    events = stage.deploy(1, stage.images.push("1"))
    assert last(events).verdict == "succeeded", f"{last(events).what} {problems(events)}"
    host = inspected(stage, "shop-production-r1.f1")["HostConfig"]
    assert host["CgroupParent"] == "/estiva-test"
    has_them = host.get("Annotations") == {"com.example.note": "hello"}
    assert has_them != any("passes annotations over" in each for each in problems(events))
