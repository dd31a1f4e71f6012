"""The demo's server: an sshd on a loopback port, a Docker Engine behind it, and a registry that holds the sample application."""

from __future__ import annotations

import getpass
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from parts import packages, sample_image
from parts.dockerd import DockerEngine
from parts.engine_api import EngineApi, answering_socket
from parts.installation import Installation
from parts.processes import PartError
from parts.registry import Registry
from parts.sample_image import Sample
from parts.screen import say
from parts.sshd import SshServer
from parts.supervisor import Supervisor

REPOSITORY = "harbour/sample"
APPLICATION_PORT = 5000
BUILT_PORT = 5001
NEEDED = ("sshd", "ssh-keygen", "docker-registry", "static busybox")
NEEDED_FOR_ENGINE = ("dockerd", "ip")
NEEDED_FOR_GIT = ("git", "openssl")


@dataclass(frozen=True)
class SampleServer:
    """What the demo registers and deploys."""

    sshd: SshServer
    socket: Path
    registry: Registry
    application_port: int
    built_port: int  # of the application that is built from Git
    is_borrowed: bool = False  # the engine was there before us and goes on after us

    def leave_borrowed(self, installation: Installation) -> None:
        """Remove our own containers from an engine that goes on without us; an engine of our own ends with them."""
        name = installation.name()
        if not self.is_borrowed or not name:
            return
        api = EngineApi(self.socket)
        label = quote(json.dumps({"label": [f"estiva.installation={name}"]}))
        for container in api.json("GET", f"/containers/json?all=1&filters={label}"):
            api.json("DELETE", f"/containers/{container['Id']}?force=1")
            say("engine", f"removed {container['Names'][0].lstrip('/')}")

    @property
    def image(self) -> str:
        """The sample application's repository; its tags are 1, 2 and `never-healthy`."""
        return f"{self.registry.address}/{REPOSITORY}"


def needed() -> list[str]:
    """The programs this machine needs for a sample server: an engine of our own only where none answers."""
    return [*NEEDED, *NEEDED_FOR_GIT, *(() if answering_socket() else NEEDED_FOR_ENGINE)]


def start(installation: Installation, supervisor: Supervisor) -> SampleServer:
    """Start the parts and fill the registry; PartError naming what this machine lacks."""
    missing = [program for program in packages.lacking(needed()) if program not in NEEDED_FOR_GIT]
    if missing:
        raise PartError(
            f"The sample server needs {', '.join(missing)} ({' '.join(packages.packages_for(missing))} on Debian)."
        )
    folder = installation.folder / "sample"
    registry = Registry(folder / "registry", installation.port("registry"))
    supervisor.start(registry)
    push_images(registry)
    # Chosen before the engine starts: it brings the applications of an earlier run back on these very ports.
    port = installation.port("application", APPLICATION_PORT)
    built_port = installation.port("built-application", BUILT_PORT)
    socket, is_borrowed = _engine(folder, registry, supervisor, throwaway=installation.throwaway)
    sshd = SshServer(folder / "sshd", installation.port("sshd"))
    supervisor.start(sshd)
    say("sshd", f"{getpass.getuser()}@{sshd.address} port {sshd.port}, host key {sshd.fingerprint()}")
    return SampleServer(sshd, socket, registry, port, built_port, is_borrowed)


def push_images(registry: Registry) -> None:
    """Version 1, version 2, and one that starts but is never healthy."""
    sample_image.push(registry, REPOSITORY, "1", Sample("1"))
    sample_image.push(registry, REPOSITORY, "2", Sample("2", variables={"SAMPLE_GREETING": "Freshly painted."}))
    sample_image.push(registry, REPOSITORY, "never-healthy", Sample("3", behaviour="never_healthy"))
    say("registry", f"{registry.address}/{REPOSITORY} holds {', '.join(registry.tags(REPOSITORY))}")


def _engine(folder: Path, registry: Registry, supervisor: Supervisor, *, throwaway: bool) -> tuple[Path, bool]:
    """The socket of an engine that answers here (and True), else of one of our own; somebody else's is not used for throwaway tries."""
    found = answering_socket()
    own = throwaway and os.geteuid() == 0 and not packages.lacking(NEEDED_FOR_ENGINE)
    if found is not None and not own:
        say("engine", f"using the Docker Engine that answers at {found}")
        return found, True
    engine = DockerEngine(folder / "engine", mirrors=[registry.url])
    supervisor.start(engine)
    version = engine.api.json("GET", "/version")["Version"]
    say("engine", f"Docker Engine {version} of our own at {engine.socket}")
    return engine.socket, False
