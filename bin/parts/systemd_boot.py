"""Becomes the init of a small machine: the program that `systemd_machine` starts in namespaces of its own. Not for use by hand.

The machine's files are this machine's, seen through an overlay whose upper layer lies in memory and is gone with it; its units are only those
in `units`. Then the root is changed and systemd itself runs, on groups that `systemd_machine` made for it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
SYSTEMD = "/lib/systemd/systemd"
OLD = "estiva-old-root"


def enter(config: Path) -> None:
    """Go into the machine's control groups and namespaces, then `boot` there."""
    told: dict[str, Any] = json.loads(config.read_text())
    for group in told["groups"]:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    inner = [sys.executable, __file__, "boot", str(config)]
    os.execvp("unshare", ["unshare", *told["spaces"], "--fork", "--kill-child", *inner])


def boot(config: Path) -> None:
    """Make the machine's files, and become it."""
    told: dict[str, Any] = json.loads(config.read_text())
    mount("--make-rprivate", "/")
    root = _files(Path(told["folder"]), [Path(each) for each in told["shared"]])
    _units(root, told["units"])
    for name, text in told["files"].items():
        place = root / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    for source, name in told["copies"].items():
        shutil.copytree(source, root / name.lstrip("/"), symlinks=True, dirs_exist_ok=True)
    for source, target in told["disks"].items():
        (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        mount("--bind", source, f"{root}{target}")
    _kernel_files(root)
    os.chdir(root)
    (root / OLD).mkdir()
    run("pivot_root", ".", OLD)
    os.chroot(".")
    run("umount", "--lazy", f"/{OLD}")
    mount("--make-rshared", "/")  # what systemd mounts for a service, such as its secrets, gets there so
    os.execve(SYSTEMD, [SYSTEMD, "--system"], {"container": "estiva", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def _files(folder: Path, shared: list[Path]) -> Path:
    """An overlay of everything; what an installed machine has of its own isn't there."""
    memory = folder / "memory"
    memory.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", str(memory))
    for name in ("upper", "work", "root"):
        (memory / name).mkdir()
    root = memory / "root"
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={memory}/upper,workdir={memory}/work", str(root))
    for name in ("etc/systemd/system", "etc/docker", "var/lib/docker", "var/lib/containerd", "var/log/journal"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)
    (root / "etc/machine-id").write_text("")
    (root / "etc/fstab").write_text("")
    mount("-t", "tmpfs", "tmpfs", f"{root}/tmp")  # at boot, systemd empties it
    for each in shared:
        (root / str(each).lstrip("/")).mkdir(parents=True, exist_ok=True)
        mount("--rbind", str(each), f"{root}{each}")
    return root


def _units(root: Path, units: dict[str, str | None]) -> None:
    """What starts at boot, beside what systemd itself needs: with a text of ours, or as it is installed."""
    system = root / "etc/systemd/system"
    wants = system / "multi-user.target.wants"
    wants.mkdir()
    (system / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    for name, text in units.items():
        if text is not None:
            (system / name).write_text(text)
        (wants / name).symlink_to(f"/etc/systemd/system/{name}" if text is not None else f"/lib/systemd/system/{name}")


def _kernel_files(root: Path) -> None:
    """/proc, /sys with the groups, /dev, /run."""
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("-t", "sysfs", "sysfs", f"{root}/sys")
    groups = root / "sys/fs/cgroup"
    for place in (root / "dev", root / "run", groups):
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(place))
    for name in (*CONTROLLERS, "systemd"):
        (groups / name).mkdir()
        mount("-t", "cgroup", "-o", name if name in CONTROLLERS else f"none,name={name}", "cgroup", str(groups / name))
    for name, (major, minor) in DEVICES.items():
        os.mknod(root / "dev" / name, 0o020666, os.makedev(major, minor))
        (root / "dev" / name).chmod(0o666)
    for name in ("pts", "shm"):
        (root / "dev" / name).mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", f"{root}/dev/pts")
    mount("-t", "tmpfs", "tmpfs", f"{root}/dev/shm")
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    for name, where in {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        (root / "dev" / name).symlink_to(f"/proc/self/{where}")


def mount(*words: str) -> None:
    """mount(8)."""
    run("mount", *words)


def run(*argv: str) -> None:
    """A command that has to end well; the machine doesn't boot otherwise."""
    code = os.spawnvp(os.P_WAIT, argv[0], list(argv))
    if code:
        sys.exit(f"{' '.join(argv)} ended with code {code}")


if __name__ == "__main__":
    {"enter": enter, "boot": boot}[sys.argv[1]](Path(sys.argv[2]))
