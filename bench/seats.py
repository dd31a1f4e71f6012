"""Where others' ways deploy to: a container's place on a server, the four steps that replace it, and a key that opens the servers."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from parts.processes import PartError
from parts.sshd import SshServer

CLIENT = "/usr/bin/docker"  # Debian 12's, as old as the engine: it builds by itself, where a newer one needs a plugin
INSIDE = 5000  # the port of the sample application in its container
KEPT = "600s"  # a connection, after its last use


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

    def lines(self, image: str, *, chained: bool) -> list[str]:
        """The same as a login shell takes them: one after the other, or all in one line that ends at the first that fails."""
        steps = [shlex.join(words) for words in self.commands(image)]
        return [" && ".join(steps)] if chained else steps


class Way(Protocol):
    """One way of deploying."""

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
        run_quietly(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
        for sshd in servers:
            sshd.authorize(key.with_suffix(".pub").read_text())
        known.write_text("".join(f"{sshd.known_hosts_line()}\n" for sshd in servers))
        return cls(key, known)

    def options(self, folder: Path, own: str = "") -> list[str]:
        """For the OpenSSH client: one connection a server, kept between its runs, and another one for each `own`."""
        given = {
            "UserKnownHostsFile": self.known,
            "IdentityFile": self.key,
            "BatchMode": "yes",
            "ControlMaster": "auto",
            "ControlPersist": KEPT,
            "ControlPath": folder / f"cm-%C{own}",
        }
        return ["-F", "none", *(word for name, value in given.items() for word in ("-o", f"{name}={value}"))]


def run_quietly(
    words: Sequence[str], *, folder: Path | None = None, environment: dict[str, str] | None = None, timeout: float = 600
) -> None:
    """Run it without Estiva's settings; PartError with its own words where it fails."""
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
