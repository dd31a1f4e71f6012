"""The few calls to a Docker Engine's socket that the scripts and tests need before, or beside, the worker's own connections."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any

from parts.processes import PartError

API_VERSION = "v1.41"
DEFAULT_SOCKET = Path("/var/run/docker.sock")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class EngineApi:
    """HTTP to one engine's unix socket, a connection a call."""

    def __init__(self, socket_path: Path, *, timeout: float = 30) -> None:
        self.socket_path = socket_path
        self._timeout = timeout

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request; status and body. OSError if the socket doesn't answer."""
        connection = _UnixConnection(self.socket_path, self._timeout)
        try:
            connection.request(method, f"/{API_VERSION}{path}", body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, value: object | None = None) -> Any:
        """Send and read JSON; PartError with the engine's own message where it refuses."""
        body = None if value is None else json.dumps(value).encode()
        status, answer = self.request(method, path, body, {"Content-Type": "application/json"})
        if status >= 400:
            raise PartError(
                f"The Docker Engine at {self.socket_path} answered {status} to {method} {path}: {answer.decode(errors='replace')}"
            )
        return json.loads(answer) if answer.strip() else None

    def load(self, archive: bytes) -> None:
        """Load an image archive, as `docker load` does."""
        status, answer = self.request("POST", "/images/load?quiet=1", archive, {"Content-Type": "application/x-tar"})
        if status >= 400 or b'"error"' in answer:
            raise PartError(f"The Docker Engine did not load the image: {answer.decode(errors='replace')}")

    def answers(self) -> bool:
        """Whether an engine answers behind the socket and this user may talk to it."""
        try:
            return self.request("GET", "/_ping")[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def answering_socket() -> Path | None:
    """The socket of an engine that already runs on this machine and lets this user in; None if there is none."""
    host = os.environ.get("DOCKER_HOST", "")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(host.removeprefix("unix://"))] if host.startswith("unix://") else []
    candidates += [DEFAULT_SOCKET, *([Path(runtime) / "docker.sock"] if runtime else [])]
    return next((path for path in candidates if path.is_socket() and EngineApi(path).answers()), None)
