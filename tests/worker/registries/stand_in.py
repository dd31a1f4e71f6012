"""A registry, a token server and AWS in small, on loopback: they write down who asked what, and how."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class StandIn:
    """Answers as `answer` says."""

    answer: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def authorizations(self) -> list[str]:
        """What was shown, in the order of requests."""
        return [each.headers.get("Authorization", "") for each in self.asked]


@contextmanager
def serving(answer: Callable[[Asked], Answer]) -> Iterator[StandIn]:
    """Until the end of the block."""
    stand_in = StandIn(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._take()

        def do_POST(self) -> None:
            self._take()

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            stand_in.asked.append(asked)
            status, headers, content = stand_in.answer(asked)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A TLS greeting on a plain port is no trouble of ours."""

    server = Server(("127.0.0.1", 0), Handler)
    stand_in.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def as_json(found: Any, **headers: str) -> Answer:
    """200."""
    return 200, headers, json.dumps(found).encode()


class Images:
    """What a registry has of one repository: `add` tags, then `answer`."""

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self.tags: dict[str, bytes] = {}
        self.content: dict[str, bytes] = {}

    def add(self, tag: str, created: str, *, size: int = 1000, platforms: tuple[str, ...] = ("linux/amd64",)) -> None:
        """An image, of an index where it is for several platforms."""
        manifests = [self._image(each, created, size) for each in platforms]
        if len(platforms) == 1:
            self.tags[tag] = self.content[manifests[0]["digest"]]
            return
        attestation = {**manifests[0], "platform": {"os": "unknown", "architecture": "unknown"}}
        index = {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [*manifests, attestation]}
        self.tags[tag] = json.dumps(index).encode()

    def _image(self, platform: str, created: str, size: int) -> dict[str, Any]:
        system, architecture = platform.split("/")
        config = self._put({"created": created, "os": system, "architecture": architecture})
        manifest = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": config, "size": 10},
            "layers": [{"digest": config, "size": size}],
        }
        return {"digest": self._put(manifest), "platform": {"os": system, "architecture": architecture}}

    def _put(self, found: Any) -> str:
        content = json.dumps(found).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.content[digest] = content
        return digest

    def answer(self, asked: Asked) -> Answer:
        """As a registry does, to everybody."""
        path = asked.path.removeprefix(f"/v2/{self.repository}/")
        if path.startswith("tags/list"):
            return as_json({"name": self.repository, "tags": sorted(self.tags)})
        kind, _, reference = path.partition("/")
        found = self.content.get(reference) or (self.tags.get(reference) if kind == "manifests" else None)
        return (200, {}, found) if found is not None else (404, {}, b"{}")
