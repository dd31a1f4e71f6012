"""A Docker Engine of its own: own data, socket, bridge and cgroup, beside any other engine of the machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from parts import mounts
from parts.bridge import Bridge, forwarding, restore_forwarding
from parts.engine_api import EngineApi
from parts.part import ProcessPart, sockets_folder
from parts.processes import PartError, Process, kill_all, process_ids, start_time


class State(TypedDict):
    """What an engine changed on the machine, kept in its folder until it is undone."""

    bridge: int
    forwarding: str
    active: bool


class DockerEngine(ProcessPart):
    """dockerd run as root from `folder`. Containers' ports are published by its proxy; no iptables rule is written.

    `live_restore` keeps containers running while the daemon restarts. `mirrors` are addresses (http://…) of registries asked before Docker Hub.
    `log_options` (NAME=value) are those of containers that have none.
    """

    name = "engine"

    def __init__(
        self,
        folder: Path,
        *,
        live_restore: bool = False,
        mirrors: Sequence[str] = (),
        log_options: Sequence[str] = (),
        program: str = "dockerd",
    ) -> None:
        super().__init__(folder)
        self._sockets = sockets_folder(self.folder)
        self._run = self._sockets / "run"
        self._live_restore = live_restore
        self._mirrors, self._log_options = list(mirrors), list(log_options)
        self._program = program
        self.socket = self._sockets / "docker.sock"
        self.log = self.folder / "dockerd.log"
        self.api = EngineApi(self.socket)
        self.process = Process([program], log=self.log)

    @property
    def url(self) -> str:
        """What DOCKER_HOST would hold."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the daemon and wait for its socket (about half a second)."""
        if os.geteuid() != 0:
            raise PartError("A Docker Engine of its own needs root; start Docker yourself, or run this as root.")
        if not shutil.which("ip"):
            raise PartError("A Docker Engine of its own needs the command `ip` (Debian package iproute2).")
        self.clear()
        self.process = self._daemon(self._arguments(*self._own_network()))
        self._launch_daemon()

    def stop(self) -> None:
        """End the daemon and its containers in order, then remove what they leave on the machine. The data stays."""
        self.process.stop(timeout=15)
        self.clear()

    def destroy(self) -> None:
        """End everything at once, for throwaway engines."""
        self.process.kill()
        self.clear()

    def restart(self) -> None:
        """Restart the daemon as `systemctl restart docker` does: containers end unless live_restore is on."""
        self.process.stop(timeout=20)
        self._launch_daemon()

    def kill_daemon(self) -> None:
        """SIGKILL the daemon and its containerd; the containers' own processes live on until it starts again."""
        self.process.kill()
        kill_all([pid for pid in self._own_processes() if _command(pid).startswith("containerd ")])

    def start_daemon(self) -> None:
        """Start the daemon again after `kill_daemon`. A containerd that nobody has buried yet is not taken for alive."""
        (self._run / "containerd" / "containerd.pid").unlink(missing_ok=True)
        self._launch_daemon()

    def kill(self) -> None:
        """Cut the power: the daemon and every container's process are gone at once."""
        self.process.kill()
        self._end_processes()
        mounts.release(self.folder, self._sockets)
        shutil.rmtree(self._run, ignore_errors=True)  # a booted machine finds its /run empty

    def reboot(self) -> None:
        """Cut the power and start again; containers come back as their restart policies say."""
        self.kill()
        self._launch_daemon()

    def remove_everything(self) -> None:
        """Remove all containers, volumes, networks and the tags that Estiva keeps; images stay under their own names."""
        for container in self.api.json("GET", "/containers/json?all=1"):
            self.api.json("DELETE", f"/containers/{container['Id']}?force=1&v=1")
        for network in self.api.json("GET", "/networks?filters=%7B%22type%22%3A%5B%22custom%22%5D%7D"):
            self.api.json("DELETE", f"/networks/{network['Id']}")
        for volume in self.api.json("GET", "/volumes")["Volumes"] or []:
            self.api.json("DELETE", f"/volumes/{volume['Name']}")
        for image in self.api.json("GET", "/images/json"):
            for tag in image["RepoTags"] or []:
                if tag.startswith("estiva/"):
                    self.api.json("DELETE", f"/images/{tag}")

    def clear(self) -> None:
        """Undo what an engine of this folder left on the machine, also after a crash: processes, mounts, bridges."""
        self._end_processes()
        mounts.release(self.folder, self._sockets)
        shutil.rmtree(self._run, ignore_errors=True)
        for left in (self.socket, self._pid_file):
            left.unlink(missing_ok=True)
        state = self._read_state()
        if state and state["active"]:
            Bridge(state["bridge"]).remove()
            restore_forwarding(state["forwarding"])
            self._write_state({**state, "active": False})

    @property
    def links(self) -> set[str]:
        """The network links that this engine's containers hang on: its bridge, while it has one."""
        state = self._read_state()
        return {Bridge(state["bridge"]).name} if state else set()

    @property
    def _pid_file(self) -> Path:
        return self._sockets / "docker.pid"

    def _launch_daemon(self) -> None:
        self._pid_file.unlink(missing_ok=True)
        self.launch(self.api.answers, timeout=60)

    def _daemon(self, arguments: Sequence[str]) -> Process:
        return Process(arguments, log=self.log)

    def _own_network(self) -> tuple[str, list[str]]:
        """Make what its containers hang on: the name of their control group, and the daemon's words about the network."""
        before = self._read_state()
        forwards = forwarding()
        bridge = Bridge.create(before["bridge"] if before else None)
        self._write_state({"bridge": bridge.number, "forwarding": forwards, "active": True})
        return bridge.name, [f"--bridge={bridge.name}", f"--default-address-pool=base={bridge.pool},size=28"]

    def _arguments(self, group: str, network: list[str]) -> list[str]:
        switches = ["--live-restore"] if self._live_restore else []
        switches += [f"--registry-mirror={mirror}" for mirror in self._mirrors]
        switches += [f"--log-opt={option}" for option in self._log_options]
        return [
            self._program,
            f"--host={self.url}",
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self._run}",
            f"--pidfile={self._pid_file}",
            f"--cgroup-parent=/{group}",
            "--iptables=false",
            "--ip6tables=false",
            "--insecure-registry=127.0.0.0/8",
            "--shutdown-timeout=5",
            *network,
            *switches,
        ]

    def _own_processes(self) -> Iterator[int]:
        """dockerd, its containerd and shims (they name the run folder), and everything in the engine's cgroup."""
        group = self._group()
        for pid in process_ids():
            if start_time(pid) is None:
                continue  # ended, but its parent has not taken notice: nothing to kill
            if str(self._run) in _command(pid) or (group and f":/{group}/" in _read(f"/proc/{pid}/cgroup")):
                yield pid

    def _group(self) -> str:
        """The control group that its containers are in; "" while it has none."""
        state = self._read_state()
        return Bridge(state["bridge"]).name if state and state["active"] else ""

    def _end_processes(self) -> None:
        for _ in range(100):  # a dying shim can leave a child behind for a moment
            left = list(self._own_processes())
            if not left:
                return
            kill_all(left)
        raise PartError(f"Processes of the Docker Engine in {self.folder} could not be ended: {left}")

    def _read_state(self) -> State | None:
        try:
            state: State = json.loads((self.folder / "engine.json").read_text())
        except FileNotFoundError:
            return None
        return state

    def _write_state(self, state: State) -> None:
        (self.folder / "engine.json").write_text(json.dumps(state))


def _read(path: str) -> str:
    """The text of a file under /proc; empty if its process is gone."""
    try:
        return Path(path).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _command(pid: int) -> str:
    """A process's command line, words parted by blanks; empty for one that ended."""
    return _read(f"/proc/{pid}/cmdline").replace("\0", " ")
