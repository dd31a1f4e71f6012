"""`FROM python:3.7` builds and runs without any public registry or package index, on the old engine and the current one."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping

import pytest

from parts import flask_sample
from parts.dockerd import DockerEngine
from parts.engine26 import ComposeCli
from parts.processes import free_port
from parts.registry import Registry
from tests.bin.test_parts import await_page, published, pull, start_container


@pytest.fixture(params=["tidy_engine", "tidy_engine26"])
def either_engine(request: pytest.FixtureRequest) -> DockerEngine:
    engine: DockerEngine = request.getfixturevalue(request.param)
    return engine


def context(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    return packed.getvalue()


def build(cli: ComposeCli, engine: DockerEngine, files: Mapping[str, str], *words: str) -> str:
    """By hand, with BuildKit; everything it printed."""
    env = {**os.environ, **cli.variables, "DOCKER_HOST": engine.url}
    argv = [str(cli.program), "build", "--progress=plain", *words, "-"]
    return subprocess.run(
        argv, input=context(files), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, timeout=60, check=False
    ).stdout.decode()


def test_the_storys_application_builds_and_serves(
    either_engine: DockerEngine, mirror: Registry, compose_cli: ComposeCli
) -> None:
    files = flask_sample.files("7")
    said = build(compose_cli, either_engine, files, "--no-cache", "-t", "web:7", "--build-arg", "COMMIT=abc")
    assert "Successfully installed" in said, said
    port = free_port()
    container = start_container(either_engine, "web:7", **published(port))
    assert await_page(port) == (200, "python-web-app 7 abc\n")
    assert await_page(port, "/healthz") == (200, "ok\n")
    either_engine.api.json("POST", f"/containers/{container}/stop?t=5")
    assert either_engine.api.json("GET", f"/containers/{container}/json")["State"]["ExitCode"] == 0


def test_its_faults_show(tidy_engine: DockerEngine, mirror: Registry, compose_cli: ComposeCli) -> None:
    assert "No matching distribution found for no-such-package" in build(
        compose_cli, tidy_engine, flask_sample.files(fault="build")
    )
    assert "no-such-tag" in build(compose_cli, tidy_engine, flask_sample.files(fault="base"))
    build(compose_cli, tidy_engine, flask_sample.files(fault="start"), "-t", "web:ends")
    container = start_container(tidy_engine, "web:ends")
    assert tidy_engine.api.json("POST", f"/containers/{container}/wait")["StatusCode"] == 1
    build(compose_cli, tidy_engine, flask_sample.files(fault="health"), "-t", "web:ill")
    port = free_port()
    start_container(tidy_engine, "web:ill", **published(port))
    assert await_page(port, "/healthz")[0] == 503


def test_small_images_have_a_shell(tidy_engine: DockerEngine, mirror: Registry) -> None:
    pull(tidy_engine, "alpine:3.20")
    container = start_container(tidy_engine, "alpine:3.20", Cmd=["sh", "-c", "ls / | grep -q etc && exit 7"])
    assert tidy_engine.api.json("POST", f"/containers/{container}/wait")["StatusCode"] == 7
