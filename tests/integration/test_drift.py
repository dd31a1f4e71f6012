"""What is changed by hand with the docker CLI on a real engine: seen, ignored, adopted, and then nothing differs any more."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from deployments import adopting, drifting, requests, room, room_acts
from deployments.inventory import hosts, variables
from deployments.models import Host, Operation, Placement, PlacementHost, Plan, Release
from deployments.queries.drift_page import Unknown, unknown_containers
from deployments.queries.room import container_page
from deployments.room_acts import Act
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.integration import harness
from tests.real_parts import SampleImages
from worker.brief import installation_name
from worker.keeper import Keeper
from worker.operations import running

NAME = "shop-production-r1.f1"


class ByHand:
    """Somebody with the docker CLI on the server, and what Estiva sees of it."""

    def __init__(self, host: Host, engine: DockerEngine) -> None:
        self.host, self.engine = host, engine

    def docker(self, *words: str) -> str:
        done = subprocess.run(
            ["/usr/bin/docker", "-H", f"unix://{self.engine.socket}", *words],
            capture_output=True, text=True, check=False, timeout=60, env={"PATH": "/usr/bin"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run(self, operation: Operation) -> Operation:
        keeper = Keeper("look@test", "look", 1)
        keeper.start()
        try:
            running.run(operation.pk, keeper)
        finally:
            keeper.begin_stop()
            keeper.join()
        operation.refresh_from_db()
        return operation

    def seen(self) -> PlacementHost:
        checked = self.run(hosts.check(actor=harness.admin(), host=self.host))
        assert checked.status == "succeeded", (checked.result, checked.steps)
        return self.seat()

    def seat(self) -> PlacementHost:
        return PlacementHost.objects.select_related("host", "running_release", "placement").get()

    def adopt(self, **more: Any) -> Operation:
        seat = self.seat()
        wanted = {"shown": seat.difference["fingerprint"], "note": "by hand, at night", "follow": True, **more}
        return self.run(adopting.request_adoption(actor=harness.admin(), seat=seat, **wanted))

    def planned(self, of_release: Release | None = None) -> Plan:
        plan = requests.request_plan(actor=harness.admin(), placement=Placement.objects.get(), of_release=of_release)
        ended = self.run(plan.operation)
        assert ended.status == "succeeded", ended.result
        plan.refresh_from_db()
        return plan

    def again(self, name: str, image: str, *words: str) -> None:
        """Replace it with the same labels, as a tool would that updates images."""
        labels = self.engine.api.json("GET", f"/containers/{name}/json")["Config"]["Labels"]
        said = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        self.docker("rm", "-f", name)
        self.docker("run", "-d", "--name", name, *said, *words, image)


@pytest.fixture
def by_hand(
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    server: tuple[SshServer, DockerEngine],
    sample_images: SampleImages,
) -> ByHand:
    host, image = harness.trusted_host(*server), sample_images.push("1")
    place = harness.placement(
        host, image, ports=[harness.published()], memory="256m", volumes=[{"name": "shop-data", "path": "/data"}]
    )
    variables.set_variable(actor=harness.admin(), placement=place, name="LEVEL", value="info", is_secret=False)
    variables.set_variable(
        actor=harness.admin(), placement=place, name="API_TOKEN", value="correct horse", is_secret=True
    )
    place.refresh_from_db()
    target = harness.run_here(harness.deploy(place, image))
    assert target.status == "succeeded", target.outcome
    found = ByHand(host, server[1])
    assert found.seen().difference == {}, "as it was deployed, nothing differs"
    return found


def test_settings_that_were_changed_are_seen_ignored_and_adopted(by_hand: ByHand) -> None:
    by_hand.docker("update", "--memory", "300m", "--memory-swap", "600m", "--cpus", "0.5", NAME)
    by_hand.docker("network", "create", "backstage")
    by_hand.docker("network", "connect", "--alias", "till", "backstage", NAME)
    seat = by_hand.seen()
    assert "Memory limit 300m" in seat.drift
    assert {each["name"] for each in seat.difference["changes"]} >= {"Memory limit", "CPU limit", "Other networks"}

    shown = seat.difference["fingerprint"]
    drifting.ignore(actor=harness.admin(), seat_id=seat.pk, shown=shown, reason="until Friday")
    seat = by_hand.seen()
    assert (seat.drift, seat.ignored["reason"], seat.difference["fingerprint"]) == ("", "until Friday", shown)
    by_hand.docker("update", "--cpus", "0.75", NAME)
    seat = by_hand.seen()
    assert "CPU limit 0.75" in seat.drift
    assert seat.ignored == {}

    done = by_hand.adopt()
    assert done.status == "succeeded", done.result
    release = by_hand.seat().running_release
    assert release is not None
    assert (release.number, release.settings["memory"], release.settings["cpus"]) == (2, 300 * 1024**2, 0.75)
    assert release.settings["networks"] == [{"name": "backstage", "aliases": "till", "ipv4": "", "ipv6": ""}]
    assert (release.adopted["note"], release.adopted["server"]) == ("by hand, at night", "web-1")
    assert by_hand.seen().drift == ""
    plan = by_hand.planned()
    assert (plan.changes, [row["ready"] for row in plan.hosts]) == ([], [True])
    tags = by_hand.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    assert "shop-production:2" in tags

    # what comes next takes it for what serves, replaces it, and a Deployment ends what was ignored
    deployment = requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)
    target = harness.run_here(deployment)
    assert target.status == "succeeded", target.outcome
    assert harness.all_ours(by_hand.engine) == harness.serving(by_hand.engine)
    assert by_hand.seen().drift == ""
    now = by_hand.engine.api.json("GET", f"/containers/{harness.serving(by_hand.engine)[0]}/json")
    assert (now["HostConfig"]["Memory"], now["HostConfig"]["NanoCpus"]) == (300 * 1024**2, 750_000_000)
    assert "backstage" in now["NetworkSettings"]["Networks"]


def test_another_image_and_a_secret_that_differs(by_hand: ByHand, sample_images: SampleImages) -> None:
    second = sample_images.push("2")
    by_hand.docker("pull", second.reference)
    by_hand.again(
        NAME, second.reference, "-e", "LEVEL=debug", "-e", "API_TOKEN=wrong horse", "-v", "shop-data:/data", "--memory",
        "256m", "--restart", "unless-stopped", "-e", "EXTRA=1",
    )  # fmt: skip
    seat = by_hand.seen()
    assert seat.drift.startswith(f"Another image runs: {second.reference}.")
    assert "wrong horse" not in str(seat.difference)
    with pytest.raises(Exception, match="never read back"):
        by_hand.adopt()
    stale = seat.difference["fingerprint"]
    by_hand.docker("update", "--cpus", "0.5", NAME)
    done = by_hand.adopt(without=True)
    assert done.status == "failed"
    assert "not what was shown" in done.result["what"]
    assert by_hand.seat().difference["fingerprint"] != stale
    done = by_hand.adopt(without=True)
    assert done.status == "succeeded", done.result
    release = by_hand.seat().running_release
    assert release is not None
    assert (release.image, release.digest, release.settings["ports"]) == (second.reference, second.digest, [])
    assert [each.get("value", "sealed") for each in release.variables] == ["debug", "sealed", "1"]
    assert by_hand.planned().changes == []
    assert by_hand.seen().drift == "API_TOKEN has another value there."


def test_an_image_that_no_registry_has(by_hand: ByHand) -> None:
    by_hand.docker("commit", "--change", "LABEL patched=yes", NAME, "shop:patched")
    by_hand.again(
        NAME, "shop:patched", "-e", "LEVEL=info", "-e", "API_TOKEN=correct horse", "-v", "shop-data:/data", "--memory",
        "256m", "--restart", "unless-stopped",
    )  # fmt: skip
    by_hand.seen()
    done = by_hand.adopt()
    assert done.status == "succeeded", done.result
    release = by_hand.seat().running_release
    assert release is not None
    assert (release.image, release.digest, release.image_id[:7]) == ("shop:patched", "", "sha256:")
    assert by_hand.seen().drift == ""
    plan = by_hand.planned(of_release=release)
    assert (plan.changes, [row["ready"] for row in plan.hosts]) == ([], [True]), plan.hosts
    target = harness.run_here(
        requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)
    )
    assert target.status == "succeeded", target.outcome
    found = by_hand.engine.api.json("GET", f"/containers/{harness.serving(by_hand.engine)[0]}/json")
    assert found["Image"] == release.image_id


def test_what_is_stopped_removed_renamed_or_astray(by_hand: ByHand) -> None:
    by_hand.docker("rename", NAME, "somebodys-own")
    assert by_hand.seen().drift == "It was renamed to somebodys-own."
    assert by_hand.adopt().status == "succeeded"
    assert by_hand.seen().drift == ""
    by_hand.docker("stop", "somebodys-own")
    seat = by_hand.seen()
    assert "does not run" in seat.drift
    with pytest.raises(Exception, match="redeploy, or ignore"):
        by_hand.adopt()
    shown = seat.difference["fingerprint"]
    drifting.ignore(actor=harness.admin(), seat_id=seat.pk, shown=shown, reason="at rest")
    assert by_hand.seen().drift == ""
    by_hand.docker("rm", "somebodys-own")
    seat = by_hand.seen()
    assert "no container of it is there" in seat.drift
    plan = by_hand.planned(of_release=seat.running_release)
    target = harness.run_here(
        requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)
    )
    assert target.status == "succeeded", target.outcome
    assert by_hand.seen().drift == ""


def test_what_is_paused_is_seen_and_replaced(by_hand: ByHand) -> None:
    by_hand.docker("pause", NAME)
    seat = by_hand.seen()
    assert "is paused: it is there, and answers nobody" in seat.drift
    assert f"docker unpause {NAME}, or redeploy" in seat.drift
    assert [each["state"] for each in seat.host.containers] == ["paused"]
    with pytest.raises(Exception, match="redeploy, or ignore"):
        by_hand.adopt()
    by_hand.docker("unpause", NAME)
    assert by_hand.seen().drift == ""
    by_hand.docker("pause", NAME)
    plan = by_hand.planned(of_release=by_hand.seen().running_release)
    target = harness.run_here(
        requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)
    )
    assert target.status == "succeeded", target.outcome
    assert by_hand.seen().drift == ""
    (name,) = harness.serving(by_hand.engine)
    assert by_hand.docker("inspect", "--format", "{{.State.Status}}", name) == "running"
    assert harness.all_ours(by_hand.engine) == [name]


def test_a_stray_container_of_ours(by_hand: ByHand) -> None:
    label = f"estiva.installation={installation_name()}"
    by_hand.docker("run", "-d", "--name", "stray", "--label", label, by_hand.seat().observed["image_id"])
    by_hand.seen()
    (stray,) = _unknown()
    assert (stray.row["name"], stray.ignored) == ("stray", {})
    host = by_hand.host
    drifting.ignore_container(actor=harness.admin(), host=host, container=stray.row, reason="a trial")
    by_hand.seen()
    assert [each.ignored["reason"] for each in _unknown()] == ["a trial"]

    by_hand.run(room.look_around(actor=harness.admin(), host=host))
    for act in (Act.STOP, Act.REMOVE):
        page = container_page(host, stray.key, Placement.objects.all(), everything=True)
        assert page is not None
        done = by_hand.run(room_acts.request_act(actor=harness.admin(), host=host, container=page.row, act=act))
        assert done.status == "succeeded", done.result
    assert _unknown() == []
    assert by_hand.seat().drift == ""


def _unknown() -> list[Unknown]:
    host = Host.objects.get()
    return unknown_containers([host])[host.pk]
