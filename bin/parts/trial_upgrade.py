"""The two ways of docs/operations.md to another version, each while several applications are deployed all the time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from parts.trial_absence import Absence
from parts.trial_acts import Acts, Deployed, check
from parts.trial_life import WORKERS, Life
from parts.trial_person import Person
from parts.trial_server import TrialServer
from parts.trial_stack import URL, Stack, announce
from parts.trial_traffic import Traffic
from parts.trial_unknown import Unknown

OURS: Final = ("web", "worker", "looker", "reconciler")
WARM_UP: Final = ("SAMPLE_BEHAVIOUR=slow_start", "SAMPLE_SECONDS=8")
QUICK, SLOW = 2, 2


class Upgrade:
    """One stack brought from the version that it runs to `image`, whose source is `tree`."""

    def __init__(self, stack: Stack, traffic: Traffic, tree: Path, image: str) -> None:
        self.stack, self.traffic, self.tree, self.image = stack, traffic, tree, image
        self.record = traffic.record
        asker = Person(URL, stack.ports["https"], stack.authority(), patience=2)
        self.pages = Absence(lambda: asker.reaches("/healthz"))

    def at_once(self) -> dict[str, Any]:
        """`git pull`, build, `docker compose up`: everything of the earlier version ends, then comes the new one."""
        self._under_way()
        before = self.traffic.clicked()
        self.stack.pull(self.tree, self.image)
        with self.pages.watched():
            self.stack.up(scale={"worker": WORKERS})
        return self._told(before)

    def one_by_one(self, unknown: Unknown) -> dict[str, Any]:
        """Migrations first, then one worker after the other, then what else works behind the pages; the pages last.

        In between, while workers of both versions are there, comes what those of the earlier one don't know.
        """
        self._under_way()
        before, earlier = self.traffic.clicked(), self.stack.containers("worker")
        looker = self.stack.containers("looker")[0]
        self.stack.pull(self.tree, self.image)
        with self.pages.watched():
            self.stack.migrate(alone=True)
            migrated, began = self.record.now(), time.monotonic()
            for worker in earlier:
                self.stack.up_beside("worker", len(earlier) + 1)
                self._both_at_work(earlier)
                if worker == earlier[0]:
                    unknown.deploy(earlier, sorted({*self.stack.containers("worker")} - {*earlier}))
                self._at_work(worker)
                self.stack.docker("stop", worker)
                self.stack.docker("rm", worker)
            beside = time.monotonic() - began
            weighing = unknown.operation(looker)
            self.stack.up("looker", "reconciler", alone=True)
            unknown.operation_ends(weighing, looker)
            self.stack.up("web", alone=True)
        by = by_whom(self.record.holders(migrated), earlier)
        return self._told(before) | {
            "old_and_new_beside_each_other_seconds": round(beside, 1),
            "deploys_on_the_new_tables": {"by_workers_of_the_earlier_version": by[0], "by_new_ones": by[1]},
            "unknown_to_the_earlier_version": unknown.figures([*earlier, looker]),
        }

    def check_all_new(self) -> None:
        """Nothing of the earlier version runs any more."""
        for service in OURS:
            running = self.stack.containers(service)
            images = set(self.stack.docker("inspect", "--format", "{{.Config.Image}}", *running).split())
            check(images == {self.image}, f"{service} runs {images}, not {self.image}")
        count = len(self.stack.containers("worker"))
        check(count == WORKERS, f"{count} workers run, not {WORKERS}")

    def _told(self, before: int) -> dict[str, Any]:
        return {
            "clicks_before": before,
            "clicks_during": self.traffic.clicked() - before,
            "pages_away_seconds": round(self.pages.seconds, 1),
        }

    def _under_way(self) -> None:
        """Deploys have begun, and not ended, as this begins."""
        query = "SELECT count(*) AS busy FROM deployments_target WHERE status = 'running'"
        self.traffic.until(lambda: int(self.record.rows(query)[0][0]) > 1, "two deploys run at once")

    def _both_at_work(self, earlier: list[str]) -> None:
        """A worker of each version has begun a deploy since now."""
        since = self.record.now()
        self.traffic.until(
            lambda: all(by_whom(self.record.holders(since), earlier)), "a deploy by a worker of each version"
        )

    def _at_work(self, worker: str) -> None:
        """What ends now ends in the middle of a deploy."""
        query = f"SELECT id FROM deployments_target WHERE status = 'running' AND holder LIKE '%{worker[:12]}%'"
        self.traffic.until(lambda: bool(self.record.rows(query)), "the worker that is to be replaced deploys")


def by_whom(holders: Mapping[int, str], earlier: list[str]) -> tuple[int, int]:
    """How many of these Targets the workers in the `earlier` containers had last, and how many others.

    A worker's name has its container's name in the engine's network: the first twelve digits of its id.
    """
    theirs = sum(any(container[:12] in holder for container in earlier) for holder in holders.values())
    return theirs, len(holders) - theirs


def applications(acts: Acts, prefix: str) -> list[Deployed]:
    """Some that start at once, and some that need a while before they answer: those are caught in the middle."""
    quick = [acts.create(f"{prefix}-quick-{number}") for number in range(1, QUICK + 1)]
    return [*quick, *(acts.create(f"{prefix}-slow-{number}", *WARM_UP) for number in range(1, SLOW + 1))]


@contextmanager
def busy(life: Life, prefix: str) -> Iterator[Traffic]:
    """Several applications that are deployed all the while; whatever comes, nobody clicks afterwards."""
    traffic = Traffic(life.server, life.record, life.somebody)
    try:
        traffic.start(applications(life.acts, prefix))
        yield traffic
    finally:
        traffic.leave()


class Upgraded(Life):
    """An installation that is upgraded while it is used."""

    def settled(self, name: str, upgrade: Upgrade, told: dict[str, Any]) -> None:
        """A few more deploys by the new version, then nobody clicks any more, and all is judged; the figures are under `name`."""
        upgrade.traffic.more()
        upgrade.traffic.stop()
        self.figures[name] = found = {**told, **upgrade.traffic.judged(upgrade.pages.intervals)}
        check(not found["found"], f"{found['found']} findings, the first: {found.get('findings')}")
        check(
            found["taken_up_by_another_worker"] > 0,
            "no worker was replaced in the middle of a deploy: nothing was tried",
        )
        found["audit"] = self.stack.manage("audit", "verify")


class Rolled(Upgraded):
    """An installation of the earlier version whose workers are replaced one by one."""

    def __init__(self, stack: Stack, server: TrialServer, figures: dict[str, Any], tree: Path, image: str) -> None:
        super().__init__(stack, server, figures)
        self.tree, self.image = tree, image

    def go(self) -> None:
        """From its beginning to its end; its figures are `rolling_upgrade`."""
        announce("an upgrade with the workers replaced one by one, deploys running")
        self.begin()
        self.first_admin()
        self.register_server()
        with busy(self, "rolled") as traffic:
            upgrade = Upgrade(self.stack, traffic, self.tree, self.image)
            told = upgrade.one_by_one(Unknown(self.acts, self.stack, self.record))
            upgrade.check_all_new()
            self.settled("rolling_upgrade", upgrade, told)
