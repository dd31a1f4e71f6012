"""A person before a server that a deploy left in doubt: reads what the page says of it, and takes one of the ways out that it offers."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Final

from parts.faults.visitor import PAUSE
from parts.faults.world import World
from parts.processes import PartError
from parts.trial_person import Page

RESUME, RESTORE, AS_IS = "resume", "restore", "as_is"
OFFERED: Final = {
    RESUME: 'aria-labelledby="resume"',
    RESTORE: 'aria-labelledby="restore"',
    AS_IS: 'aria-labelledby="take"',
}
SEEN_SECONDS: Final = 90.0
_SHOWN: Final = re.compile(r'name="shown" value="([^"=]+)=([^"]*)"')
_LOOK_FAILED: Final = "The look failed"


@dataclass(frozen=True)
class Doubt:
    """A Target that needs attention, and with which nobody has dealt."""

    target: int
    deployment: int
    server: str
    may_restore: bool  # something served there before

    @property
    def path(self) -> str:
        """Its page."""
        return f"/deployments/{self.deployment:d}/attention"


def open_doubts(world: World, placement: int) -> list[Doubt]:
    """An application's, as the record has them."""
    rows = world.record.rows(
        "SELECT t.id, t.deployment_id, t.host_name, t.replaced_id FROM deployments_attention a"
        f" JOIN deployments_target t ON t.id = a.target_id WHERE a.way = '' AND a.placement_id = {placement:d} ORDER BY a.id"
    )
    return [
        Doubt(int(target), int(number), str(server), replaced is not None) for target, number, server, replaced in rows
    ]


def look(world: World, doubt: Doubt) -> Page:
    """Its page, once a worker has looked at the server and found it there; who looked in vain looks again."""
    state = f"SELECT state FROM deployments_host WHERE name = '{doubt.server}'"
    until = time.monotonic() + SEEN_SECONDS
    while True:
        page = world.ada.open(doubt.path)
        is_there = world.record.rows(state) == [("ready",)]
        if is_there and _shown(page, doubt):
            return page
        if time.monotonic() > until:
            raise PartError(f"{doubt.path} shows nothing of {doubt.server}: {page.words()[:600]}")
        if _LOOK_FAILED in page.text or not is_there:
            world.ada.send(doubt.path, act="look")
        time.sleep(PAUSE)


def take(world: World, doubt: Doubt, way: str, reason: str) -> int | None:
    """Take this way; the Deployment that was made for it, None where the server was taken as it is."""
    page = look(world, doubt)
    shown = {"shown": f"{doubt.server}={_shown(page, doubt)}"} if way == AS_IS else {}
    after = world.ada.send(doubt.path, act=way, server=doubt.server, reason=reason, **shown)
    if way == AS_IS:
        query = f"SELECT way FROM deployments_attention WHERE target_id = {doubt.target:d}"
        world.wait(lambda: world.record.rows(query) == [(AS_IS,)], f"{doubt.server} is taken as it is", SEEN_SECONDS)
        return None
    number = after.path.removeprefix("/deployments/").strip("/")
    if not number.isdecimal():
        raise PartError(f"{way} led to {after.path}: {after.words()[:600]}")
    return int(number)


def audited(world: World, doubt: Doubt) -> list[tuple[str, str, str]]:
    """What the audit trail says of it: who, which way, why."""
    rows = world.record.rows(
        "SELECT actor_name, after FROM deployments_auditentry WHERE action = 'target.settle' AND object_kind = 'target'"
        f" AND object_id = '{doubt.target:d}' ORDER BY number"
    )
    told = [(str(name), json.loads(after) if isinstance(after, str) else after) for name, after in rows]
    return [(name, str(after["way"]), str(after["reason"])) for name, after in told]


def _shown(page: Page, doubt: Doubt) -> str:
    """The fingerprint of what the page shows; "" as long as nobody has looked."""
    return str(dict(_SHOWN.findall(page.text)).get(doubt.server, ""))
