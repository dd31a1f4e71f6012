"""Somebody who deploys one application again and again while everything breaks, and remembers what was answered."""

from __future__ import annotations

import http.client
import re
import time
from typing import Final

from parts.faults.storm_apps import Stormy
from parts.faults.visitor import Visitor
from parts.faults.world import World
from parts.processes import PartError

OPEN: Final = "'queued', 'running'"
SILENT_SECONDS: Final = 300.0  # without any answer: more than a minute without a broker, and what comes after it
ROOM_SECONDS: Final = (
    900.0  # three silent workers of half a minute each, a server that is waited for, all on a busy machine
)
SERVER_ERRORS: Final = 500
PLAN: Final = re.compile(r"/plans/([0-9]+)/")


class Clicker:
    """One person with one application. Each version is asked for until its click is answered with a number."""

    def __init__(self, world: World, stormy: Stormy) -> None:
        self._world, self._stormy = world, stormy
        self._visitor = Visitor(world.estiva.url)
        self._visitor.share(world.ada)
        self._tries, self._answered, self._last = 0, time.monotonic(), ""
        # plans whose click had no answer, or one that says that Estiva itself is in trouble: each may count once, or not
        self.lost: set[int] = set()
        self.unplanned = 0  # looked at in vain: nothing was clicked
        self.refused = 0

    def click_all(self) -> None:
        """Click as often as was drawn. PartError where nobody answers any more."""
        for version in self._stormy.drawn.versions:
            self._answered = time.monotonic()
            while not self._click(version):
                if time.monotonic() - self._answered > SILENT_SECONDS or self._world.ending.wait(1):
                    raise PartError(f"No click on {self._stormy.app.name} is answered any more: {self._last}")

    def _click(self, version: int) -> bool:
        """Whether it was answered with a number."""
        self._wait_for_room()
        self._tries += 1
        try:
            self._stormy.bring(version, self._tries)
            plan = self._visitor.ask_plan(self._stormy.app.name, "live")
            fingerprint = self._visitor.until_planned(plan)
        except (PartError, OSError, http.client.HTTPException) as trouble:
            self.unplanned, self._last = self.unplanned + 1, str(trouble)
            return False
        try:
            status, number = self._visitor.press(plan, fingerprint)
        except (OSError, http.client.HTTPException) as trouble:
            self._lose(plan, str(trouble))
            return False
        if number is not None:
            self._stormy.app.clicked(number)
            return True
        said = f"the click was answered with {status}"
        if status >= SERVER_ERRORS:
            self._lose(plan, said)
        else:
            self.refused, self._last = self.refused + 1, said
        return False

    def _lose(self, plan: str, why: str) -> None:
        found = PLAN.fullmatch(plan)
        if found is None:
            raise PartError(f"{plan} is no plan's path.")
        self.lost.add(int(found[1]))
        self._last = why

    def _wait_for_room(self) -> None:
        """So that the storm lasts as long as the deploys do; the time is not counted as one without an answer."""
        app, most = self._stormy.app, self._stormy.drawn.most_open
        query = (
            f"SELECT COUNT(*) FROM deployments_deployment WHERE placement_id = {app.placement:d} AND status IN ({OPEN})"
        )
        began = time.monotonic()
        self._world.wait(lambda: int(self._world.record.rows(query)[0][0]) < most, f"room for {app.name}", ROOM_SECONDS)
        self._answered += time.monotonic() - began
