"""Where a server is, how to log in there, and through which other servers the way leads."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from worker.engine.spec import Secret

Where = tuple[str, int] | tuple[str, int, str]
"""Address and port, and the name of the server that they are seen from, unless that is the worker."""


@dataclass(frozen=True, slots=True)
class SshCredential:
    """A private key in PEM or OpenSSH form, and what opens it."""

    private_key_pem: Secret
    passphrase: Secret | None = None


@dataclass(frozen=True, slots=True)
class HostKey:
    """A server's public key: its type as in known_hosts, its blob in base64."""

    type: str
    base64: str

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -lf` writes it."""
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Login:
    """A server that is trusted, and the credential for it."""

    address: SshAddress
    credential: SshCredential
    host_key: HostKey


@dataclass(frozen=True, slots=True)
class Beside:
    """The engine on the worker's own machine: by what it is known (`LocalEngine.identity`), its socket's path, and the
    folder where commands begin."""

    engine: str
    socket: str
    folder: str = "/"


@dataclass(frozen=True, slots=True)
class SshAddress:
    """Where a server is and as whom to log in. `host_name` is the server's name in Estiva, for messages.

    `via` is the server from which the address is reached; None where the worker itself reaches it. One that is `beside` the
    worker is reached without SSH: address, port and user say nothing then.
    """

    host_name: str
    address: str
    port: int = 22
    user: str = "root"
    via: Login | None = None
    beside: Beside | None = None

    def __str__(self) -> str:
        if self.beside is not None:
            return self.beside.socket
        return f"{self.address}:{self.port}" + (f" through {self.via.address.host_name}" if self.via else "")

    @property
    def in_words(self) -> str:
        """For the log: "10.0.0.7:22 as deploy"."""
        return f"{self}, beside this worker" if self.beside is not None else f"{self} as {self.user}"

    @property
    def where(self) -> Where:
        """The address and port as seen from where, without whom."""
        if self.via is None:
            return self.address, self.port
        return self.address, self.port, self.via.address.host_name

    def way(self) -> Iterator[Login]:
        """The servers on the way, the nearest to this one first."""
        hop = self.via
        while hop is not None:
            yield hop
            hop = hop.address.via
