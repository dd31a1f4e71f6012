"""The HTTP of a build: the request's head, and the answer's JSON objects. Pure."""

import json
import urllib.parse
from typing import Any

from worker.engine.build_events import BuildRequest

_LONGEST_MESSAGE = 64 << 20


class Messages:
    """The JSON objects of an answer, one a line."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Those complete by now. ValueError for anything else."""
        self._pending += data
        *whole, self._pending = self._pending.split(b"\n")
        if len(self._pending) > _LONGEST_MESSAGE:
            raise ValueError("a message without end")
        found = [json.loads(line) for line in whole if line.strip()]
        if not all(isinstance(each, dict) for each in found):
            raise ValueError("a message that is no object")
        return found


def request_head(api_version: str, request: BuildRequest, session_id: str) -> bytes:
    """The request up to its body. Every value is URL-encoded, so none can become a line of its own."""
    asked: list[tuple[str, str]] = [
        ("version", "2"),
        ("buildid", request.build_id),
        ("session", session_id),
        ("dockerfile", request.dockerfile),
        ("labels", json.dumps(dict(request.labels))),
        ("buildargs", json.dumps(dict(request.args))),
        *(("t", tag) for tag in request.tags),
    ]
    asked += [("target", request.target)] if request.target else []
    asked += [("platform", request.platform)] if request.platform else []
    asked += [("nocache", "1")] if request.no_cache else []
    asked += [("pull", "1")] if request.pull else []
    lines = [
        f"POST /v{api_version}/build?{urllib.parse.urlencode(asked)} HTTP/1.1",
        "Host: docker",
        "User-Agent: estiva",
        "Connection: close",
        "Content-Type: application/x-tar",
        "Transfer-Encoding: chunked",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")
