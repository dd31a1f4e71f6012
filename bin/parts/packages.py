"""Which programs the demo and the tests need, which are missing here, and, as root on Debian, their installation."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from parts import postgres, sample_image
from parts.processes import PartError

# What is looked for: the Debian package that brings it
DEMO = {
    "dockerd": "docker.io",
    "ip": "iproute2",
    "docker-registry": "docker-registry",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "static busybox": "busybox-static",
    "git": "git",
    "openssl": "openssl",
}
TESTS = {
    **DEMO,
    "redis-server": "redis-server",
    "postgres": "postgresql",
    "chromium": "chromium",
    "fish": "fish",
    "podman": "podman",
    "rootlesskit": "rootlesskit",
    "newuidmap": "uidmap",
    "slirp4netns": "slirp4netns",
    "systemctl": "systemd",
    "dbus-daemon": "dbus",
}
FAULTS = ("dockerd", "ip", "docker-registry", "sshd", "ssh-keygen", "static busybox", "postgres", "git")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin"
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
POLICY = Path("/usr/sbin/policy-rc.d")
NO_STARTS = "#!/bin/sh\n# Written by Estiva while it installs packages, so that none of their services starts; removed right after.\nexit 101\n"


def present(program: str) -> bool:
    """Whether this machine has the program."""
    try:
        if program == "static busybox":
            return sample_image.static_busybox().exists()
        if program == "postgres":
            return bool(postgres.program(program))
    except PartError:
        return False
    return shutil.which(program, path=SYSTEM_PATH) is not None


def lacking(programs: Iterable[str]) -> list[str]:
    """Those of the programs that this machine does not have."""
    return [program for program in programs if not present(program)]


def can_install() -> bool:
    """Whether we may install packages: root, on a system with apt-get."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def packages_for(programs: Iterable[str]) -> list[str]:
    """The Debian packages that bring these programs."""
    found = {TESTS[program] for program in programs}
    if "docker.io" in found and APPARMOR.exists() and APPARMOR.read_text().startswith("Y"):
        found.add("apparmor")  # only recommended by docker.io, yet its containers don't start without it
    return sorted(found)


def ensure(programs: Iterable[str]) -> list[str]:
    """Install what is missing where we can, saying so first; the programs that are still missing."""
    missing = lacking(programs)
    if not missing:
        return []
    wanted = packages_for(missing)
    if not can_install():
        print(f"Missing here: {', '.join(missing)} (Debian packages: {' '.join(wanted)}).", flush=True)
        return missing
    print(f"Installing from Debian, services not started: {' '.join(wanted)}", flush=True)
    install(wanted)
    return lacking(missing)


def install(packages: list[str]) -> None:
    """Install Debian packages without starting the services they bring; PartError with apt-get's words if it fails."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text(NO_STARTS)
        POLICY.chmod(0o755)
    try:
        _apt_get("update", "-qq")
        _apt_get("install", "-qq", "--yes", "--no-install-recommends", *packages)
    finally:
        if ours:
            POLICY.unlink()


def _apt_get(*words: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NOWARNINGS": "yes"}
    done = subprocess.run(
        ["apt-get", *words], env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise PartError(f"apt-get {' '.join(words)} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
