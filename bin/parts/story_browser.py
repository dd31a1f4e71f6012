"""As much of a browser as the demo's check needs: signs in by a one-time link, and reads the live stream."""

from __future__ import annotations

import http.cookiejar
import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from parts.processes import PartError

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_SECONDS = 30


class Browser:
    """A session with the dashboard at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self._opener.addheaders += [("Origin", url), ("Referer", f"{url}/")]  # as a browser sends with a form

    def sign_in(self, token: str) -> None:
        """Open the link, press its button, and arrive at the overview."""
        address = f"{self._url}/account/link/{token}"
        with self._opener.open(address, timeout=_SECONDS) as page:
            found = _TOKEN.search(page.read().decode())
        if found is None:
            raise PartError("The sign-in link's page has no form.")
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": found.group(1)}).encode()
        with self._opener.open(address, data=form, timeout=_SECONDS) as page:
            if "/account/" in page.url:
                raise PartError(f"The sign-in link led to {page.url}, not to the overview.")

    def log_lines(self, deployment: int, target: int, last: int) -> list[int]:
        """The numbers of a target's log lines, in the order in which `/events` sent them, until `last` came."""
        numbers: list[int] = []
        until = time.monotonic() + _SECONDS
        with self.stream(f"deployment:{deployment}", f"t{target}:0") as events:
            for event, data in events:
                if event == "log":
                    told = json.loads(data)
                    numbers += [row[0] for row in told["lines"] if told["target"] == target]
                if (numbers and numbers[-1] >= last) or time.monotonic() > until:
                    break
        return numbers

    @contextmanager
    def stream(self, watch: str, begin: str = "") -> Iterator[Iterator[tuple[str, str]]]:
        """What `/events` sends about this, as (event, data), until the stream ends; `begin` is the last place that was seen."""
        query = urllib.parse.urlencode({"watch": watch, "from": begin} if begin else {"watch": watch})
        with self._opener.open(f"{self._url}/events?{query}", timeout=_SECONDS) as answer:
            yield events(answer)


def events(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """What the live stream's bytes tell, line by line: (event, data), each as soon as its line of data is whole."""
    event = ""
    for raw in lines:
        line = raw.decode().rstrip("\n")
        if line.startswith("event:"):
            event = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            yield event, line.removeprefix("data:")
