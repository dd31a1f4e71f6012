"""People who keep deploying while something is done to Estiva, and what was seen of it: every click, every answer of the applications,
everything that the server's engine did. Judged by the fault campaign's judge.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from parts.faults import judge
from parts.faults.events import Event, Watch
from parts.faults.judge import Finding, Seen
from parts.faults.record import ENDS
from parts.faults.sight import INSTALLATION
from parts.screen import say
from parts.trial_absence import Interval
from parts.trial_acts import SERVER, Acts, Deployed, check
from parts.trial_backup import OPEN
from parts.trial_clicks import OVER_SECONDS, Asker, Clicker, Clicks
from parts.trial_record import StackRecord
from parts.trial_server import TrialServer

MOST_SHOWN: Final = 8
AWAY_SLACK: Final = 1.0  # seconds by which one may see it end later than another


class Traffic:
    """Several applications that somebody keeps deploying. `somebody` signs a new person in."""

    def __init__(self, server: TrialServer, record: StackRecord, somebody: Callable[[], Acts]) -> None:
        self.server, self.record, self._somebody = server, record, somebody
        self.watch = Watch(SERVER, server.engine)
        self.clickers: list[Clicker] = []
        self._askers: list[Asker] = []
        self._begun = ExitStack()

    def start(self, applications: Sequence[Deployed]) -> None:
        """Bring each up once, then keep deploying them; returns once every one has been clicked again."""
        self.watch.start()
        self._begun.callback(self.watch.stop)
        self.clickers = [Clicker(self._somebody(), each) for each in applications]
        for clicker in self.clickers:
            clicker.press(clicker.acts.planned(clicker.application))
        for clicker in self.clickers:
            clicker.acts.finished(clicker.application)
        self._askers = [Asker(each) for each in applications]
        parts: list[Asker | Clicker] = [*self._askers, *self.clickers]
        for part in parts:
            part.start()
            self._begun.callback(part.end)
        self.until(lambda: all(len(each.clicks.answered) > 1 for each in self.clickers), "every application clicked")

    def until(self, holds: Callable[[], bool], what: str, timeout: float = 120) -> None:
        """Wait for something that comes of the traffic."""
        until = time.monotonic() + timeout
        while not holds():
            for clicker in self.clickers:
                clicker.check()
            check(time.monotonic() < until, f"waited {timeout:g} s in vain: {what}")
            threading.Event().wait(0.3)

    def clicked(self) -> int:
        """How many clicks were answered until now."""
        return sum(len(each.clicks.answered) for each in self.clickers)

    def more(self, count: int = 1) -> None:
        """Until each application was deployed this often again."""
        due = {each.application.name: len(each.clicks.answered) + count for each in self.clickers}
        self.until(
            lambda: all(len(each.clicks.answered) >= due[each.application.name] for each in self.clickers),
            f"{count} more clicks on each application",
        )

    def stop(self) -> None:
        """No more clicks; returns once everything that is on record has ended, and the applications were asked once more."""
        for clicker in self.clickers:
            clicker.stop()
        ours = {each.application.name for each in self.clickers}
        self.until(
            lambda: all(each.status in ENDS for each in self.record.deployments() if each.application in ours),
            "every deployment ends",
            timeout=OVER_SECONDS,
        )
        since = time.time()
        self.until(lambda: all(each.answered_since(since) for each in self._askers), "every application answers", 30)
        self.leave()

    def leave(self) -> None:
        """End all threads, however it went; a second time does nothing."""
        self._begun.close()

    def judged(self, away: Sequence[Interval]) -> dict[str, Any]:
        """The figures, `found` the number of what must not be; each of that is said, and the first few are among the figures.

        `away` is when no page came.
        """
        installation, placements = self.record.installation(), self.record.placements()
        events = [each for each in self.watch.seen() if each.labels.get(INSTALLATION) == installation]
        everything = [
            self._seen(clicker, asker, placements[clicker.application.name], events)
            for clicker, asker in zip(self.clickers, self._askers, strict=True)
        ]
        findings = [finding for seen in everything for finding in judge.judge(seen)]
        for clicker, seen in zip(self.clickers, everything, strict=True):
            plans = self.record.plans(placements[clicker.application.name])
            findings += [*unasked(clicker.clicks, seen, plans), *unexplained(clicker.clicks, seen.name, away)]
        shown = [str(each) for each in findings[:MOST_SHOWN]]
        for text in shown:
            say("trial", f"FOUND {text}")
        told = figures([each.clicks for each in self.clickers], everything) | {"found": len(findings)}
        return told | ({"findings": shown} if shown else {})

    def _seen(self, clicker: Clicker, asker: Asker, placement: int, events: Sequence[Event]) -> Seen:
        shares = [each for each in self.record.targets() if each.placement == placement]
        name = clicker.application.name
        return Seen(
            name=name,
            placement=placement,
            start_first=False,
            clicks=clicker.clicks.numbers,
            events=[each for each in events if each.placement == placement],
            asked={SERVER: asker.asked},
            final={SERVER: self.server.containers(placement, self.record.installation())},
            deployments=[each for each in self.record.deployments() if each.placement == placement],
            shares=shares,
            chunks=self.record.chunks(each.id for each in shares),
            stages=self.record.stages(each.id for each in shares),
        )


def unasked(clicks: Clicks, seen: Seen, plans: Mapping[int, int]) -> list[Finding]:
    """What only this traffic can tell: deployments that no button was pressed for, or one button twice; answers that name another
    plan's deployment; an end that isn't good. `plans` has each Deployment's plan.
    """
    found = []
    for plan, times in Counter(plans.values()).items():
        numbers = ", ".join(f"#{each}" for each in plans if plans[each] == plan)
        if plan not in clicks.pressed:
            found.append(Finding("duplicated", f"{seen.name}: {numbers} of plan {plan}, whose button nobody pressed"))
        elif times > 1:
            found.append(Finding("duplicated", f"{seen.name}: {numbers} of plan {plan}, whose button was pressed once"))
    for each in clicks.answered:
        if plans.get(each.deployment, each.plan) != each.plan:
            of = plans[each.deployment]
            found.append(
                Finding("lost", f"plan {each.plan}'s button was answered with #{each.deployment}, of plan {of}")
            )
    bad = [each for each in seen.shares if each.status not in (*OPEN, "succeeded")]
    return [*found, *(Finding("row", f"nothing was wrong with it, yet it ended badly: {each}") for each in bad)]


def unexplained(clicks: Clicks, name: str, away: Sequence[Interval]) -> list[Finding]:
    """Pages and clicks that nobody answered though others got their page."""
    return [
        Finding("outage", f"{name}: from {each.begin:.3f} to {each.end:.3f} nobody answered {what}: {each.why}")
        for what, missed in (("a page", clicks.turned_away), ("a click", clicks.unanswered))
        for each in missed
        if not any(begin - AWAY_SLACK <= each.end and each.begin <= end + AWAY_SLACK for begin, end in away)
    ]


def figures(clicks: Sequence[Clicks], everything: Sequence[Seen]) -> dict[str, Any]:
    """How many of what were counted."""
    shares = [each for seen in everything for each in seen.shares]
    ended = Counter(each.status for seen in everything for each in seen.deployments)
    asked = [each for seen in everything for listed in seen.asked.values() for each in listed]
    return {
        "applications": len(everything),
        "clicks_answered": sum(len(each.answered) for each in clicks),
        "clicks_unanswered": sum(len(each.unanswered) for each in clicks),
        "pages_that_did_not_come": sum(len(each.turned_away) for each in clicks),
        "ended": dict(sorted(ended.items())),
        "attempts": sum(each.attempts for each in shares),
        "taken_up_by_another_worker": sum(each.attempts > 1 for each in shares),
        "containers_created": sum(event.action == "create" for seen in everything for event in seen.events),
        "log_lines": sum(each.last_line for each in shares),
        "asked": len(asked),
        "asked_in_vain": sum(not each.ok for each in asked),
    }
