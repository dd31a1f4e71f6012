"""A browser's tab, as little of it as a click takes: connections that stay open, a form that is sent, the page behind it, its live stream.

What a browser does with a page once it has it, running scripts and painting, is not in it.
"""

import http.client
import json
import queue
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator

from bench.clicked import Clicked, News, is_said
from parts.processes import PartError, wait_until
from parts.story_browser import events

SECONDS = 60
QUIET = 10.0  # nothing more comes after that
IDLE = 1.0  # a server closes a connection that says nothing for a little longer than that
COALESCE = 0.1  # the page's scripts gather news for so long before they fetch a part of it again
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_FINGERPRINT = re.compile(r'name="fingerprint" value="([^"]+)"')
_TARGET = re.compile(r'data-target="(\d+)" data-name="[^"]*" data-last="(\d+)"')
_HEAD = re.compile(r'id="deployment-head"[^>]*data-state="([^"]*)"( data-open)?')
_LOOKING = 'data-live="operation:'


class Tab:
    """Signed in by the cookies of somebody who has; used by one thread."""

    def __init__(self, url: str, cookies: str) -> None:
        place = urllib.parse.urlsplit(url)
        self._host, self._port = place.hostname or "", place.port
        self._headers = {"Cookie": cookies, "Origin": url, "Referer": f"{url}/"}
        self._line, self._used = self._connect(), time.monotonic()

    def plan(self, path: str) -> dict[str, str]:
        """Wait until this plan is worked out; the fields of its Deploy form."""
        found: dict[str, str] = {}

        def is_there() -> bool:
            _, _, text = self._ask("GET", path)
            token, fingerprint = _TOKEN.search(text), _FINGERPRINT.search(text)
            if token and fingerprint:
                found.update(csrfmiddlewaretoken=token[1], fingerprint=fingerprint[1])
            elif _LOOKING not in text:
                raise PartError(f"{path} was not worked out")
            return bool(found)

        wait_until(is_there, f"{path} was not worked out", timeout=SECONDS)
        return found

    def ask_plan(self, application: str, environment: str) -> str:
        """Press the button before the plan; the plan's path."""
        path = f"/applications/{application}/{environment}/"
        _, _, text = self._ask("GET", path)
        token = _TOKEN.search(text)
        if token is None:
            raise PartError(f"{path} has no form")
        _, plan, _ = self._ask("POST", f"{path}plan", {"csrfmiddlewaretoken": token[1]})
        return plan

    def send(self, plan: str, fields: dict[str, str]) -> int:
        """Send the Deploy form; the Deployment's number."""
        status, path, text = self._ask("POST", f"{plan}deploy", fields)
        if status != 302 or "/deployments/" not in path:
            raise PartError(f"the click led to {status} {path}: {text[:500]}")
        return int(path.strip("/").rpartition("/")[2])

    def click(self, plan: str, fields: dict[str, str], last_line: Callable[[int], int]) -> Clicked:
        """Send the form, follow it to the deployment's page, watch its log until the first line is here, then until it is over.

        `last_line` tells how many lines a Deployment that is over has on record.
        """
        clicked = Clicked(sent_at=time.time())
        began = time.monotonic()
        clicked.deployment = self.send(plan, fields)
        clicked.answered = time.monotonic() - began
        path = f"/deployments/{clicked.deployment}/"
        _, _, text = self._ask("GET", path)
        clicked.page = time.monotonic() - began
        shown = _TARGET.search(text)
        if shown is None:
            raise PartError(f"{path} shows no target")
        target, last = int(shown[1]), int(shown[2])
        with Stream(self._connect(), self._headers, clicked.deployment, target, last) as stream:
            if last:  # the page's scripts fetch what the record holds beside the stream
                self._record(clicked, began, path, target, last)
            self._until_over(clicked, began, path, stream, last_line)
        return clicked

    def _record(self, clicked: Clicked, began: float, path: str, target: int, last: int) -> None:
        _, _, text = self._ask("GET", f"{path}lines?target={target}&after=0")
        clicked.where, clicked.first_line = "record", time.monotonic() - began
        rows = [row for row in json.loads(text)["lines"] if row[0] <= last]
        clicked.container_line = clicked.first_line if is_said(rows) else 0.0
        clicked.numbers += [row[0] for row in rows]

    def _until_over(
        self, clicked: Clicked, began: float, path: str, stream: "Stream", last_line: Callable[[int], int]
    ) -> None:
        for news in stream.events():
            clicked.stream = clicked.stream or news.at - began
            clicked.note(news, began)
            if news.is_of_deployment:
                time.sleep(COALESCE)
                for each in stream.waiting():
                    clicked.note(each, began)
                _, _, text = self._ask("GET", f"{path}?fragment=head")
                if (head := _HEAD.search(text)) and not head[2]:
                    clicked.seen_done = time.monotonic() - began
                    clicked.numbers += stream.rest(clicked.numbers, last_line(clicked.deployment))
                    return
        raise PartError(f"the live stream of {path} ended before the deployment did")

    def _connect(self) -> http.client.HTTPConnection:
        line = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        line.connect()
        line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, where it leads, and the text."""
        body = urllib.parse.urlencode(fields) if fields is not None else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if fields is not None else {}
        if time.monotonic() - self._used > IDLE:
            self._line.close()
            self._line = self._connect()
        self._line.request(method, path, body, {**self._headers, **kind})
        answer = self._line.getresponse()
        text = answer.read().decode()
        self._used = time.monotonic()
        if answer.status >= 400:
            raise PartError(f"{path} answered {answer.status}: {text[:500]}")
        return answer.status, answer.getheader("Location", ""), text


class Stream:
    """The live stream of a deployment's page, read on a thread of its own so that fetching parts of the page holds up nothing."""

    def __init__(
        self, line: http.client.HTTPConnection, headers: dict[str, str], deployment: int, target: int, last: int
    ) -> None:
        self._line, self._headers, self._target = line, headers, target
        self._query = urllib.parse.urlencode({"watch": f"deployment:{deployment}", "from": f"t{target}:{last}"})
        self._news: queue.SimpleQueue[News | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Stream":
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._line.sock is not None:
            self._line.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._line.close()

    def events(self) -> Iterator[News]:
        """As they come; PartError where none does for a minute."""
        while (news := self._next()) is not None:
            yield news

    def _next(self) -> News | None:
        try:
            return self._news.get(timeout=SECONDS)
        except queue.Empty:
            raise PartError(f"the live stream ({self._query}) said nothing for {SECONDS} s") from None

    def waiting(self) -> list[News]:
        """Those that are here by now."""
        found: list[News] = []
        while not self._news.empty():
            news = self._news.get()
            if news is None:
                self._news.put(None)
                break
            found.append(news)
        return found

    def rest(self, met: list[int], last: int) -> list[int]:
        """The numbers of the lines that still come until `last` did, which may be never; the record may know of the end a moment
        before the stream does."""
        numbers: list[int] = []
        until = time.monotonic() + QUIET
        while max(met[-1:] + numbers[-1:], default=0) < last and time.monotonic() < until:
            try:
                news = self._news.get(timeout=QUIET)
            except queue.Empty:
                break
            if news is None:
                break
            numbers += news.numbers
        return numbers

    def _read(self) -> None:
        try:
            self._line.request("GET", f"/events?{self._query}", headers=self._headers)
            answer = self._line.getresponse()
            for event, data in events(answer) if answer.status == 200 else ():
                self._news.put(News(time.monotonic(), event, data))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # closed by whoever watched, or broken off: either way nothing more comes
        finally:
            self._news.put(None)
