"""One person who keeps deploying an application, and one who keeps asking it: each on a thread of their own, everything written down."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from parts.faults.probing import Asked
from parts.processes import PartError
from parts.trial_acts import Acts, Deployed, check

PERIOD: Final = 0.1  # of one application's asker
PATIENCE: Final = 3.0
TURNED_AWAY_SECONDS: Final = 0.5
OVER_SECONDS: Final = 180.0
NOT_OVER: Final = ("", "Queued", "Running", "Stalled")


@dataclass
class Clicks:
    """What somebody did with one application. `answered` are the Deployments' numbers that came back, with the time of each answer."""

    answered: list[tuple[float, int]] = field(default_factory=list)
    unanswered: int = 0  # the button was pressed, and no answer came: it may be on record or not
    turned_away: int = 0  # a page before the button didn't come

    @property
    def numbers(self) -> list[int]:
        """The Deployments that were answered with."""
        return [number for _, number in self.answered]


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
        """As `end`; whatever else than a page that doesn't come went wrong is raised here."""
        self.end()
        if self._thread.is_alive():
            raise PartError(f"Whoever deploys {self.application.name} doesn't come to an end.")
        if self._broke is not None:
            raise self._broke

    def _go(self) -> None:
        try:
            while not self._ending.is_set():
                self._once()
        except Exception as error:  # noqa: BLE001 - kept for `stop`: a thread's own would be printed and forgotten
            self._broke = error

    def _once(self) -> None:
        try:
            self.acts.set_version(self.application, "12"[len(self.clicks.answered) % 2])
            plan = self.acts.planned(self.application)
        except PartError:
            self.clicks.turned_away += 1
            self._ending.wait(TURNED_AWAY_SECONDS)
            return
        if self._ending.is_set():
            return
        try:
            number = self.acts.click(plan)
        except PartError:
            self.clicks.unanswered += 1
            self._ending.wait(TURNED_AWAY_SECONDS)
            return
        self.clicks.answered.append((time.time(), number))
        self._until_over(number)

    def _until_over(self, number: int) -> None:
        until = time.monotonic() + OVER_SECONDS
        while not self._ending.wait(TURNED_AWAY_SECONDS):
            try:
                state = self.acts.person.open(f"/deployments/{number}/").state()
            except PartError:
                continue  # the web is away for a moment: that is what this is about
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
