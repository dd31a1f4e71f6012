"""The build Target's whole way on a real builder: what the log says, what is reused, and why a build failed."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from parts.dockerd import DockerEngine
from parts.registry import Registry
from parts.sshd import SshServer
from tests.integration.build_stage import Builder, PrivateRegistry, push_base
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.building import DockerBuildHost
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.build import build
from worker.engine.build_events import RegistryAuth
from worker.engine.build_spec import BuildIdentity, BuildSpec
from worker.engine.events import Built, Ended, Event, Line, Verdict
from worker.engine.spec import Secret
from worker.redact import Masker

_numbers = count(1)


@pytest.fixture(params=["engine", "engine26"])
def builder(request: pytest.FixtureRequest, sshd: SshServer, ssh_key: SshKey, registry: Registry) -> Iterator[Builder]:
    """Docker 20.10 and 26.1."""
    engine: DockerEngine = request.getfixturevalue(request.param)
    pool = Pool()
    with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd), Signals()) as session:
        yield Builder(DockerBuildHost(session, str(engine.socket)), session, engine, push_base(registry))
    pool.close()


def spec(builder: Builder, dockerfile: str, **fields: object) -> BuildSpec:
    number = next(_numbers)
    identity = BuildIdentity("story", 7, f"shop{number}", 100 + number, int(time.time()) % 100000 + number, 1)
    text = dockerfile.replace("BASE", builder.base)
    return BuildSpec(identity, "c0ffee" * 6 + "abcd", "https://git.test/shop", text, host_name="web-1", **fields)  # type: ignore[arg-type]


def run(
    builder: Builder,
    wanted: BuildSpec,
    files: Mapping[str, str | bytes] | None = None,
    executable: Sequence[str] = (),
) -> list[Event]:
    return list(build(wanted, builder.host, builder.context(wanted.dockerfile_text, files, executable)))


def lines(events: list[Event]) -> list[str]:
    return [each.text for each in events if isinstance(each, Line)]


def end(events: list[Event]) -> Ended:
    last = events[-1]
    assert isinstance(last, Ended)
    return last


def test_a_commit_is_built_once(builder: Builder) -> None:
    wanted = spec(builder, f'FROM BASE\nCOPY index.html /\nRUN echo hello {time.time()}\nCMD ["true"]\n')
    first = run(builder, wanted, {"index.html": "good day"})
    assert end(first).verdict == Verdict.SUCCEEDED
    built = next(each for each in first if isinstance(each, Built))
    assert (built.reused, built.platform, built.base_images[0][0]) == (False, "linux/amd64", builder.base)
    config = builder.engine.api.json("GET", f"/images/{built.tag}/json")["Config"]["Labels"]
    assert config["org.opencontainers.image.revision"] == wanted.commit
    assert config["org.opencontainers.image.created"].startswith("20")
    again = run(builder, wanted, {"index.html": "is not even read"})
    reused = next(each for each in again if isinstance(each, Built))
    assert reused == replace(built, reused=True)
    assert any("used again" in line for line in lines(again))
    anew = run(builder, replace(wanted, no_cache=True), {"index.html": "good day"})
    assert not next(each for each in anew if isinstance(each, Built)).reused
    other = run(builder, replace(wanted, commit="d" * 40), {"index.html": "good day"})
    assert any(line.endswith("CACHED") for line in lines(other))


# (Dockerfile, a part of what happened, a part of why)
FAILURES = [
    ("FROM BASE\nRUNN true\n", "parse error", "Line 2 of the Dockerfile can't be read: unknown instruction: RUNN"),
    ("FROM REGISTRY/team/nothing:9\n", "load metadata", "There is no such base image"),
    ("FROM REGISTRY/team/windows:1\n", "no match for platform", "built for, linux/amd64."),
    ("FROM 127.0.0.1:1/team/base:1\n", "connection refused", "does not reach the registry"),
    ("FROM BASE\nCOPY missing /x\n", 'COPY missing /x (line 2 of Dockerfile): "/missing"', "asks for /missing,"),
    ("FROM BASE\nRUN echo no; exit 4\n", "RUN echo no; exit 4 (line 2 of Dockerfile): exit code: 4", "exit code 4"),
    ("FROM BASE\nRUN nonsense\n", "exit code: 127", "isn't in the image (nonsense)"),
    ('FROM BASE\nRUN ["nonsense"]\n', "exit code: 1", "isn't in the image"),
    ("FROM scratch\nRUN true\n", "RUN true", "isn't in the image"),
    ("FROM BASE\nCOPY script /s\nRUN /s\n", "exit code: 126", "may not do what it tries"),
    ('FROM BASE\nCOPY program /p\nRUN ["/p"]\n', "exit code: 1", "another processor"),
    ("FROM BASE\nUSER nobody\nRUN true\n", "unable to find user nobody", "no user nobody"),
    ("FROM BASE\nRUN --mount=type=secret,id=npm,required true\n", "secret npm", "mounts the secret npm"),
    ("# syntax=127.0.0.1:1/docker/dockerfile:1\nFROM BASE\n", "docker/dockerfile", "# syntax="),
    ("# nothing\n", "no instructions", "no instruction"),
]  # fmt: skip


REWORDED = ("RUNN", "windows", "missing", "exit 4", "secret")  # what 26.1 says in other words than 20.10
CASES = [("engine", *each) for each in FAILURES]
CASES += [("engine26", *each) for each in FAILURES if any(word in each[0] for word in REWORDED)]


@pytest.mark.parametrize(
    ("builder", "dockerfile", "what", "why"), CASES, indirect=["builder"], ids=[repr(each[:2]) for each in CASES]
)
def test_why_a_build_failed(
    builder: Builder, sample_images: SampleImages, dockerfile: str, what: str, why: str
) -> None:
    if "windows" in dockerfile:
        sample_images.windows_only()
    text = dockerfile.replace("REGISTRY", sample_images.registry.address)
    elsewhere = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0\xb7\0" + b"\0" * 100  # a program for arm64
    files: dict[str, str | bytes] = {"script": "#!/bin/sh\n", "program": elsewhere}
    last = end(run(builder, spec(builder, text), files, executable=("program",)))
    assert last.verdict == Verdict.FAILED_UNTOUCHED
    assert what in last.what
    assert why in last.why
    assert last.remedy


def test_a_secret_that_a_command_prints_is_masked_where_the_log_is_kept(builder: Builder) -> None:
    secret = "hush-hush-0815"
    text = "FROM BASE\nRUN --mount=type=secret,id=t cat /run/secrets/t && base64 /run/secrets/t; exit 1\n"
    events = run(builder, spec(builder, text, secrets={"t": Secret(secret)}, no_cache=True))
    said = "\n".join([*lines(events), repr(events[-1])])
    assert secret in said
    masked = Masker([secret]).mask(said)
    assert secret not in masked
    assert b64encode(secret.encode()).decode() not in masked


def test_a_private_base_is_pulled_with_the_registrys_credentials(builder: Builder, folder: Path) -> None:
    with PrivateRegistry(folder / f"private{next(_numbers)}") as registry:
        registry.push_base()
        text = f"FROM {registry.address}/team/base:1\nRUN true\n"
        refused = end(run(builder, spec(builder, text)))
        assert "refuses the base image" in refused.why
        auth = {registry.address: RegistryAuth(registry.USER, Secret(registry.PASSWORD))}
        events = run(builder, spec(builder, text, registry_auth=auth))
        assert end(events).verdict == Verdict.SUCCEEDED
        assert next(each for each in events if isinstance(each, Built)).base_images[0][1].startswith("sha256:")


def test_old_builds_go(builder: Builder) -> None:
    wanted = spec(builder, "FROM BASE\nRUN true\n", keep_builds=2)
    for commit in "abc":
        events = run(builder, replace(wanted, commit=commit * 40))
    assert sum(line.startswith("Dropped") for line in lines(events)) == 1
    assert len(builder.host.local_images(f"{wanted.identity.repository}:build-*")) == 2
