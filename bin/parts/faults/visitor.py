"""A person at a browser: signs in, asks for plans, clicks Deploy, cancels; all by HTTP, as the pages' forms do."""

from __future__ import annotations

import html
import http.client
import http.cookiejar
import re
import threading
import time
import urllib.parse
import urllib.request
from typing import Any

from parts.processes import PartError
from parts.trial_person import SECONDS, Page, Person

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_FINGERPRINT = re.compile(r'name="fingerprint" value="([^"]+)"')
_DEPLOYMENT = re.compile(r"/deployments/([0-9]+)/?")
_TAG = re.compile(r"<[^>]+>")
_LOOKING = 'data-live="operation:'
PAUSE = 0.15


class Visitor(Person):
    """One session with the dashboard at `url`; used by one thread at a time."""

    def __init__(self, url: str) -> None:
        self.url, self._patience = url, SECONDS
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        self._opener.addheaders += [("Origin", url), ("Referer", f"{url}/")]  # as a browser sends with a form
        self._token = ""

    @property
    def cookies(self) -> str:
        """As a browser sends them."""
        return "; ".join(f"{each.name}={each.value}" for each in self._jar)

    def sign_in(self, token: str) -> None:
        """Open the one-time link and press its button."""
        page = self.open(f"/account/link/{token}")
        page = self.submit(page, page.path)
        if "/account/" in page.path:
            raise PartError(f"The sign-in link led to {page.path}, not to the overview.")
        self._token = _found(_TOKEN, page, "form")

    def share(self, other: Visitor) -> None:
        """Be the same person in the same browser as somebody who has signed in."""
        self._jar, self._opener, self._token = other._jar, other._opener, other._token

    def send(self, path: str, **values: Any) -> Page:
        """Send a form to this path."""
        return self.open(
            path, [("csrfmiddlewaretoken", self._token), *((name, str(value)) for name, value in values.items())]
        )

    def ask_plan(self, application: str, environment: str, *, of_release: int | None = None) -> str:
        """Ask for a plan; its path. It is worked out by a looker."""
        given = {} if of_release is None else {"of_release": of_release}
        return self.send(f"/applications/{application}/{environment}/plan", **given).path

    def until_planned(self, plan: str, *, timeout: float = 60) -> str:
        """Wait until the plan is worked out; its fingerprint. PartError with what the page says where it failed."""
        until = time.monotonic() + timeout
        while True:
            page = self.open(plan)
            found = _FINGERPRINT.search(page.text)
            if found:
                return found[1]
            if _LOOKING not in page.text or time.monotonic() > until:
                raise PartError(f"{plan} was not worked out: {page.words()[:600]}")
            threading.Event().wait(PAUSE)

    def click(self, plan: str, fingerprint: str) -> int:
        """Deploy what the plan says; the Deployment's number."""
        try:
            page = self.send(f"{plan}deploy", fingerprint=fingerprint)
        except PartError as error:
            shown = " ".join(_TAG.sub(" ", self.open(plan).text).split())
            raise PartError(f"{error} The plan: {html.unescape(shown)[:4000]}") from error
        if not page.path.startswith("/deployments/"):
            raise PartError(f"The click led to {page.path}: {page.words()[:600]}")
        return int(page.path.strip("/").rpartition("/")[2])

    def press(self, plan: str, fingerprint: str) -> tuple[int, int | None]:
        """As `click`, but only the answer to the form itself is read: its status, and the Deployment's number where it leads to one.

        OSError or HTTPException where no answer came: then nobody can say whether the click counts.
        """
        given = {"csrfmiddlewaretoken": self._token, "fingerprint": fingerprint}
        more = {"Origin": self.url, "Referer": f"{self.url}/", "Cookie": self.cookies}
        form = {"Content-Type": "application/x-www-form-urlencoded", **more}
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=SECONDS)
        try:
            connection.request("POST", f"{plan}deploy", urllib.parse.urlencode(given), form)
            answer = connection.getresponse()
        finally:
            connection.close()
        found = _DEPLOYMENT.fullmatch(urllib.parse.urlsplit(answer.headers.get("Location") or "").path)
        return answer.status, int(found[1]) if found else None

    def deploy(self, application: str, environment: str = "live", *, of_release: int | None = None) -> int:
        """Plan, look, click: the Deployment's number."""
        plan = self.ask_plan(application, environment, of_release=of_release)
        return self.click(plan, self.until_planned(plan))

    def cancel(self, deployment: int) -> None:
        """Press Cancel."""
        self.send(f"/deployments/{deployment}/cancel")


def _found(pattern: re.Pattern[str], page: Page, what: str) -> str:
    found = pattern.search(page.text)
    if found is None:
        raise PartError(f"{page.path} has no {what}.")
    return found[1]
