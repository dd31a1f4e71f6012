"""A server of its own: a network namespace with an sshd on port 22 and a Docker Engine, as Estiva meets it in the world.

What it publishes answers at its address; its containers' networks, its loopback and its ports are nobody else's. Files, users and the
clock are this machine's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from parts.dockerd import DockerEngine
from parts.engine26 import SYSTEM_PATH, unpacked
from parts.namespaces import Namespace
from parts.processes import Process
from parts.sshd import SshServer

STATE = "machine.json"
CONTAINERS = "172.29.0.1/16"
NETWORKS = "base=172.30.0.0/16,size=24"


class MachineEngine(DockerEngine):
    """As `DockerEngine`, in a namespace's network; `current` is 26.1 instead of Debian's own."""

    def __init__(
        self,
        folder: Path,
        namespace: Namespace | None,
        *,
        registries: str = "",
        live_restore: bool = False,
        current: bool = False,
    ) -> None:
        self._programs = unpacked() / "bin" if current else None
        program = str(self._programs / "dockerd") if self._programs else "dockerd"
        super().__init__(folder, live_restore=live_restore, program=program)
        self._namespace, self._registries = namespace, registries

    def clear(self) -> None:
        """Undo what an engine of this folder left: processes and mounts. Its network goes with the namespace."""
        super().clear()
        (self.folder / STATE).unlink(missing_ok=True)

    def _own_network(self) -> tuple[str, list[str]]:
        name = self._namespace.name if self._namespace else ""
        (self.folder / STATE).write_text(json.dumps({"group": name}))
        words = [f"--bip={CONTAINERS}", f"--default-address-pool={NETWORKS}"]
        return name, words + ([f"--insecure-registry={self._registries}"] if self._registries else [])

    def _daemon(self, arguments: Sequence[str]) -> Process:
        argv = self._namespace.inside(arguments) if self._namespace else arguments
        path = f"{self._programs}:{SYSTEM_PATH}" if self._programs else os.environ.get("PATH", SYSTEM_PATH)
        return Process(argv, log=self.log, env={**os.environ, "PATH": path})

    def _group(self) -> str:
        try:
            return str(json.loads((self.folder / STATE).read_text())["group"])
        except FileNotFoundError:
            return ""


class MachineSshd(SshServer):
    """As `SshServer`, on a namespace's address, port 22."""

    def __init__(self, folder: Path, namespace: Namespace, *, options: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, 22, options=options)
        self.address = namespace.address
        self._namespace = namespace

    def _command(self, argv: list[str]) -> list[str]:
        return self._namespace.inside(argv)


class Machine:
    """One server; `start` returns when both answer."""

    def __init__(
        self,
        name: str,
        folder: Path,
        namespace: Namespace,
        *,
        registries: str = "",
        current: bool = False,
        live_restore: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.namespace = name, namespace
        self.power_cuts: list[float] = []  # seconds since the epoch
        self.sshd = MachineSshd(folder / "sshd", namespace, options=options)
        self.engine = MachineEngine(
            folder / "engine", namespace, registries=registries, current=current, live_restore=live_restore
        )

    @property
    def address(self) -> str:
        """Where it is reached."""
        return self.namespace.address

    def start(self) -> None:
        """Boot it."""
        self.engine.start()
        self.sshd.start()

    def reboot(self) -> None:
        """Cut the power: all its processes are gone at once; then it comes up again."""
        self.sshd.stop()
        self.power_cuts.append(time.time())
        self.engine.reboot()
        self.sshd.start()

    def stop(self) -> None:
        """End it for good; its network is the namespace's owner's to remove."""
        self.sshd.stop()
        self.engine.destroy()


def clear(folder: Path) -> None:
    """End what the engine of a run that was killed left."""
    MachineEngine(folder, None).clear()
