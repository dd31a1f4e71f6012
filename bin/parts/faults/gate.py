"""A gate before the registry: what passes it can be refused, slowed down, spoilt or held, by a rule that is set and taken away."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from parts.faults.images import Pushed, WorldRegistry
from parts.faults.tokens import PATH, Tokens
from parts.processes import free_port

CHUNK: Final = 16_384
CODES: Final = {401: "UNAUTHORIZED", 404: "MANIFEST_UNKNOWN"}
KEPT: Final = ("Content-Type", "Content-Length", "Docker-Content-Digest", "Etag", "Accept-Ranges", "Content-Range")


@dataclass(frozen=True)
class Treatment:
    """What becomes of one request. `rate` is bytes a second; `spoil` turns one byte of the answer; `instead` is another path that is
    answered for.
    """

    status: int = 0
    rate: float = 0.0
    spoil: bool = False
    instead: str = ""


Rule = Callable[[str, str], Treatment | None]


class Gate:
    """Use as a context manager; `reference` names an image by way of it."""

    tokens: Tokens | None = None  # set: who asks needs one of these

    def __init__(self, registry: WorldRegistry) -> None:
        self.registry = registry
        self.port = free_port()
        self._rule: Rule | None = None
        self.seen: list[str] = []  # what was asked since the rule was set
        self.open_again = threading.Event()
        gate = self

        class Handler(_Handler):
            pass

        Handler.gate = gate
        self._server = ThreadingHTTPServer((registry.host, self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="gate", daemon=True)

    @property
    def rule(self) -> Rule | None:
        """What becomes of requests; none: all pass as they are."""
        return self._rule

    @rule.setter
    def rule(self, rule: Rule | None) -> None:
        """From now on; what was asked before is forgotten, so that whoever waits for a request waits for a new one."""
        self._rule, self.seen = rule, []

    def serves_layers(self) -> bool:
        """Whether a part of an image was asked for since the rule was set."""
        return any("/blobs/" in each for each in self.seen)

    def reference(self, image: Pushed) -> str:
        """The image's name by way of the gate."""
        return image.reference.replace(self.registry.address, f"{self.registry.host}:{self.port}", 1)

    def through(self, image: Pushed) -> Pushed:
        """The image as engines have to ask for it here."""
        return Pushed(self.reference(image), image.digest, image.image_id)

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rule = None
        self.open_again.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class First:
    """The first requests of a part of the registry (`manifests`, `blobs`) fail with this status; `given` counts them."""

    def __init__(self, times: int, status: int, part: str) -> None:
        self.given = 0
        self._times, self._status, self._part = times, status, part
        self._lock = threading.Lock()

    def __call__(self, _: str, path: str) -> Treatment | None:
        """As a rule."""
        with self._lock:
            if f"/{self._part}/" not in path or self.given >= self._times:
                return None
            self.given += 1
        return Treatment(status=self._status)


class Each:
    """Every single thing of some parts fails so many times, and is well from then on; `given` counts the failures."""

    def __init__(self, times: int, status: int, *parts: str) -> None:
        self.given = 0
        self._times, self._status, self._parts = times, status, parts
        self._asked: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, _: str, path: str) -> Treatment | None:
        """As a rule."""
        with self._lock:
            if not any(f"/{part}/" in path for part in self._parts) or self._asked.get(path, 0) >= self._times:
                return None
            self._asked[path] = self._asked.get(path, 0) + 1
            self.given += 1
        return Treatment(status=self._status)


def after(times: int, part: str, **treatment: Any) -> Rule:
    """The first requests of a part are well; every later one is treated like that."""
    left = [times]
    lock = threading.Lock()

    def rule(_: str, path: str) -> Treatment | None:
        with lock:
            if f"/{part}/" not in path:
                return None
            left[0] -= 1
            return Treatment(**treatment) if left[0] < 0 else None

    return rule


def always(part: str, **treatment: Any) -> Rule:
    """Every request of a part is treated like that."""
    return lambda _, path: Treatment(**treatment) if f"/{part}/" in path else None


class _Handler(BaseHTTPRequestHandler):
    gate: Gate
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Pass it on, as the rule says."""
        self._pass()

    def do_HEAD(self) -> None:
        """As GET."""
        self._pass()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is in `seen`."""

    def _pass(self) -> None:
        gate = self.gate
        gate.seen.append(f"{self.command} {self.path}")
        if gate.tokens is not None and not self._has_token(gate.tokens):
            return
        rule = gate.rule
        treatment = (rule(self.command, self.path) if rule else None) or Treatment()
        if treatment.status:
            self._refuse(treatment.status)
            return
        connection = http.client.HTTPConnection(gate.registry.host, gate.registry.port, timeout=30)
        try:
            wanted = {name: value for name, value in self.headers.items() if name in ("Accept", "Range", "User-Agent")}
            accepts = self.headers.get_all("Accept") or []
            path = treatment.instead or self.path
            connection.request(self.command, path, headers={**wanted, "Accept": ", ".join(accepts) or "*/*"})
            self._answer(connection.getresponse(), treatment)
        except OSError:
            self.close_connection = True  # whoever asked has gone
        finally:
            connection.close()

    def _has_token(self, tokens: Tokens) -> bool:
        """Else it has been answered: by the token service, or with where that is."""
        if self.path.startswith(f"{PATH}?"):
            self._say(200, tokens.give())
            return False
        if tokens.admits(self.headers.get("Authorization") or "", self.path):
            return True
        address = f"{self.gate.registry.host}:{self.gate.port}"
        self._refuse(401, tokens.challenge(address, self.path))
        return False

    def _refuse(self, status: int, challenge: str = "") -> None:
        code = CODES.get(status, "UNKNOWN")
        self._say(status, {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}, challenge)

    def _say(self, status: int, told: dict[str, Any], challenge: str = "") -> None:
        said = json.dumps(told).encode()
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said if self.command == "GET" else b"")

    def _answer(self, answer: http.client.HTTPResponse, treatment: Treatment) -> None:
        self.send_response(answer.status)
        for name in KEPT:
            if answer.headers.get(name):
                self.send_header(name, answer.headers[name])
        self.end_headers()
        if self.command == "HEAD":
            return
        spoil = treatment.spoil
        while chunk := answer.read(int(treatment.rate) or CHUNK):
            if spoil:
                chunk, spoil = bytes([chunk[0] ^ 1]) + chunk[1:], False
            self.wfile.write(chunk)
            if treatment.rate and self.gate.open_again.wait(1):
                return
