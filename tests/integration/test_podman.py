"""Podman's service as a server's engine: reached, known for what it is, and what it lacks named before anything is touched."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments import container_settings
from parts.podman import Podman
from parts.registry import Registry
from parts.rootless_podman import rootless_podman
from parts.sshd import SshServer
from tests.integration.engine_stage import RealStage, last
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.contract import body
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool
from worker.container_spec import container_spec
from worker.engine.errors import Conflict
from worker.engine.podman import podman_findings

pytestmark = pytest.mark.real


@pytest.fixture(params=["sshd's own channel", "podman system dial-stdio"])
def host(
    request: pytest.FixtureRequest, make_sshd: Callable[..., SshServer], ssh_key: SshKey, podman: Podman, tmp_path: Path
) -> Iterator[DockerHost]:
    """Podman behind sshd; the second time without docker's client and forwarding."""
    options = {}
    if "dial" in request.param:
        for name in ("podman", "test", "true", "df", "sh"):
            (tmp_path / name).symlink_to(f"/usr/bin/{name}")
        options = {"AllowStreamLocalForwarding": "no", "SetEnv": f"PATH={tmp_path}"}
    sshd = make_sshd(options=options)
    pool = Pool()
    try:
        with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd)) as session:
            yield DockerHost(session, str(podman.socket))
    finally:
        pool.close()
        podman.remove_everything()


def test_a_podman_is_known_and_what_it_lacks_is_named(host: DockerHost, sample_images: SampleImages) -> None:
    facts = host.facts()
    assert facts.name.startswith("Podman 4.")
    assert facts.lacks - {"names", "boot"} == {"update", "distribution", "timers"}, "no systemd runs here"
    found = list(podman_findings(facts, "web-1"))
    assert [each.result for each in found][:2] == ["warn", "warn"]
    assert "exchanged for its twin" in found[0].message

    pinned = sample_images.push(name="team/podman").pinned
    list(host.pull(pinned, platform=None, deadline=60))
    host.create("web.f1", body(pinned))
    with pytest.raises(Conflict):
        host.create("web.f1", body(pinned))
    host.start("web.f1")
    assert [each.name for each in host.containers({"estiva.installation": "test"})] == ["web.f1"]
    host.stop("web.f1", timeout=1)
    host.remove("web.f1")


def test_one_that_is_paused_goes_on_and_ends(host: DockerHost, sample_images: SampleImages) -> None:
    pinned = sample_images.push(name="team/podman").pinned
    list(host.pull(pinned, platform=None, deadline=60))
    host.create("web.f1", body(pinned))
    host.start("web.f1")
    ends: dict[str, Callable[[], None]] = {
        "running": lambda: host.start("web.f1"),
        "exited": lambda: host.stop("web.f1", timeout=1),
    }
    for status, end in ends.items():
        host._api.pause("web.f1")
        paused = host.container("web.f1")
        assert paused is not None
        assert (paused.status, paused.up) == ("paused", False)
        end()
        after = host.container("web.f1")
        assert after is not None
        assert after.status == status
    host.start("web.f1")
    host._api.pause("web.f1")
    host.remove("web.f1")
    assert host.container("web.f1") is None


def test_rootless_podman_is_deployed_to(
    sshd: SshServer,
    ssh_key: SshKey,
    registry: Registry,
    sample_images: SampleImages,
    folder: Path,
) -> None:
    """On the machine's own network: this machine opens no /dev/net/tun to users, which any other would need."""
    pool = Pool()
    with rootless_podman(folder / "rootless-podman", insecure=[registry.address]) as engine:
        stage = RealStage(pool, sshd, ssh_key, engine, sample_images)
        health = {"kind": "http", "port": stage.port, "path": "/healthz", "interval": 0.1, "deadline": 20}
        settings = container_settings.normalise({"network_mode": "host", "health": health, "stop_timeout": 1})
        stage.container = container_spec(settings, (("SAMPLE_PORT", str(stage.port)),), None)
        try:
            for version in ("1", "2"):
                end = last(stage.deploy(int(version), sample_images.push(version)))
                assert end.verdict == "succeeded", end
                assert f"Version {version}" in stage.answer()
            with stage.host() as host:
                assert host.facts().rootless
            assert [(each.name, each.restart_policy) for each in stage.containers()] == [
                ("shop-production-r2.f2", "always")
            ]
        finally:
            pool.close()
