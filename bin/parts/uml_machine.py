"""A server under systemd with a kernel of its own, Debian's user-mode Linux: the second version of control groups, Docker's default driver.

That kernel is an ordinary process without virtualization, on one processor; a boot takes half a minute. It is Debian 12's, unpacked once into
~/.cache/estiva (41 MB to download) beside the `modprobe` that it needs. Its engine's layers lie in memory.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from parts.debian import DebianArchive, cached
from parts.processes import PartError
from parts.systemd_machine import SystemdMachine

RELEASE = "bookworm"
PACKAGES = ("user-mode-linux", "kmod", "libkmod2")
MEMORY = "1536M"
MODULES = ("overlay", "bridge", "veth")
NETWORK = """[Unit]
DefaultDependencies=no
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip address add {address}/24 dev eth0
ExecStart=ip link set eth0 up
ExecStart=ip route add default via {gateway}
"""
FILES = {
    "/etc/docker/daemon.json": json.dumps({"iptables": False, "ip6tables": False}),  # for which it has no tables
    "/etc/fstab": "tmpfs /var/lib/docker tmpfs size=1g 0 0\n",
    "/etc/modules-load.d/estiva.conf": "\n".join(MODULES) + "\n",
    "/etc/tmpfiles.d/tmp.conf": "",  # systemd would empty /tmp, and with it what this machine shares there
}


def unpacked() -> Path:
    """The folder with `kernel`, `modules/` and `files/`; PartError with the reason where that can't be."""
    return cached("uml", (RELEASE, PACKAGES, os.uname().machine), _unpack)


class UmlMachine(SystemdMachine):
    """As `SystemdMachine`; `inside` it one gets by SSH alone."""

    name = "uml-machine"
    boot_seconds = 240.0
    _spaces = ("--mount", "--pid")

    def start(self) -> None:
        """Put its cable into the namespace's place, and boot it."""
        ip = self.namespace.ip
        ip("address", "flush", "dev", "eth0")
        ip("tuntap", "add", "dev", "tap0", "mode", "tap")
        ip("link", "add", "cable", "type", "bridge")
        for name in ("eth0", "tap0"):
            ip("link", "set", name, "master", "cable", "up")
        ip("link", "set", "cable", "up")
        super().start()

    def inside(self, argv: Any) -> list[str]:
        """A kernel of its own can't be entered."""
        raise PartError("Only SSH leads into a machine with a kernel of its own.")

    def _config(self) -> dict[str, Any]:
        place = unpacked()
        network = NETWORK.format(address=self.namespace.address, gateway=self.namespace.gateway)
        told = super()._config()
        told["units"]["estiva-network.service"] = network
        told["files"] = {**told["files"], **FILES}
        told["copies"] = {str(place / "files"): "/usr", str(place / "modules"): "/usr/lib/modules"}
        told["disks"] = {}
        told["kernel"] = [
            str(place / "kernel"),
            *("rw", "rootfstype=hostfs", "init=/lib/systemd/systemd", f"mem={MEMORY}", "con=null", "con0=null,fd:2"),
            *("eth0=tuntap,tap0", "umid=machine", f"uml_dir={self.folder}"),
        ]
        return told

    def _make_groups(self) -> list[str]:
        return []  # it has its own


def _unpack(into: Path) -> None:
    scratch = into / "scratch"
    scratch.mkdir()
    archive = DebianArchive(scratch, RELEASE)
    archive.prepare()
    archive.unpack(PACKAGES, scratch / "files")
    (scratch / "files/usr/bin/linux.uml").rename(into / "kernel")
    (scratch / "files/usr/lib/uml/modules").rename(into / "modules")
    (into / "files").mkdir()
    for name in ("bin", "sbin", "lib"):  # which are /usr's on a system of today
        if (scratch / "files" / name).exists():
            (scratch / "files" / name).rename(into / "files" / name)
    shutil.rmtree(scratch)
