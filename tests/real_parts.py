"""Fixtures for the real parts. Each is started once a run, when a test first asks for it; `make_…` gives a test one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from parts import engine26 as current
from parts import sample_image, stand_in
from parts.dockerd import DockerEngine
from parts.engine26 import ComposeCli, Engine26
from parts.git_server import GitServer
from parts.packages import ensure
from parts.podman import Podman
from parts.processes import PartError, run
from parts.registry import Registry
from parts.sample_image import Sample
from parts.sshd import SshServer
from parts.valkey import Valkey

_numbers = count(1)


@dataclass(frozen=True)
class SshKey:
    """A key pair: the private key as OpenSSH text, the public one as its line."""

    private: str
    public: str
    path: Path


@dataclass(frozen=True)
class Pushed:
    """An image in the registry."""

    repository: str
    tag: str
    digest: str
    image_id: str | None

    @property
    def reference(self) -> str:
        """registry/repository:tag."""
        return f"{self.repository}:{self.tag}"

    @property
    def pinned(self) -> str:
        """registry/repository@digest."""
        return f"{self.repository}@{self.digest}"


class SampleImages:
    """Puts variants of the sample application into the registry; equal ones only once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._known: dict[tuple[str, str, str], Pushed] = {}

    def push(self, version: str = "1", *, name: str = "team/sample", tag: str | None = None, **variant: Any) -> Pushed:
        """The image of this version and variant (the fields of `Sample`) under name:tag; the tag is the version by default."""
        sample = Sample(version, **variant)
        key = (name, tag or version, repr(sample))
        if key not in self._known:
            digest = sample_image.push(self.registry, name, tag or version, sample)
            image_id = sample_image.image_id(sample)
            self._known = {known: pushed for known, pushed in self._known.items() if known[:2] != key[:2]}
            self._known[key] = Pushed(f"{self.registry.address}/{name}", tag or version, digest, image_id)
        return self._known[key]

    def windows_only(self, *, name: str = "team/windows", tag: str = "1") -> Pushed:
        """An image without a Linux variant."""
        digest = sample_image.windows_only(self.registry, name, tag)
        return Pushed(f"{self.registry.address}/{name}", tag, digest, None)


@pytest.fixture(scope="session")
def engine(folder: Path, registry: Registry) -> Iterator[DockerEngine]:
    """A Docker Engine of this run, with `registry` as Docker Hub's mirror. Whoever breaks it uses `make_engine`.

    Containers are the tests' own to remove.
    """
    engine = DockerEngine(folder / "engine", mirrors=[registry.url])
    engine.start()
    yield engine
    engine.destroy()


@pytest.fixture
def tidy_engine(engine: DockerEngine) -> Iterator[DockerEngine]:
    """The run's engine, without containers, volumes and networks before and after the test."""
    engine.remove_everything()
    yield engine
    engine.remove_everything()


@pytest.fixture
def make_engine(folder: Path, registry: Registry) -> Iterator[Callable[..., DockerEngine]]:
    """Starts engines for one test; arguments as for DockerEngine."""
    made: list[DockerEngine] = []

    def make(**arguments: Any) -> DockerEngine:
        engine = DockerEngine(folder / f"engine{next(_numbers)}", **{"mirrors": [registry.url], **arguments})
        made.append(engine)
        engine.start()
        return engine

    yield make
    for engine in made:
        engine.destroy()


@pytest.fixture(scope="session")
def engine26_programs() -> Path:
    """Docker 26.1 and Compose v2 unpacked; tests are skipped with the reason where this machine can't have them."""
    try:
        return current.unpacked()
    except PartError as error:
        pytest.skip(f"Docker 26.1 can't be had here: {error}")


@pytest.fixture(scope="session")
def engine26(folder: Path, registry: Registry, engine26_programs: Path) -> Iterator[Engine26]:
    """A current Docker Engine of this run, otherwise as `engine`."""
    engine = Engine26(folder / "engine26", mirrors=[registry.url])
    engine.start()
    yield engine
    engine.destroy()


@pytest.fixture
def tidy_engine26(engine26: Engine26) -> Iterator[Engine26]:
    """The run's current engine, without containers, volumes and networks before and after the test."""
    engine26.remove_everything()
    yield engine26
    engine26.remove_everything()


@pytest.fixture
def make_engine26(folder: Path, registry: Registry, engine26_programs: Path) -> Iterator[Callable[..., Engine26]]:
    """Starts current engines for one test; arguments as for Engine26."""
    made: list[Engine26] = []

    def make(**arguments: Any) -> Engine26:
        engine = Engine26(folder / f"engine26-{next(_numbers)}", **{"mirrors": [registry.url], **arguments})
        made.append(engine)
        engine.start()
        return engine

    yield make
    for engine in made:
        engine.destroy()


@pytest.fixture(scope="session")
def podman(folder: Path, registry: Registry) -> Iterator[Podman]:
    """Podman's service (Debian 12's 4.3) of this run; tests are skipped with the reason where it can't be had."""
    if ensure(["podman"]):
        pytest.skip("podman is not installed and can't be")
    with Podman(folder / "podman", insecure=[registry.address]) as service:
        yield service


@pytest.fixture
def tidy_podman(podman: Podman) -> Iterator[Podman]:
    """The run's podman, without containers, volumes and networks before and after the test."""
    podman.remove_everything()
    yield podman
    podman.remove_everything()


@pytest.fixture(scope="session")
def compose_cli(folder: Path, engine26_programs: Path) -> ComposeCli:
    """Where `docker compose` is; `make_sshd(options=compose_cli.options)` starts a server that has it."""
    return ComposeCli(folder / "docker")


@pytest.fixture(scope="session")
def compose_sshd(folder: Path, ssh_key: SshKey, compose_cli: ComposeCli) -> Iterator[SshServer]:
    """An SSH server of this run whose commands find `docker compose`; it works on whichever engine they name."""
    with SshServer(folder / "sshd-compose", options=compose_cli.options) as server:
        server.authorize(ssh_key.public)
        yield server


@pytest.fixture(scope="session")
def ssh_key(folder: Path) -> SshKey:
    """A key that `sshd` lets in."""
    path = folder / "client_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "estiva test", "-f", str(path)])
    return SshKey(path.read_text(), path.with_suffix(".pub").read_text().strip(), path)


@pytest.fixture(scope="session")
def sshd(folder: Path, ssh_key: SshKey) -> Iterator[SshServer]:
    """An SSH server of this run that lets `ssh_key` in. Whoever breaks it uses `make_sshd`."""
    with SshServer(folder / "sshd") as server:
        server.authorize(ssh_key.public)
        yield server


@pytest.fixture
def make_sshd(folder: Path, ssh_key: SshKey) -> Iterator[Callable[..., SshServer]]:
    """Starts SSH servers for one test, `ssh_key` authorized; arguments as for SshServer."""
    made: list[SshServer] = []

    def make(**arguments: Any) -> SshServer:
        server = SshServer(folder / f"sshd{next(_numbers)}", **arguments)
        made.append(server)
        server.start()
        server.authorize(ssh_key.public)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture(scope="session")
def registry(folder: Path) -> Iterator[Registry]:
    """An image registry of this run."""
    with Registry(folder / "registry") as registry:
        yield registry


@pytest.fixture(scope="session")
def mirror(registry: Registry) -> Registry:
    """The run's registry, which every engine has as its mirror, with stand-ins under public names: `FROM python:3.7` builds."""
    try:
        stand_in.push(registry)
    except PartError as error:
        pytest.skip(f"No stand-in for python:3.7 can be had here: {error}")
    return registry


@pytest.fixture(scope="session")
def sample_images(registry: Registry) -> SampleImages:
    """Pushes sample images when asked."""
    return SampleImages(registry)


@pytest.fixture(scope="session")
def valkey(folder: Path) -> Iterator[Valkey]:
    """A Valkey of this run, at the address the settings name. Whoever breaks it uses `make_valkey`."""
    with Valkey(folder) as server:
        yield server


@pytest.fixture
def make_valkey(folder: Path) -> Iterator[Callable[[], Valkey]]:
    """Starts Valkeys for one test."""
    made: list[Valkey] = []

    def make() -> Valkey:
        server = Valkey(folder / f"valkey{next(_numbers)}")
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture(scope="session")
def git_server(folder: Path) -> Iterator[GitServer]:
    """A Git server of this run; tests create repositories of names of their own. Whoever breaks it uses `make_git_server`."""
    with GitServer(folder / "git") as server:
        yield server


@pytest.fixture
def make_git_server(folder: Path) -> Iterator[Callable[..., GitServer]]:
    """Starts Git servers for one test; arguments as for GitServer."""
    made: list[GitServer] = []

    def make(**arguments: Any) -> GitServer:
        server = GitServer(folder / f"git{next(_numbers)}", **arguments)
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.stop()
