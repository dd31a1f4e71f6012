"""A person at a browser, as far as the trial needs one: opens pages over TLS, fills in their forms, presses buttons, reads the live stream.

The certificate is checked against the authority that is given, the name against the address: only where the connection goes is told.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from parts.processes import PartError

SECONDS = 30
PAUSE = 0.3
TICKED = "(ticked)"  # a box as a person ticks it, whatever it then sends
_WORDS = re.compile(r'<[^>]*class="[^"]*\b(?:error|note bad)\b[^"]*"[^>]*>(.*?)</div>', re.DOTALL)
_NOBODY = (502, 503, 504)  # what the proxy says where nothing of Estiva's answers
_STATE = re.compile(r'<span role="status"[^>]*>(.*?)(?:</span>\s*){2,}', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


class Away(PartError):
    """Nothing of Estiva's answered: what was sent may have arrived or not."""


@dataclass
class Form:
    """A form as it stands on the page: what is typed, chosen and ticked."""

    action: str
    values: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # each field's name, and what its last box would say

    def filled(self, values: Mapping[str, str | None]) -> list[tuple[str, str]]:
        """Its content with these fields set anew (None: left empty); PartError for one it doesn't have."""
        unknown = [name for name in values if name not in self.names]
        if unknown:
            raise PartError(f"The form {self.action} has no field {', '.join(unknown)}; it has {sorted(self.names)}.")
        kept = [pair for pair in self.values if pair[0] not in values]
        given = {name: self.names[name] if value == TICKED else value for name, value in values.items()}
        return kept + [(name, value) for name, value in given.items() if value is not None]


class _Forms(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self._text: list[str] | None = None
        self._first: str | None = None
        self._chosen = False
        self._templates = 0  # what stands in a <template> is copied by scripts, and not sent

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a field as a browser would send it."""
        have = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(have.get("action", ""))
            self.found.append(self._form)
        self._templates += tag == "template"
        if self._form is None or self._templates:
            return
        name, is_box = have.get("name", ""), have.get("type") in ("checkbox", "radio")
        if tag in ("input", "select", "textarea") and name:
            self._form.names[name] = have.get("value", "on")
        if tag == "input" and name and "disabled" not in have and (not is_box or "checked" in have):
            self._form.values.append((name, have.get("value", "on" if is_box else "")))
        elif tag == "select":
            self._select, self._first, self._chosen = name, None, False
        elif tag == "option" and self._select:
            self._option(have)
        elif tag == "textarea":
            self._select, self._text = name, []

    def _option(self, have: Mapping[str, str]) -> None:
        if self._form is not None and "selected" in have:
            self._form.values.append((self._select, have.get("value", "")))
            self._chosen = True
        elif self._first is None:
            self._first = have.get("value", "")

    def handle_data(self, data: str) -> None:
        """A text area's content."""
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        """A select without a choice sends its first."""
        self._templates -= tag == "template"
        if self._form is None:
            return
        if tag == "form":
            self._form = None
        elif tag == "select":
            if not self._chosen and self._first is not None:
                self._form.values.append((self._select, self._first))
            self._select = ""
        elif tag == "textarea" and self._text is not None:
            self._form.values.append((self._select, "".join(self._text).removeprefix("\n")))
            self._select, self._text = "", None


@dataclass(frozen=True)
class Page:
    """A page as it came."""

    path: str
    text: str

    def form(self, action: str) -> Form:
        """The form that goes there; PartError where the page has none."""
        parser = _Forms()
        parser.feed(self.text)
        for form in parser.found:
            if urllib.parse.urljoin(self.path, form.action) == action:
                return form
        actions = [form.action for form in parser.found]
        raise PartError(f"{self.path} has no form for {action}, only {actions}.\n{self.words()[:500]}")

    def state(self) -> str:
        """The word beside the heading."""
        found = _STATE.search(self.text)
        return " ".join(_TAG.sub(" ", found[1]).split()) if found else ""

    def words(self) -> str:
        """What the page says is wrong, else all its text."""
        found = _WORDS.findall(self.text) or [self.text]
        return " / ".join(" ".join(_TAG.sub(" ", each).split()) for each in found)


class Person:
    """One browser session with `url`, which answers behind `port` of this machine with a certificate of the authority `ca` (PEM).

    None as the authority: what answers there is what a proxy that speaks TLS passes everything on to. `patience` is how many seconds a
    page may take.
    """

    def __init__(self, url: str, port: int, ca: str | None, *, patience: float = SECONDS) -> None:
        self.url, self._patience = url, patience
        context = ssl.create_default_context(cadata=ca) if ca is not None else None
        handlers = (urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), _Https(port, context))
        self._opener = urllib.request.build_opener(*handlers)
        self._opener.addheaders += [("Origin", url), ("Referer", f"{url}/")]  # as a browser sends with a form

    def open(self, path: str, data: list[tuple[str, str]] | None = None) -> Page:
        """The page at a path (or an address of this dashboard) after all redirects; PartError with its words where it refuses, Away where nobody answers."""
        address = urllib.parse.urljoin(f"{self.url}/", path)
        body = None if data is None else urllib.parse.urlencode(data).encode()
        try:
            with self._opener.open(address, data=body, timeout=self._patience) as answer:
                return Page(urllib.parse.urlsplit(answer.url).path, answer.read().decode())
        except urllib.error.HTTPError as error:
            said = Page(path, error.read().decode(errors="replace")).words()
            kind = Away if error.code in _NOBODY else PartError
            raise kind(f"{address} answered {error.code}: {said[:800]}") from error
        except (OSError, http.client.HTTPException) as error:  # the latter: broken off in the middle of an answer
            raise Away(f"{address}: {error}") from error

    def reaches(self, path: str) -> bool:
        """Whether the page comes, and is well."""
        try:
            self.open(path)
        except PartError:
            return False
        return True

    def submit(self, page: Page, action: str, **values: str | None) -> Page:
        """Fill in the page's form that goes to `action`, and send it."""
        return self.open(action, page.form(action).filled({n.replace("__", "."): value for n, value in values.items()}))

    def wait_for(self, path: str, *states: str, timeout: float = 90) -> Page:
        """The page once the word beside its heading is one of these (seconds)."""
        until = time.monotonic() + timeout
        while True:
            page = self.open(path)
            if page.state() in states:
                return page
            if time.monotonic() > until:
                raise PartError(f"{path} says {page.state()!r} after {timeout:g} s, not {states}: {page.words()[:600]}")
            time.sleep(PAUSE)

    def events(self, watched: str, start: str) -> Iterator[tuple[str, Any]]:
        """The live stream's events, each its name and its data, until the caller has enough or 60 s are over."""
        until = time.monotonic() + 2 * SECONDS
        query = urllib.parse.urlencode({"watch": watched, "from": start})
        with self._opener.open(f"{self.url}/events?{query}", timeout=SECONDS) as stream:
            name = ""
            for raw in stream:
                line = raw.decode().rstrip("\n")
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:") and name:
                    yield name, json.loads(line.removeprefix("data:"))
                if time.monotonic() > until:
                    return


class _Connection(http.client.HTTPSConnection):
    """To a port of this machine, whatever the name."""

    def __init__(self, host: str, *, real_port: int, trusting: ssl.SSLContext | None, **options: Any) -> None:
        super().__init__(host, context=trusting, **options)
        self._real_port = real_port
        self._trusting = trusting

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self._real_port), self.timeout)
        self.sock = self._trusting.wrap_socket(plain, server_hostname=self.host) if self._trusting else plain


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(context=context)
        self._port, self._trusting = port, context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open by a connection of ours."""

        def connection(host: str, **options: Any) -> _Connection:
            return _Connection(host, real_port=self._port, trusting=self._trusting, timeout=options["timeout"])

        return self.do_open(connection, request)
