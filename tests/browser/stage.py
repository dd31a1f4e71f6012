"""A stage for the browser's own code: a small server on loopback with one deployment's page, its lines, and a live stream to speak into."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

STATIC: Final = Path(__file__).resolve().parents[2] / "dashboard" / "static"
TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
CSP: Final = "default-src 'self'; base-uri 'none'; object-src 'none'"
START: Final = 1_760_000_000_000
SHEETS: Final = ("tokens", "base", "parts", "forms", "tables", "log", "ansi")

Row = list[Any]


def row(
    number: int, text: str, *, step: str = "pull", stream: str = "estiva", level: str = "info", at: int | None = None
) -> Row:
    """A line as the server sends it; `at` is milliseconds after the start."""
    return [number, START + (number * 100 if at is None else at), step, stream, text, level]


@dataclass
class Stage:
    """What the page shows and what was asked of the server."""

    lines: dict[int, list[Row]] = field(default_factory=lambda: {7: []})
    names: dict[int, str] = field(default_factory=lambda: {7: "web-1"})
    is_complete: bool = False
    head: str = '<div id="head" data-live="deployment:41" data-url="/fragment" data-title="Running" data-state="run" data-open>running</div>'
    extra: str = ""
    most: int = 5000
    refuse: int = 0  # answer this to /events
    fail_fragments: int = 0  # so many requests for the fragment fail
    fail_lines: int = 0  # so many requests for lines fail
    asked: list[str] = field(default_factory=list)
    streams: list[queue.Queue[bytes | None]] = field(default_factory=list)
    opened: threading.Condition = field(default_factory=threading.Condition)
    opens: int = 0  # how many streams were opened so far
    attributes: str = ""

    def say(self, kind: str, data: object) -> None:
        """One event to every open stream."""
        message = f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
        for stream in list(self.streams):
            stream.put(message)

    def grow(self, target: int, rows: list[Row]) -> None:
        """Lines are written, and told to whoever listens."""
        self.lines[target].extend(rows)
        self.say("log", {"target": target, "lines": rows})

    def drop(self) -> None:
        """Cut every stream."""
        for stream in list(self.streams):
            stream.put(None)

    def wait_for_streams(self, count: int = 1) -> None:
        """Until so many streams are open; raises TimeoutError after 10 s."""
        with self.opened:
            if not self.opened.wait_for(lambda: len(self.streams) == count, timeout=10):
                raise TimeoutError(f"{len(self.streams)} streams are open, not {count}")

    def drop_and_wait(self) -> None:
        """Cut every stream, until the browser has come back; raises TimeoutError after 10 s."""
        with self.opened:
            before = self.opens
            self.drop()
            if not self.opened.wait_for(lambda: self.opens > before and len(self.streams) == 1, timeout=10):
                raise TimeoutError("the browser didn't come back")

    def asked_for(self, path: str) -> list[str]:
        """The requests whose path begins so."""
        return [each for each in self.asked if each.startswith(path)]

    def page(self) -> str:
        """The whole page."""
        sheets = "".join(f'<link rel="stylesheet" href="/static/css/{name}.css">' for name in SHEETS)
        targets = "".join(
            f'<li data-target="{target}" data-name="{name}" data-last="{len(self.lines[target])}"></li>'
            for target, name in self.names.items()
        )
        return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>first</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="htmx-config" content='{{"includeIndicatorCSS": false}}'>
<link rel="icon" href="/static/icons/favicon.svg" data-favicon>{sheets}
<script src="/static/vendor/htmx/htmx.min.js" defer></script><script type="module" src="/static/js/main.js"></script></head>
<body data-events-url="/events" data-watch="deployment:41" data-hide-after="100"><span data-stream-state class="stream-state"></span>
<main>{self.head}{self.extra}<section class="panel log-viewer" aria-label="Log" data-deployment="41" data-lines-url="/lines"
 data-raw-url="/raw" {"data-complete" if self.is_complete else ""} {self.attributes}><ul hidden>{targets}</ul></section></main></body></html>"""


class _Handler(BaseHTTPRequestHandler):
    stage: Stage

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.stage.asked.append(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if url.path.startswith("/static/"):
            self._file(STATIC / url.path.removeprefix("/static/"))
        elif url.path == "/lines":
            self._lines(query)
        elif url.path == "/events":
            self._events()
        elif url.path == "/fragment":
            self._fragment()
        elif url.path == "/":
            self._send(self.stage.page().encode(), "text/html; charset=utf-8")
        else:
            self._send(b"", "text/plain", 404)

    def _file(self, path: Path) -> None:
        self._send(
            path.read_bytes() if path.is_file() else b"",
            TYPES.get(path.suffix, "text/plain"),
            200 if path.is_file() else 404,
        )

    def _lines(self, query: dict[str, str]) -> None:
        if self.stage.fail_lines:
            self.stage.fail_lines -= 1
            return self._send(b"{}", "application/json", 500)
        if "q" in query:
            found = [
                [target, *line]
                for target, lines in self.stage.lines.items()
                for line in lines
                if query["q"].lower() in line[4].lower()
            ]
            return self._send(
                json.dumps({"found": found[:1000], "more": len(found) > 1000}).encode(), "application/json"
            )
        after, lines = int(query["after"]), self.stage.lines[int(query["target"])]
        rows = lines[after : after + self.stage.most]
        answer = {"lines": rows, "last": rows[-1][0] if rows else 0, "more": len(lines) > after + self.stage.most}
        return self._send(json.dumps(answer).encode(), "application/json")

    def _fragment(self) -> None:
        if self.stage.fail_fragments:
            self.stage.fail_fragments -= 1
            return self._send(b"", "text/html", 503)
        return self._send(self.stage.head.encode(), "text/html; charset=utf-8")

    def _events(self) -> None:
        if self.stage.refuse:
            return self._send(b"", "text/plain", self.stage.refuse)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        own: queue.Queue[bytes | None] = queue.Queue()
        with self.stage.opened:
            self.stage.streams.append(own)
            self.stage.opens += 1
            self.stage.opened.notify_all()
        try:
            self._speak(own)
        finally:
            with self.stage.opened:
                self.stage.streams.remove(own)
                self.stage.opened.notify_all()

    def _speak(self, own: queue.Queue[bytes | None]) -> None:
        self.wfile.write(b"retry: 200\n\n")
        while True:
            try:
                message = own.get(timeout=0.2)
            except queue.Empty:
                message = b": still here\n\n"
            if message is None:
                return
            try:
                self.wfile.write(message)
            except OSError:  # the browser has gone
                return

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CSP)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test's output is its own."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # a page asks for its modules all at once


@contextmanager
def serve(stage: Stage) -> Iterator[str]:
    """The stage's address while it is served."""
    handler = type("Handler", (_Handler,), {"stage": stage})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        stage.drop()
        server.shutdown()
        thread.join()
        server.server_close()
