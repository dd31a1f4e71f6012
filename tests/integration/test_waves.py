"""One server after another with real workers and a reconciler: a canary waits for a word, a failure stops, a restore follows."""

from collections.abc import Callable

from deployments import rollout_settings, waves
from deployments.models import Deployment, Placement
from parts.dockerd import DockerEngine
from parts.processes import wait_until
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

Server = tuple[SshServer, DockerEngine]


def at_gate(deployment: Deployment) -> bool:
    deployment.refresh_from_db()
    return deployment.gate == "person"


def restored(deployment: Deployment) -> bool:
    return deployment.restored_by.exists()


def test_a_canary_then_a_stop_then_what_served_before(
    estiva: Estiva,
    server: Server,
    sample_images: SampleImages,
    make_sshd: Callable[..., SshServer],
    make_engine: Callable[..., DockerEngine],
) -> None:
    """No server ends without a version that serves, and the one that was switched has its old one again."""
    processes.ready(estiva.worker("deploy"))
    estiva.reconciler()
    sshd, engine = make_sshd(), make_engine()
    machines = [harness.trusted_host(*server), harness.trusted_host(sshd, engine, "web-2")]
    one, two = sample_images.push("1"), sample_images.push("2")
    place = harness.placement(machines, one, stop_timeout=1)
    assert harness.ended(harness.deploy(place, one)).status == "succeeded"

    harness.change_image(place, two)
    order = rollout_settings.normalise({"kind": "canary", "size": "1", "then": "restore"})
    Placement.objects.filter(pk=place.pk).update(rollout=order)
    second = harness.deploy(place, two)
    wait_until(lambda: at_gate(second), "the canary is done", timeout=60)
    assert harness.serving(server[1]) == ["shop-production-r2.f2"]
    assert harness.serving(engine) == ["shop-production-r1.f1"], "nothing goes on without a word"

    sshd.revoke_all()
    sshd.kill_connections()
    waves.go_on(actor=harness.admin(), deployment=second)
    assert harness.ended(second).status == "failed"
    wait_until(lambda: restored(second), "the reconciler asks for what served before", timeout=30)
    back = harness.ended(second.restored_by.get())
    assert (back.status, back.release.number) == ("succeeded", 1)
    assert harness.serving(server[1]) == ["shop-production-r1.f3"]
    assert harness.serving(engine) == ["shop-production-r1.f1"]
