"""A server with a real systemd as its init, a Docker Engine that systemd keeps, and an sshd: what nearly every server is.

It is made of namespaces, on this machine's kernel and its version of control groups; it sees this machine's programs through an overlay, and
forgets what it wrote.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parts import systemd_boot
from parts.engine26 import SYSTEM_PATH, unpacked
from parts.namespaces import Namespace
from parts.part import ProcessPart, remember
from parts.processes import PartError, Process, port_answers, run, wait_until
from parts.sshd import SshServer

STATE = "systemd-machine.json"
GROUPS = Path("/sys/fs/cgroup")
DRIVER = {"exec-opts": ["native.cgroupdriver=systemd"]}  # what Docker does by itself with the second version alone
SSHD = """[Unit]
Description=An sshd for Estiva
[Service]
RuntimeDirectory=sshd
ExecStart={command}
"""
DOCKERD26 = """[Service]
Environment=PATH={programs}:{path}
ExecStart=
ExecStart={programs}/dockerd --host=fd://
"""


class SystemdMachine(ProcessPart):
    """One server; `start` returns when its engine and its sshd answer. `current` is Docker 26.1 instead of Debian's own.

    `units` start at boot, with a text or, where that is None, as they are installed here; `files` are written before, and the folders
    in `copies` brought to their places. `sshd` is its, to authorize keys and to know it by; systemd runs it.
    """

    name = "systemd-machine"
    boot_seconds = 60.0
    _spaces: Sequence[str] = ("--mount", "--pid", "--uts", "--ipc", "--cgroup")

    def __init__(
        self,
        folder: Path,
        namespace: Namespace,
        *,
        current: bool = False,
        units: Mapping[str, str | None] | None = None,
        files: Mapping[str, str] | None = None,
        copies: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        if os.geteuid() != 0 or not Path(systemd_boot.SYSTEMD).exists():
            raise PartError("A machine under systemd needs root, and systemd's program here (Debian package systemd).")
        self.namespace = namespace
        self.sshd = SshServer(self.folder / "sshd", 22)
        self.sshd.address = namespace.address
        self._units = {"docker.service": None, **(units or {})}
        # what this machine's root likes to have in a shell is none of the machine's
        self._files = {"/etc/docker/daemon.json": json.dumps(DRIVER), "/root/.bashrc": "", **(files or {})}
        if current:
            text = DOCKERD26.format(programs=unpacked() / "bin", path=SYSTEM_PATH)
            self._files["/etc/systemd/system/docker.service.d/current.conf"] = text
        self._copies = dict(copies or {})
        self.log = self.folder / "console.log"
        self.process = Process(["unshare"], log=self.log)

    def start(self) -> None:
        """Boot it, and wait for its engine and its sshd."""
        self.clear()
        (self.folder / STATE).write_text(json.dumps({"group": self._group}))
        config = self.folder / "boot.json"
        config.write_text(json.dumps(self._config()))
        argv = [sys.executable, systemd_boot.__file__, "enter", str(config)]
        self.process = Process(self.namespace.inside(argv), log=self.log)
        self.process.start()
        remember(self.folder, self.process.pid)
        self.process.wait_ready(self._answers, timeout=self.boot_seconds)

    def stop(self) -> None:
        """Cut its power."""
        self.process.kill()
        self.clear()

    def clear(self) -> None:
        """Undo what a machine of this folder left."""
        clear(self.folder)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command with which a program runs in this machine, as from its console."""
        init = run(["pgrep", "--parent", str(self.process.pid)]).split()[0]
        return ["nsenter", "--target", init, "--all", *argv]

    def _answers(self) -> bool:
        return port_answers(22, self.namespace.address)

    @property
    def _group(self) -> str:
        return f"estiva-{self.namespace.name}"

    def _config(self) -> dict[str, Any]:
        command = " ".join(self.sshd.prepare())
        order = "[Unit]\nAfter=docker.service\n"  # what answers to SSH has an engine
        return {
            "folder": str(self.folder),
            "shared": [str(self.sshd.folder)],
            "spaces": self._spaces,
            "groups": self._make_groups(),
            "units": {**self._units, "estiva-sshd.service": SSHD.format(command=command).replace("[Unit]\n", order)},
            "files": self._files,
            "copies": self._copies,
            "disks": {str(self._disk()): "/var/lib/docker"},
        }

    def _disk(self) -> Path:
        """An engine's layers can't lie on an overlay."""
        disk = self.folder / "docker"
        disk.mkdir(exist_ok=True)
        return disk

    def _make_groups(self) -> list[str]:
        """One in each tree, in which the machine's own trees begin."""
        found = [tree / self._group for tree in GROUPS.iterdir() if tree.is_dir() and not tree.is_symlink()]
        for group in found:
            group.mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (group / name).exists() and group.parent.name == "cpuset":
                    (group / name).write_text((group.parent / name).read_text())
        return [str(group) for group in found]


def clear(folder: Path) -> None:
    """Remove the control groups of the machine whose folder this is; its processes are ended already."""
    try:
        group = json.loads((folder / STATE).read_text())["group"]
    except FileNotFoundError:
        return
    for tree in GROUPS.iterdir():
        top = tree / group
        if top.is_dir():
            wait_until(lambda top=top: _removed(top), f"the control group {top} could not be removed")  # type: ignore[misc]
    (folder / STATE).unlink()


def _removed(top: Path) -> bool:
    """Processes that were killed leave their group a moment later."""
    for path, _, _ in os.walk(top, topdown=False):
        try:
            Path(path).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
