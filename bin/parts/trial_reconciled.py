"""A backup made while deploys run, restored after the servers went on: one application for each way in which the two can have come apart.

| | in the backup | on the server when the restored installation starts |
| --- | --- | --- |
| still | version 1 | the same |
| ahead | version 1 | version 2, of a deployment that the backup doesn't know |
| held | version 2 under way | version 2: that very deployment was finished |
| overtaken | version 2 under way | version 1, of the second of two deployments that came after it |
| unwanted | version 2 under way, and cancelled in the restored installation before its workers start | version 1, of a later deployment |
| lined-up | version 2 under way, and once more queued behind it | version 2: both were finished |
| later | nothing | version 1, of an application that the backup doesn't know |
"""

from __future__ import annotations

import html
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from parts.faults.events import Event
from parts.trial_acts import SERVER, Acts, Deployed, check
from parts.trial_backup import OPEN as NOT_OVER
from parts.trial_backup import OpenTarget
from parts.trial_person import Page
from parts.trial_record import StackRecord
from parts.trial_server import TrialServer

WARM_UP: Final = ("SAMPLE_BEHAVIOUR=slow_start", "SAMPLE_SECONDS=45")
STILL, AHEAD, HELD, OVERTAKEN, UNWANTED, LINED_UP, LATER = (
    "still", "ahead", "held", "overtaken", "unwanted", "lined-up", "later"
)  # fmt: skip
OPEN: Final = (HELD, OVERTAKEN, UNWANTED, LINED_UP)
KEPT: Final = (STILL, AHEAD, HELD, UNWANTED, LATER)  # whose container nobody may take away
DIFFERS: Final = (AHEAD, UNWANTED)
ENDED_AS: Final = {HELD: ("succeeded",), OVERTAKEN: ("succeeded",), LINED_UP: ("succeeded",)} | {
    UNWANTED: ("cancelled", "cancelled_restored")
}
TAKES_AWAY: Final = ("kill", "stop", "die", "destroy")

Containers = Mapping[str, list[dict[str, Any]]]


class Cases:
    """The applications, and what is done with them before the backup and after it."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self.applications: dict[str, Deployed] = {}
        self.opened: dict[str, int] = {}  # the deployment of each that ran as the backup was made

    def bring_up(self) -> None:
        """Version 1 of each."""
        for name in (STILL, AHEAD, *OPEN):
            application = self._acts.create(name, *(WARM_UP if name in OPEN else ()))
            self.applications[name] = application
            self._acts.deploy(application, wait=False)
        for application in self.applications.values():
            self._acts.finished(application)

    def open(self) -> dict[int, str]:
        """Deploys that will be under way as the backup is made: how each stands, by its number."""
        plans = {name: self._planned(name, "2") for name in OPEN}  # one after the other takes a while; the clicks don't
        again = self._acts.planned(self.applications[LINED_UP])  # before anything is changed there
        for name, plan in plans.items():
            self.opened[name] = self.applications[name].deployment = self._acts.click(plan)
        self.applications[LINED_UP].deployment = self._acts.click(again)
        for number in self.opened.values():
            self._acts.person.wait_for(f"/deployments/{number}/", "Running", timeout=30)
        return dict.fromkeys(self.opened.values(), "running") | {self.applications[LINED_UP].deployment: "queued"}

    def go_on(self) -> None:
        """What the servers learn after the backup."""
        self._acts.person.wait_for(f"/deployments/{self.opened[LINED_UP]}/", "Succeeded", timeout=150)
        for name in (HELD, OVERTAKEN, UNWANTED):
            self._acts.finished(self.applications[name])
        for name, version in ((OVERTAKEN, "1"), (UNWANTED, "1"), (AHEAD, "2")):
            self._bring(name, version)
        later = self.applications[LATER] = self._acts.create(LATER)
        self._acts.deploy(later, wait=False)
        for name in (LINED_UP, OVERTAKEN, UNWANTED, AHEAD, LATER):
            self._acts.finished(self.applications[name])
        self._bring(OVERTAKEN, "1")  # a second one: its fence is higher than any that the backup would give
        self._acts.finished(self.applications[OVERTAKEN])

    def _bring(self, name: str, version: str) -> None:
        self.applications[name].deployment = self._acts.click(self._planned(name, version))

    def _planned(self, name: str, version: str) -> Page:
        self._acts.set_version(self.applications[name], version)
        return self._acts.planned(self.applications[name])


def check_open(opened: Iterable[OpenTarget], due: Mapping[int, str]) -> None:
    """What was to be open in the backup is, each as it was to be, and nothing else."""
    found = {each.deployment: each.status for each in opened}
    check(found == dict(due), f"open in the backup are {found}, not {dict(due)}")


class Reconciled:
    """The restored installation and the server, compared until both say the same. `events` are the engine's since before it was started."""

    def __init__(
        self,
        server: TrialServer,
        record: StackRecord,
        opened: Sequence[OpenTarget],
        placements: Mapping[str, int],
        events: Callable[[], list[Event]],
    ) -> None:
        self.server, self.record, self.opened, self._events = server, record, opened, events
        self._placements, self._installation = placements, record.installation()
        self.before = self.containers()

    def containers(self) -> dict[str, list[dict[str, Any]]]:
        """By application, what is on the server, running or not."""
        found = {name: self.server.containers(number, self._installation) for name, number in self._placements.items()}
        return {name: listed for name, listed in found.items() if listed}

    def ended(self, timeout: float = 300) -> dict[int, str]:
        """Wait until everything that was open has ended: how, by Target."""
        until = time.monotonic() + timeout
        while True:
            found = {each.id: each.status for each in self.record.targets()}
            status = {each.id: found.get(each.id, "lost") for each in self.opened}
            if not any(each in NOT_OVER for each in status.values()):
                return status
            check(
                time.monotonic() < until, f"what was open in the backup stands like this after {timeout:g} s: {status}"
            )
            threading.Event().wait(1)

    def looked_at_anew(self, timeout: float = 90) -> None:
        """Wait for two looks at the server: the second began after this was asked for."""
        for _ in range(2):
            moment, until = self.record.now(), time.monotonic() + timeout
            query = f"SELECT name FROM deployments_host WHERE checked_at > '{moment.at}'"
            while not self.record.rows(query):
                check(time.monotonic() < until, f"nobody looked at the server for {timeout:g} s")
                threading.Event().wait(1)

    def judged(self, acts: Acts, applications: Mapping[str, Deployed]) -> dict[str, Any]:
        """Wait, look, compare; the figures, or PartError with all that is wrong."""
        status = self.ended()
        self.looked_at_anew()
        after, drift = self.containers(), self.record.drift()
        wrong = [*wrong_ends(self.opened, status), *taken_away(self.before, after, self._events(), KEPT)]
        wrong += [*wrong_drift(drift, (STILL, *OPEN, AHEAD)), *self._not_as_recorded(after)]
        for name in DIFFERS:
            if html.escape(drift.get(name) or "?") not in acts.shown(applications[name]):
                wrong.append(f"the page of {name} doesn't say how it differs from the record")
        page = acts.person.open(f"/servers/{SERVER}/").text
        names = [name.removeprefix("/") for each in after.get(LATER, ()) for name in each["Names"]]
        if "but on no record" not in page or not names or any(name not in page for name in names):
            wrong.append(f"the server's page doesn't list {names} as being on no record")
        check(not wrong, "; ".join(wrong))
        ids = {name: {each["Id"] for each in listed} for name, listed in self.before.items()}
        return {
            "open_then_ended": dict(sorted(Counter(status.values()).items())),
            "containers_that_stayed": sum(len(ids[name]) for name in KEPT),
            "replaced_by_what_was_open": [
                name for name in OPEN if not ids[name] & {each["Id"] for each in after.get(name, ())}
            ],
            "drift_shown": sorted(name for name, words in drift.items() if words),
            "on_no_record": len(names),
        }

    def _not_as_recorded(self, after: Containers) -> Iterable[str]:
        """Where the record says that nothing differs, the one container bears its release and its Target."""
        query = (
            "SELECT a.name, r.number, s.running_target_id FROM deployments_placementhost s"
            " JOIN deployments_placement p ON p.id = s.placement_id JOIN deployments_application a ON a.id = p.application_id"
            " LEFT JOIN deployments_release r ON r.id = s.running_release_id WHERE s.drift = ''"
        )
        for name, release, target in self.record.rows(query):
            labels = [each["Labels"] for each in after.get(name, ()) if each["State"] == "running"]
            found = [(each.get("estiva.release"), each.get("estiva.target")) for each in labels]
            if found != [(str(release), str(target))]:
                yield f"of {name} release {release} by target {target} is on record without a difference; there run {found}"


def wrong_ends(opened: Iterable[OpenTarget], status: Mapping[int, str]) -> list[str]:
    """Those that did not end as they should have."""
    return [
        f"target {each.id} of {each.application}, {each.status} in the backup, ended as {status[each.id]}"
        for each in opened
        if status[each.id] not in ENDED_AS.get(each.application, ())
    ]


def taken_away(before: Containers, after: Containers, events: Iterable[Event], kept: Iterable[str]) -> list[str]:
    """What was done to containers that were to stay, as the engine told it, and what isn't there any more."""
    told, found = list(events), []
    for name in kept:
        ids = [each["Id"] for each in before.get(name, ()) if each["State"] == "running"]
        if len(ids) != 1:
            found.append(f"{len(ids)} containers of {name} ran before the restored installation was started")
        now = [each["Id"] for each in after.get(name, ()) if each["State"] == "running"]
        if now != ids:
            found.append(f"of {name} run {now}, no longer {ids}")
        found += [f"{name}: {each}" for each in told if each.container in ids and each.action in TAKES_AWAY]
    return found


def wrong_drift(drift: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Where the record says something differs that doesn't, or doesn't say so where it does."""
    found = []
    for name in names:
        words = drift.get(name, "")
        if name in DIFFERS and "on record" not in words:
            found.append(f"{name} runs something else than is on record, which says {words!r} of it")
        elif name not in DIFFERS and words:
            found.append(f"{name} runs what is on record, which says {words!r} of it")
    return found
