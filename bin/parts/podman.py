"""Podman's API service on a socket of its own, with storage and networks of its own, beside whatever else the machine has."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from parts import mounts
from parts.engine_api import EngineApi
from parts.part import ProcessPart, sockets_folder
from parts.processes import PartError, Process, kill_all, process_ids, start_time

STATE = "podman.json"


class Podman(ProcessPart):
    """`podman system service` as root. Registries in `insecure` (host:port) are spoken to without TLS."""

    name = "podman"

    def __init__(self, folder: Path, *, insecure: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self._sockets = sockets_folder(self.folder)
        self._insecure = list(insecure)
        self.socket = self._sockets / "podman.sock"
        self.log = self.folder / "podman.log"
        self.api = EngineApi(self.socket)
        self.process = Process(["podman"], log=self.log)

    def start(self) -> None:
        """Start the service."""
        if os.geteuid() != 0:
            raise PartError("Podman's service here needs root.")
        self.clear()
        (self.folder / STATE).write_text(json.dumps({"socket": str(self.socket)}))
        (self.folder / "registries.conf").write_text(
            "".join(f'[[registry]]\nlocation = "{each}"\ninsecure = true\n' for each in self._insecure)
        )
        (self.folder / "containers.conf").write_text(
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\n'
            'log_driver = "k8s-file"\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
            f'[network]\nnetwork_config_dir = "{self.folder / "networks"}"\n'
        )
        (self.folder / "networks").mkdir(exist_ok=True)
        argv = [*self._program(), "system", "service", "--time=0", f"unix://{self.socket}"]
        self.process = Process(argv, log=self.log, env=self._environment())
        self.launch(self.api.answers, timeout=30)

    def stop(self) -> None:
        """End the service and its containers, and remove its storage."""
        self.process.stop(timeout=10)
        self.clear()

    def clear(self) -> None:
        """Undo what a service of this folder left on the machine, also after a crash: processes and mounts."""
        for _ in range(100):
            left = list(self._own_processes())
            if not left:
                break
            kill_all(left)
        mounts.release(self.folder, self._sockets)
        self.socket.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "root", ignore_errors=True)

    def _own_processes(self) -> Iterator[int]:
        """Each container's monitor, which names its storage, and what runs in its control group."""
        names = [each.name for each in (self.folder / "root" / "overlay-containers").glob("*") if each.is_dir()]
        for pid in process_ids():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                group = Path(f"/proc/{pid}/cgroup").read_text()
                ours = str(self.folder).encode() in command and b"conmon" in command.split(b"\0")[0]
                if start_time(pid) is not None and (ours or any(name in group for name in names)):
                    yield pid

    def reboot(self) -> None:
        """Every container ends, then what podman-restart.service does when a machine starts. What can't be started stays down."""
        start = ["start", "--all", "--filter", "restart-policy=always"]
        for words in (["stop", "--all", "--time", "0"], start):
            # its end code tells of single containers, such as two that want one port
            subprocess.run(
                [*self._program(), *words], env=self._environment(), capture_output=True, timeout=120, check=False
            )

    def remove_everything(self) -> None:
        """Remove all containers, volumes and networks; images stay."""
        for container in self.api.json("GET", "/containers/json?all=1"):
            self.api.json("DELETE", f"/containers/{container['Id']}?force=1&v=1")
        for network in self.api.json("GET", "/networks"):
            if network["Name"] not in ("podman", "bridge"):
                self.api.json("DELETE", f"/networks/{network['Name']}")
        for volume in self.api.json("GET", "/volumes")["Volumes"] or []:
            self.api.json("DELETE", f"/volumes/{volume['Name']}")

    def _program(self) -> list[str]:
        return [
            *("podman", "--root", str(self.folder / "root"), "--runroot", str(self._sockets / "run")),
            *("--storage-driver", "overlay", "--runtime", "runc"),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
        }
