"""The current engine runs beside the old one, and Compose v2 works on both over SSH."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from parts.dockerd import DockerEngine
from parts.engine26 import Engine26
from parts.processes import free_port, wait_until
from parts.sshd import SshServer
from tests.bin.test_parts import await_page, published, pull, start_container
from tests.real_parts import SampleImages, SshKey


def ssh(server: SshServer, key: SshKey, *command: str, send: str = "") -> subprocess.CompletedProcess[str]:
    known = key.path.with_suffix(".known-compose")
    known.write_text(f"{server.known_hosts_line()}\n")
    words = ["-F", "none", "-i", str(key.path), "-o", f"UserKnownHostsFile={known}", "-p", str(server.port)]
    argv = ["ssh", *words, f"{server.user}@{server.address}", *command]
    return subprocess.run(argv, input=send, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(params=["tidy_engine", "tidy_engine26"])
def either_engine(request: pytest.FixtureRequest) -> DockerEngine:
    engine: DockerEngine = request.getfixturevalue(request.param)
    return engine


def test_serves_the_sample_application(tidy_engine26: DockerEngine, sample_images: SampleImages) -> None:
    assert tidy_engine26.api.json("GET", "/version")["Version"].startswith("26.1.")
    image, port = sample_images.push("1"), free_port()
    pull(tidy_engine26, image.pinned)
    settings = published(port)
    settings["HostConfig"]["Init"] = True
    start_container(tidy_engine26, image.pinned, **settings)
    assert "Version 1" in await_page(port)[1]


def test_comes_back_after_a_reboot(make_engine26: Callable[..., Engine26], sample_images: SampleImages) -> None:
    engine, image = make_engine26(), sample_images.push("1")
    pull(engine, image.reference)
    container = start_container(engine, image.reference, HostConfig={"RestartPolicy": {"Name": "always"}})
    engine.kill()
    engine.reboot()

    def is_running() -> bool:
        return bool(engine.api.json("GET", f"/containers/{container}/json")["State"]["Running"])

    wait_until(is_running, "the container's return")


def test_compose_brings_services_up_on_either_engine(
    either_engine: DockerEngine, compose_sshd: SshServer, ssh_key: SshKey, sample_images: SampleImages
) -> None:
    image = sample_images.push("1").reference
    project = json.dumps({"services": {"web": {"image": image, "depends_on": ["db"]}, "db": {"image": image}}})
    docker = ["docker", "--host", either_engine.url, "compose"]
    assert ssh(compose_sshd, ssh_key, *docker, "version", "--short").stdout.startswith("2.26")
    up = ssh(compose_sshd, ssh_key, *docker, "-p", "harbour", "-f", "-", "up", "--wait", "--detach", send=project)
    assert up.returncode == 0, up.stderr
    names = {row["Names"][0] for row in either_engine.api.json("GET", "/containers/json")}
    assert names == {"/harbour-web-1", "/harbour-db-1"}
