"""The server goes away in the middle: its sshd, its engine, its power. And it comes back as somebody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deployments.models import AuditEntry, Host
from parts.dockerd import DockerEngine
from parts.processes import wait_until
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

MakeEngine = Callable[..., DockerEngine]
MakeSshd = Callable[..., SshServer]


@pytest.fixture
def breakable(make_sshd: MakeSshd, make_engine: MakeEngine) -> tuple[SshServer, DockerEngine]:
    """A server of this test's own."""
    return make_sshd(), make_engine()


def test_sshd_is_killed_mid_stream(
    estiva: Estiva, breakable: tuple[SshServer, DockerEngine], sample_images: SampleImages
) -> None:
    """Every connection dies in the health wait; the deploy goes on by itself a few seconds later."""
    sshd, engine = breakable
    estiva.reconciler()
    processes.ready(estiva.worker())
    slow = sample_images.push("slow", behaviour="slow_start", variables={"SAMPLE_SECONDS": "3"})
    place = harness.placement(harness.trusted_host(sshd, engine), slow, stop_timeout=1)
    deployment = harness.deploy(place, slow)
    harness.until_target(deployment, lambda each: each.steps.filter(key="health").exists(), "the health wait begins")
    sshd.kill_connections()
    harness.until_target(deployment, lambda each: each.status == "stalled", "handed back")
    assert harness.ended(deployment).status == "succeeded", deployment.targets.get().outcome
    target = deployment.targets.get()
    assert (target.attempts, target.connections_lost) == (2, 1)
    assert any("Trying again in 2 s." in line for line in harness.lines_of(target))
    assert harness.all_ours(engine) == ["shop-production-r1.f2"]


def test_the_server_reboots_mid_swap(
    estiva: Estiva, breakable: tuple[SshServer, DockerEngine], sample_images: SampleImages
) -> None:
    """Power cut while the new version is on trial and the old one stopped: one of the two serves, then the deploy finishes."""
    sshd, engine = breakable
    estiva.reconciler()
    processes.ready(estiva.worker())
    one = sample_images.push("1")
    slow = sample_images.push("slow", behaviour="slow_start", variables={"SAMPLE_SECONDS": "3"})
    place = harness.placement(harness.trusted_host(sshd, engine), one, ports=[harness.published()], stop_timeout=1)
    assert harness.ended(harness.deploy(place, one)).status == "succeeded"
    harness.change_image(place, slow)
    deployment = harness.deploy(place, slow)
    harness.until_target(deployment, lambda each: each.steps.filter(key="health").exists(), "the health wait begins")
    sshd.stop()
    engine.reboot()
    serving = harness.serving(engine)
    assert len(serving) == 1, serving
    harness.until_target(deployment, lambda each: each.status == "stalled", "handed back")
    sshd.start()
    assert harness.ended(deployment).status == "succeeded", deployment.targets.get().outcome
    (name,) = harness.all_ours(engine)
    assert name.startswith(f"shop-production-r2.f{deployment.targets.get().fence}")


def test_a_changed_host_key_stops_everything(
    estiva: Estiva, breakable: tuple[SshServer, DockerEngine], sample_images: SampleImages
) -> None:
    """No credential is sent, nothing is retried, and the alarm stands on record."""
    sshd, engine = breakable
    processes.ready(estiva.worker())
    image = sample_images.push("1")
    host = harness.trusted_host(sshd, engine)
    place = harness.placement(host, image)
    sshd.change_host_key()
    logged_in_before = sshd.log.read_text().count("Accepted publickey")
    deployment = harness.ended(harness.deploy(place, image))
    target = deployment.targets.get()
    assert (deployment.status, target.status, target.attempts) == ("failed", "failed_untouched", 1)
    assert "another host key" in target.outcome["what"]
    host = Host.objects.get()
    assert host.state == "key_changed"
    assert host.offered_key == sshd.host_key_line().split()[1]
    assert AuditEntry.objects.filter(action="host.key_changed", outcome="failed").count() == 1
    assert sshd.log.read_text().count("Accepted publickey") == logged_in_before


def test_a_server_that_stays_away_is_given_up_truthfully(
    estiva: Estiva, breakable: tuple[SshServer, DockerEngine], sample_images: SampleImages
) -> None:
    """Nothing listens: after the last attempt it says that nothing was changed."""
    sshd, engine = breakable
    estiva.reconciler()
    processes.ready(estiva.worker())
    image = sample_images.push("1")
    place = harness.placement(harness.trusted_host(sshd, engine), image)
    sshd.stop()
    deployment = harness.deploy(place, image)
    harness.until_target(deployment, lambda each: each.connections_lost == 1, "tried once")
    deployment.targets.update(connections_lost=4)
    assert harness.ended(deployment).status == "failed"
    target = deployment.targets.get()
    assert target.status == "failed_untouched"
    assert "does not answer" in target.outcome["what"]
    assert "Nothing was changed on web-1" in target.outcome["what"]
    assert target.steps.get(status="bad").key == "connect"


def test_the_check_tells_what_drifted(
    estiva: Estiva, breakable: tuple[SshServer, DockerEngine], sample_images: SampleImages
) -> None:
    """Somebody stops the container by hand: the next check says so, and says so no longer when it runs again."""
    sshd, engine = breakable
    processes.ready(estiva.worker())
    image = sample_images.push("1")
    host = harness.trusted_host(sshd, engine)
    place = harness.placement(host, image, stop_timeout=1)
    assert harness.ended(harness.deploy(place, image)).status == "succeeded"
    (name,) = harness.all_ours(engine)
    engine.api.json("POST", f"/containers/{name}/stop?t=1")
    processes.ready(estiva.worker("look"))
    harness.checked(host)
    assert place.seats.get().drift == "The container of release 1 does not run: it is exited."
    engine.api.json("POST", f"/containers/{name}/start")
    wait_until(lambda: harness.serving(engine) == [name], "it runs again")
    harness.checked(host)
    assert place.seats.get().drift == ""
    host.refresh_from_db()
    assert [each["name"] for each in host.containers] == [name]
