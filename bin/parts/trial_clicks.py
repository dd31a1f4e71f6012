"""One person who keeps deploying an application, and one who keeps asking it: each on a thread of their own, everything written down."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from parts.faults.probing import Asked
from parts.processes import PartError
from parts.trial_acts import Acts, Deployed, check, plan_number
from parts.trial_person import Away, Page

PERIOD: Final = 0.1  # of one application's asker
PATIENCE: Final = 3.0
AGAIN_SECONDS: Final = 0.5
OVER_SECONDS: Final = 180.0
NOT_OVER: Final = ("", "Queued", "Running", "Stalled")


@dataclass(frozen=True)
class Missed:
    """A request that nothing of Estiva's answered: from when to when somebody tried, and what came instead."""

    begin: float
    end: float
    why: str


@dataclass(frozen=True)
class Answer:
    """When a plan's button was answered with which Deployment."""

    at: float
    plan: int
    deployment: int


@dataclass
class Clicks:
    """What somebody did with one application."""

    pressed: list[int] = field(default_factory=list)  # the plans whose button was pressed, answered or not
    answered: list[Answer] = field(default_factory=list)
    unanswered: list[Missed] = field(default_factory=list)  # pressed, and no answer: it may be on record or not
    turned_away: list[Missed] = field(default_factory=list)  # any other page that didn't come

    @property
    def numbers(self) -> list[int]:
        """The Deployments that were answered with."""
        return [each.deployment for each in self.answered]


class Clicker:
    """Deploys one application again and again, version 1 and 2 in turn, each time waiting for the end; on a thread of its own."""

    def __init__(self, acts: Acts, application: Deployed) -> None:
        self.acts, self.application, self.clicks = acts, application, Clicks()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._go, name=f"clicks on {application.name}", daemon=True)
        self._broke: Exception | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Press no further button."""
        self._ending.set()
        self._thread.join(timeout=120)

    def stop(self) -> None:
        """As `end`; whatever went wrong is raised here."""
        self.end()
        if self._thread.is_alive():
            raise PartError(f"Whoever deploys {self.application.name} doesn't come to an end.")
        self.check()

    def check(self) -> None:
        """Raise what went wrong until now, but for pages that nobody answered: those are counted, and judged."""
        if self._broke is not None:
            raise self._broke

    def press(self, plan: Page) -> int:
        """Press a plan's button, and write down that it was and what came of it; the Deployment's number."""
        number = plan_number(plan)
        self.clicks.pressed.append(number)
        self.application.deployment = self.acts.click(plan)
        self.clicks.answered.append(Answer(time.time(), number, self.application.deployment))
        return self.application.deployment

    def _go(self) -> None:
        try:
            while not self._ending.is_set():
                self._once()
        except Exception as error:  # noqa: BLE001 - kept for `check`: a thread's own would be printed and forgotten
            self._broke = error

    def _once(self) -> None:
        begin = time.time()
        try:
            self.acts.set_version(self.application, "12"[len(self.clicks.answered) % 2])
            plan = self.acts.planned(self.application)
        except Away as error:
            self._missed(self.clicks.turned_away, begin, error)
            return
        if self._ending.is_set():
            return
        begin = time.time()
        try:
            number = self.press(plan)
        except Away as error:
            self._missed(self.clicks.unanswered, begin, error)
            return
        self._until_over(number)

    def _missed(self, which: list[Missed], begin: float, error: Away) -> None:
        which.append(Missed(begin, time.time(), str(error)[:200]))
        self._ending.wait(AGAIN_SECONDS)

    def _until_over(self, number: int) -> None:
        until = time.monotonic() + OVER_SECONDS
        while not self._ending.wait(AGAIN_SECONDS):
            begin = time.time()
            try:
                state = self.acts.person.open(f"/deployments/{number}/").state()
            except Away as error:
                self._missed(self.clicks.turned_away, begin, error)
                continue
            if state not in NOT_OVER:
                return
            check(time.monotonic() < until, f"#{number} of {self.application.name} is {state} after {OVER_SECONDS:g} s")


class Asker:
    """Asks one application's health page all the while, on a thread of its own."""

    def __init__(self, application: Deployed) -> None:
        self._name, self._port = application.name, application.port
        self.asked: list[Asked] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._go, name=f"asks {application.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def answered_since(self, moment: float) -> bool:
        """Whether a question that was asked after it got an answer."""
        return any(each.ok and each.at > moment for each in self.asked[-10:])

    def end(self) -> None:
        """Ask no more."""
        self._ending.set()
        self._thread.join(timeout=2 * PATIENCE)

    def _go(self) -> None:
        while not self._ending.wait(PERIOD):
            at = time.time()
            wrong = _wrong(self._port)
            self.asked.append(Asked(self._name, at, time.time(), "", "", wrong))


def _wrong(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    return "" if status == 200 else f"status {status}"
