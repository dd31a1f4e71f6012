"""The history of a world: two years of Deployments with what they brought, where, in which steps, and what was said meanwhile."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final

from bench.pages_copy import connect, copies, escaped, stamp
from bench.pages_world import World
from deployments import audit
from deployments.live import LogLine, encode_lines
from deployments.models import (
    AuditEntry,
    AuditHead,
    Deployment,
    LogChunk,
    Placement,
    PlacementHost,
    Release,
    Target,
)

SPAN: Final = timedelta(days=730)
OPEN: Final = 18  # the newest, each of another Placement: two in three run
LONG_LOG: Final = 200_000
EVERYWHERE: Final = 5_000  # each so many goes to the Placement with the most servers
LINES: Final = 8  # of a Target, in two chunks
_SAID: Final = (
    ("pull", "Pulling fs layer 7c1e%d"), ("pull", "Download complete: 31 MB of 31 MB"),
    ("replace", "Container started as app-production-r%d.f1"), ("health", "GET / answered 200 in 14 ms"),
    ("health", "Healthy: 3 of 3 looks passed"), ("verify", "The intended image runs: sha256:7c1e7c1e"),
    ("cleanup", "Removed the container of release %d"), ("cleanup", "Kept 5 releases for a way back"),
)  # fmt: skip


@dataclass
class _Place:
    """A Placement as time goes on. `running` is the last Release that went well, `brought` its Target on each Host."""

    row: Placement
    seats: list[PlacementHost]
    releases: int = 0
    newest: int = 0
    running: int | None = None
    running_number: int = 0
    brought: dict[int, int] = field(default_factory=dict)
    since: datetime | None = None


def write(world: World, amount: int) -> None:
    """`amount` Deployments and all that belongs to them."""
    _Writer(world, amount).write()


class _Writer:
    def __init__(self, world: World, amount: int) -> None:
        self._world, self._amount, self._chance = world, amount, world.chance
        self._places: list[_Place] = [_Place(row, world.seats[row.pk]) for row in world.placements]
        # A few Placements move all day, most now and then: as teams are
        self._weights = list(accumulate(1 / (place + 3) ** 0.7 for place in range(len(self._places) - 1)))
        self._most = self._places[:-1]
        self._target = self._release = self._entry = 0
        self._variables = escaped([{"name": f"VALUE_{n}", "value": f"value {n}"} for n in range(9)])
        self._settings = escaped(world.placements[0].settings)

    def write(self) -> None:
        """Oldest first, so that every index grows at its end."""
        with copies(
            (Release, ("id", "placement_id", "number", "image", "tag", "digest", "settings", "variables", "created_by_name", "created_at")),
            (Deployment, ("id", "placement_id", "release_id", "previous_release_id", "kind", "status", "changes", "application_name",
                          "environment_name", "requested_by_id", "requested_by_name", "requested_at", "started_at", "ended_at")),
            (Target, ("id", "deployment_id", "placement_id", "host_id", "host_name", "status", "fence", "started_at", "ended_at",
                      "outcome", "serving_release", "last_line", "log_bytes")),
            (LogChunk, ("target_id", "first_line", "last_line", "fence", "lines")),
            (AuditEntry, ("number", "at", "actor_id", "actor_name", "action", "object_kind", "object_id", "object_name", "outcome",
                          "previous_mac", "mac")),
        ) as streams:  # fmt: skip
            self._releases, self._deployments, self._targets, self._chunks, self._entries = streams
            for number in range(1, self._amount + 1):
                self._one(number)
            self._long_log()
        self._stand()

    def _one(self, number: int) -> None:
        chance, opens = self._chance, number > self._amount - OPEN
        asked = self._world.now - SPAN * (1 - number / (self._amount + 1))
        place, status = self._chosen(number)
        kind = _kind(chance.random())
        release, release_number = self._brought(place, kind, asked)
        began, ended = asked + timedelta(seconds=1), asked + timedelta(seconds=11 + number % 40)
        person = self._world.people[chance.randrange(40)]
        change = [
            {"kind": "image", "name": "", "before": f"1.0.{release_number - 1}", "after": f"1.0.{release_number}"}
        ]
        row = place.row
        self._deployments.add(
            number, row.pk, release, place.running or "\\N", kind, status, escaped(change), row.application.name, row.environment.name,
            person.pk, person.name, stamp(asked), "\\N" if status == "queued" else stamp(began), "\\N" if opens else stamp(ended),
        )  # fmt: skip
        brought = self._shares(place, number, status, release_number, began, ended)
        if status == "succeeded":
            place.running, place.running_number, place.brought, place.since = release, release_number, brought, ended
        self._noted(person.pk, person.name, "deployment.request", number, asked, "done")
        if not opens:
            outcome = "done" if status == "succeeded" else "failed"
            self._noted("\\N", "Estiva", "deployment.end", number, ended, outcome)

    def _chosen(self, number: int) -> tuple[_Place, str]:
        """Where to, and how it went. The open ones are on Placements of their own, some of them the member's."""
        if number > self._amount - OPEN:
            return self._places[number - self._amount + OPEN], "queued" if number % 3 == 0 else "running"
        if number % EVERYWHERE == 1:
            return self._places[-1], "succeeded"
        place = self._chance.choices(self._most, cum_weights=self._weights)[0]
        return place, _status(self._chance.random())

    def _brought(self, place: _Place, kind: str, asked: datetime) -> tuple[int, int]:
        """The Release's id and number: a new one, or the one that runs."""
        if kind != "deploy" and place.running is not None:
            return place.running, place.running_number
        self._release += 1
        place.releases += 1
        place.newest = self._release
        name, tag = place.row.application.name, f"1.0.{place.releases}"
        self._releases.add(
            self._release, place.row.pk, place.releases, f"registry.example.com/{name}:{tag}", tag, f"sha256:{self._release:064x}",
            self._settings, self._variables, "Ana Prado", stamp(asked),
        )  # fmt: skip
        return self._release, place.releases

    def _shares(
        self, place: _Place, number: int, status: str, release: int, began: datetime, ended: datetime
    ) -> dict[int, int]:
        brought = {}
        outcome = _OUTCOMES[status]
        opens = status in ("queued", "running")
        for seat in place.seats:
            self._target += 1
            brought[seat.host_id] = self._target
            queued = status == "queued"
            self._targets.add(
                self._target, number, place.row.pk, seat.host_id, self._world.hosts[seat.host_id - self._world.hosts[0].pk].name,
                _OF_TARGET[status], 0 if queued else 1, "\\N" if queued else stamp(began), "\\N" if opens else stamp(ended), outcome,
                "\\N" if opens else release if status == "succeeded" else place.running_number or "\\N",
                0 if queued else LINES, 0 if queued else 700,
            )  # fmt: skip
            if not queued:
                millis = int(began.timestamp() * 1000)
                for first, text in _CHUNKS[self._target % len(_CHUNKS)]:
                    self._chunks.add(
                        self._target, first, first + 3, 1, text % (millis, millis + 900, millis + 1800, millis + 4000)
                    )
        return brought

    def _noted(self, person: object, name: str, action: str, deployment: int, at: datetime, outcome: str) -> None:
        self._entry += 1
        self._entries.add(
            self._entry, stamp(at), person, name, action, "deployment", deployment, f"#{deployment}", outcome,
            f"{self._entry - 1:064x}", f"{self._entry:064x}",
        )  # fmt: skip

    def _long_log(self) -> None:
        """One Target more lines than anybody reads: the newest of the Placement that moves most, where it has ended."""
        target = next(iter(self._places[0].brought.values()))
        for first in range(LINES + 1, LONG_LOG + 1, 200):
            last = min(first + 199, LONG_LOG)
            rows = [
                LogLine(n, 1_780_000_000_000 + n, "health", "stdout", f"request {n} answered 200 in {n % 97} ms")
                for n in range(first, last + 1)
            ]
            self._chunks.add(target, first, last, 1, encode_lines(rows))
        self._long = target

    def _stand(self) -> None:
        """What runs now, by the last that went well; the trail's head; the steps, which the server makes itself."""
        with connect() as server:
            server.execute(_STEPS)
            server.execute(
                "UPDATE deployments_target SET last_line = %s, log_bytes = 9000000 WHERE id = %s",
                (LONG_LOG, self._long),
            )
        seats = []
        for place in self._places:
            for seat in place.seats if place.running else ():
                seat.running_release_id, seat.running_target_id = place.running, place.brought[seat.host_id]
                seat.running_since, seat.fence = place.since, 1
                seats.append(seat)
            place.row.next_release = place.releases + 1
        PlacementHost.objects.bulk_update(seats, ("running_release", "running_target", "running_since", "fence"))
        Placement.objects.bulk_update([place.row for place in self._places], ("next_release",))
        head, _made = AuditHead.objects.get_or_create(pk=1)
        head.number, head.mac = self._entry, f"{self._entry:064x}"
        head.head_mac = audit._head_mac(head)
        head.save()


def _kind(at: float) -> str:
    return "deploy" if at < 0.85 else "redeploy" if at < 0.93 else "rollback"


def _status(at: float) -> str:
    return "succeeded" if at < 0.93 else "failed" if at < 0.975 else "cancelled" if at < 0.995 else "needs_attention"


def _chunks_said(place: int) -> list[tuple[int, str]]:
    """Two chunks of four lines; the times are left to be filled in, in milliseconds."""
    found = []
    for first in (1, 5):
        lines = [
            [first + n, "TIME", step, "stdout", text % (place * 8 + n) if "%" in text else text, "info"]
            for n, (step, text) in enumerate(_SAID[first - 1 : first + 3])
        ]
        found.append((first, escaped(lines).replace("%", "%%").replace('"TIME"', "%d")))
    return found


def _outcome(what: str, **more: Any) -> str:
    return escaped({"what": what, "why": "", "remedy": "", "failed_step": "health", **more})


_CHUNKS: Final = [_chunks_said(place) for place in range(300)]
_OF_TARGET: Final = {"succeeded": "succeeded", "failed": "failed_restored", "cancelled": "cancelled",
                     "needs_attention": "needs_attention", "queued": "queued", "running": "running"}  # fmt: skip
_OUTCOMES: Final = {
    "succeeded": "{}",
    "failed": _outcome("The new version never became healthy; the old one serves again."),
    "cancelled": _outcome("It was cancelled before anything was changed."),
    "needs_attention": _outcome("The connection was lost.", settled={"by": "Ana Prado"}),
    "queued": "{}",
    "running": "{}",
}
_STEPS: Final = """
INSERT INTO deployments_step (target_id, fence, key, status, started_at, ended_at, message, first_line, done, total, label)
SELECT target.id, 1, step.key,
       CASE WHEN target.status = 'running' AND step.number = 5 THEN 'running'
            WHEN target.status = 'failed_restored' AND step.number = 5 THEN 'bad' ELSE 'good' END,
       target.started_at + step.number * interval '1 second',
       CASE WHEN target.status = 'running' AND step.number = 5 THEN NULL ELSE target.started_at + step.number * interval '1.4 second' END,
       '', step.number, 0, 0, ''
FROM deployments_target AS target
CROSS JOIN (VALUES (1, 'connect'), (2, 'preflight'), (3, 'pull'), (4, 'replace'), (5, 'health'), (6, 'verify'), (7, 'cleanup')) AS step (number, key)
WHERE target.status <> 'queued' AND (target.status = 'succeeded' OR step.number <= 5)
ORDER BY target.id, step.number
"""
