"""The server that the trial deploys to: an engine and an sshd beside production, which its containers reach as they would any other machine."""

from __future__ import annotations

import http.client
import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

from parts import sample_image
from parts.bridge import Bridge
from parts.dockerd import DockerEngine
from parts.faults.sight import INSTALLATION
from parts.processes import free_port
from parts.registry import Registry
from parts.sample_image import Sample
from parts.sshd import SshServer

REPOSITORY = "harbour/sample"
_VERSION = re.compile("<title>Sample application, version ([^<]+)</title>")
_GREETING = re.compile('<p class="greeting">([^<]*)</p>')


class TrialServer:
    """`address` and `sshd.port` are where production's containers find it; `engine` is Debian's own."""

    def __init__(self, folder: Path, registry: Registry, production: DockerEngine) -> None:
        self.registry = registry
        self.address = gateway(production)
        port = free_port()
        both = f"{self.address}:{port}\nListenAddress 127.0.0.1:{port}"
        self.sshd = SshServer(folder / "sshd", port, options={"ListenAddress": both})
        self.engine = DockerEngine(folder / "engine", mirrors=[registry.url])

    def start(self) -> None:
        """Start both, and put the sample application into the registry."""
        sample_image.push(self.registry, REPOSITORY, "1", Sample("1"))
        sample_image.push(self.registry, REPOSITORY, "2", Sample("2"))
        self.engine.start()
        self.sshd.start()

    def stop(self) -> None:
        """End both, and every container with them."""
        self.sshd.stop()
        self.engine.destroy()

    @property
    def socket(self) -> Path:
        """Its engine's."""
        return self.engine.socket

    def image(self, version: str) -> str:
        """The sample application's reference."""
        return f"{self.registry.address}/{REPOSITORY}:{version}"

    def running(self, application: str) -> int:
        """How many containers of an application run."""
        found = self.engine.api.json("GET", "/containers/json")
        return sum(1 for each in found if any(name.startswith(f"/{application}-") for name in each["Names"]))

    def containers(self, placement: int, installation: str) -> list[dict[str, Any]]:
        """One Placement's, running or not, as the engine lists them."""
        wanted = {"label": [f"estiva.placement={placement}", f"{INSTALLATION}={installation}"]}
        query = urllib.parse.urlencode({"all": "1", "filters": json.dumps(wanted)})
        found: list[dict[str, Any]] = self.engine.api.json("GET", f"/containers/json?{query}")
        return found


def gateway(engine: DockerEngine) -> str:
    """The address of this machine that an engine's containers reach."""
    number = next(iter(engine.links)).removeprefix("estiva")
    return str(Bridge(int(number)).subnet[1])


def shown(port: int) -> tuple[str, str]:
    """The version and the greeting that the sample application shows on this port; empty when nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return "", ""
    finally:
        connection.close()
    version, greeting = _VERSION.search(text), _GREETING.search(text)
    return version[1] if version else "", greeting[1] if greeting else ""
