"""The ways that others replace a container on servers, each tuned as its own documentation advises.

All do the same: pull, remove what runs under the name, run, look. Connections that a way can keep between its runs
(ControlPersist) it keeps.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from parts.environment import ROOT
from parts.processes import PartError
from parts.sshd import SshServer

FOLDER = ROOT / "var" / "bench-peers"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
CLIENT = "/usr/bin/docker"  # Debian 12's, as old as the engine
AT_ONCE = 20  # connections that a way opens at once, unless it is told otherwise
INSIDE = 5000  # the port of the sample application in its container


@dataclass(frozen=True, slots=True)
class Seat:
    """A container's place on a server: which socket, under which name, on which port of loopback."""

    sshd: SshServer
    socket: str
    name: str
    port: int

    def commands(self, image: str) -> list[list[str]]:
        """The four steps as the docker client takes them."""
        docker = [CLIENT, "--host", f"unix://{self.socket}"]
        options = ["--name", self.name, "--publish", f"127.0.0.1:{self.port}:{INSIDE}", "--restart", "unless-stopped"]
        return [
            [*docker, "pull", "--quiet", image],
            [*docker, "rm", "--force", self.name],
            [*docker, "run", "--detach", *options, image],
            [*docker, "inspect", self.name],
        ]


class Way(Protocol):
    """One way of deploying."""

    name: str

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """Replace the container on every seat; PartError with its own words when it says that it failed."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """A key that every server lets in, and the servers' own keys."""

    key: Path
    known: Path

    @classmethod
    def make(cls, folder: Path, servers: Sequence[SshServer]) -> "Login":
        """Make the key and let it in."""
        key, known = folder / "peers-key", folder / "peers-known"
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
        for sshd in servers:
            sshd.authorize(key.with_suffix(".pub").read_text())
        known.write_text("".join(f"{sshd.known_hosts_line()}\n" for sshd in servers))
        return cls(key, known)

    def options(self, folder: Path) -> list[str]:
        """For the OpenSSH client: one connection a server, kept for a minute."""
        given = {
            "UserKnownHostsFile": self.known,
            "IdentityFile": self.key,
            "BatchMode": "yes",
            "ControlMaster": "auto",
            "ControlPersist": "60s",
            "ControlPath": folder / "cm-%C",
        }
        return ["-F", "none", *(word for name, value in given.items() for word in ("-o", f"{name}={value}"))]


class Local:
    """The floor: the docker client on the server itself."""

    name = "docker, on the server itself"

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        for seat in seats:
            for words in seat.commands(image):
                _run(words)


class Ssh:
    """The same commands, each through the OpenSSH client."""

    name = "ssh + docker"

    def __init__(self, folder: Path, login: Login, at_once: int = AT_ONCE) -> None:
        self._options, self._at_once = login.options(folder), at_once

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        with ThreadPoolExecutor(self._at_once) as pool:
            list(pool.map(lambda seat: self._one(seat, image), seats))

    def _one(self, seat: Seat, image: str) -> None:
        for words in seat.commands(image):
            _run(["ssh", *self._options, "-p", str(seat.sshd.port), f"{seat.sshd.user}@{seat.sshd.address}", *words])


class Ansible:
    """community.docker, pipelining, ControlPersist, no facts."""

    name = "Ansible, community.docker"

    def __init__(self, folder: Path, login: Login, at_once: int = AT_ONCE) -> None:
        self._folder, self._login = folder, login
        ssh = ["ControlMaster=auto", "ControlPersist=60s", f"UserKnownHostsFile={login.known}"]
        lines = ["[defaults]", f"forks = {at_once}", "gathering = explicit", "retry_files_enabled = False"]
        lines += ["[ssh_connection]", "pipelining = True", f"ssh_args = {' '.join(f'-o {each}' for each in ssh)}"]
        (folder / "ansible.cfg").write_text("\n".join([*lines, f"control_path_dir = {folder}", ""]))

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        container = {
            "name": "{{ container }}",
            "image": image,
            "pull": "always",
            "recreate": True,
            "force_kill": True,
            "restart_policy": "unless-stopped",
            "published_ports": [f"127.0.0.1:{{{{ published }}}}:{INSIDE}"],
            "docker_host": "unix://{{ socket }}",
        }
        tasks = [{"community.docker.docker_container": container}]
        play = [{"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": tasks}]
        (self._folder / "play.json").write_text(json.dumps(play))
        (self._folder / "inventory.json").write_text(
            json.dumps({"all": {"hosts": {seat.name: self._about(seat) for seat in seats}}})
        )
        words = [str(FOLDER / "bin" / "ansible-playbook"), "-i", "inventory.json", "play.json"]
        _run(words, folder=self._folder, environment={"ANSIBLE_CONFIG": str(self._folder / "ansible.cfg")})

    def _about(self, seat: Seat) -> dict[str, object]:
        return {
            "ansible_host": seat.sshd.address,
            "ansible_port": seat.sshd.port,
            "ansible_user": seat.sshd.user,
            "ansible_ssh_private_key_file": str(self._login.key),
            "ansible_python_interpreter": str(FOLDER / "bin" / "python"),  # with what its modules need
            "container": seat.name,
            "published": seat.port,
            "socket": seat.socket,
        }


class Scripted:
    """A way that is a Python script in the peers' own environment, told what to do as JSON in a file."""

    def __init__(self, folder: Path, login: Login, name: str, words: Sequence[str], at_once: int = AT_ONCE) -> None:
        self.name, self._at_once = name, at_once
        self._folder, self._login, self._words = folder, login, words

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        told = self._folder / "told.json"
        told.write_text(
            json.dumps(
                {
                    "key": str(self._login.key),
                    "known": str(self._login.known),
                    "at_once": self._at_once,
                    "seats": [
                        {
                            "address": seat.sshd.address,
                            "port": seat.sshd.port,
                            "user": seat.sshd.user,
                            "commands": seat.commands(image),
                        }
                        for seat in seats
                    ],
                }
            )
        )
        _run([str(FOLDER / "bin" / self._words[0]), *self._words[1:]], environment={"BENCH_TOLD": str(told)})


def peers(folder: Path, login: Login, at_once: int = AT_ONCE) -> dict[str, Way]:
    """All but the floor, by the names of their figures; each works on so many servers at once."""
    scripts = Path(__file__).parent
    pyinfra = [
        "pyinfra",
        "-y",
        "--parallel",
        str(at_once),
        str(scripts / "pyinfra_inventory.py"),
        str(scripts / "pyinfra_deploy.py"),
    ]
    return {
        "ssh": Ssh(folder, login, at_once),
        "ansible": Ansible(folder, login, at_once),
        "pyinfra": Scripted(folder, login, "pyinfra", pyinfra, at_once),
        "fabric": Scripted(folder, login, "Fabric", ["python", str(scripts / "fabric_deploy.py")], at_once),
    }


def install() -> None:
    """Make the peers' environment, unless it is there; two minutes the first time."""
    stamp = FOLDER / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Installing what Estiva is measured against into {FOLDER.relative_to(ROOT)} (two minutes the first time)")
    _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    _run([str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)], timeout=900)
    stamp.write_text(wanted)


def _run(
    words: Sequence[str], *, folder: Path | None = None, environment: dict[str, str] | None = None, timeout: float = 600
) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ESTIVA_", "DJANGO_"))}
    done = subprocess.run(
        words,
        cwd=folder,
        env={**inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    if done.returncode != 0:
        raise PartError(f"{' '.join(words[:3])} … ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
