"""What a person of the trial takes for an answer, and what for a refusal; and which deployment is cancelled after a restore."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from parts import trial_absence
from parts.processes import PartError, free_port, wait_until
from parts.trial_absence import Absence
from parts.trial_acts import Acts, Deployed, plan_number
from parts.trial_person import Away, Page, Person
from parts.trial_reconciled import HELD, LATER, LINED_UP, OPEN, OVERTAKEN, STILL, UNWANTED, Cases

PLAN = Page("/plans/7/", '<form action="/plans/7/deploy"><input type="checkbox" name="confirm" value="shop"></form>')


class Leading:
    """A person whose every form leads to this page."""

    def __init__(self, path: str) -> None:
        self._page = Page(path, '<div class="note bad">Nothing was deployed.</div>')

    def submit(self, _page: Page, _action: str, **_values: Any) -> Page:
        """The page it leads to."""
        return self._page


def acts(path: str) -> Acts:
    """Of somebody whose button leads there."""
    return Acts(cast(Person, Leading(path)), cast(Any, None))


def test_a_click_gives_the_deployment_s_number() -> None:
    assert acts("/deployments/12/").click(PLAN) == 12
    assert plan_number(PLAN) == 7


@pytest.mark.parametrize(
    "path", ["/plans/8/", "/account/login", "/applications/shop/production/", "/deployments/12/log"]
)
def test_a_click_that_leads_elsewhere_is_a_refusal(path: str) -> None:
    with pytest.raises(PartError, match="Nothing was deployed") as refused:
        acts(path).click(PLAN)
    assert not isinstance(refused.value, Away)


class Web(http.server.BaseHTTPRequestHandler):
    """Answers with the number that is asked for."""

    def do_GET(self) -> None:
        """As `/500`."""
        self.send_response(200 if self.path == "/healthz" else int(self.path.strip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.server_close()


def test_what_estiva_says_is_told_from_nobody_s_answer(web: http.server.ThreadingHTTPServer) -> None:
    person = Person("https://estiva.test", web.server_port, None)
    for code in (403, 404, 422, 500):
        with pytest.raises(PartError) as said:
            person.open(f"/{code}")
        assert not isinstance(said.value, Away), code
    for code in (502, 503, 504):
        with pytest.raises(Away):
            person.open(f"/{code}")
        assert not person.reaches(f"/{code}")
    assert person.reaches("/healthz")
    assert not Person("https://estiva.test", free_port(), None).reaches("/200")


def test_the_pages_absence_is_told_by_when_and_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [True, False, False, False, True, False, True]
    asked: list[bool] = []

    def there() -> bool:
        asked.append(answers[len(asked)] if len(asked) < len(answers) else True)
        return asked[-1]

    absence, begin = Absence(there), time.time()
    with absence.watched():
        wait_until(lambda: len(asked) >= len(answers), "it has looked this often")
    assert len(absence.intervals) == 2, "each once, however often it was seen"
    assert all(begin <= since < until <= time.time() for since, until in absence.intervals)
    assert absence.seconds == pytest.approx(sum(until - since for since, until in absence.intervals))

    monkeypatch.setattr(trial_absence, "BACK_SECONDS", 0.2)
    gone = Absence(lambda: False)
    with pytest.raises(PartError, match="pages come again"), gone.watched():
        wait_until(lambda: bool(gone.intervals), "it has looked")


class Remembered:
    """Acts that give out numbers, the first 101."""

    def __init__(self) -> None:
        self.person = self
        self._last = 100

    def create(self, name: str, *_variables: str) -> Deployed:
        """An application."""
        return Deployed(name, 1)

    def click(self, _plan: Page) -> int:
        """Another number."""
        self._last += 1
        return self._last

    def planned(self, _application: Deployed) -> Page:
        """Always."""
        return PLAN

    def deploy(self, application: Deployed, *, wait: bool = True) -> None:
        """At once."""
        application.deployment = self.click(PLAN)

    def set_version(self, _application: Deployed, _version: str) -> None:
        """Always well."""

    def finished(self, _application: Deployed) -> None:
        """Always."""

    def wait_for(self, _path: str, *_states: str, timeout: float = 0) -> None:
        """At once."""


def test_what_is_cancelled_after_a_restore_is_what_the_backup_knows() -> None:
    cases = Cases(cast(Acts, Remembered()))
    cases.bring_up()
    due = cases.open()
    assert sorted(cases.opened) == sorted(OPEN)
    assert due == {cases.opened[name]: "running" for name in OPEN} | {cases.applications[LINED_UP].deployment: "queued"}
    cases.go_on()
    assert cases.opened[UNWANTED] in due
    assert cases.applications[UNWANTED].deployment not in due, "the server went on to a later one"
    assert {STILL, HELD, OVERTAKEN, LATER} <= set(cases.applications)
