"""What is written beside the history: Operations, Plans, one-off runs, terminals, what servers were seen to run."""

from datetime import datetime, timedelta
from typing import Any, Final

from bench import pages_health
from bench.pages_copy import copies, stamp
from bench.pages_world import World
from deployments.live import LogLine, encode_lines
from deployments.models import (
    Attention,
    Host,
    OneOffRun,
    Operation,
    Plan,
    Release,
    RunChunk,
    Target,
    Terminal,
    TerminalChunk,
)
from deployments.queries.terminals import OUTPUT

PLANS: Final = 10_000
RUNS: Final = 600
TERMINALS: Final = 60
IN_DOUBT: Final = 5  # servers
FOLLOWED: Final = "docker.io/library/app:1"


def write_beside(world: World, amount: int) -> None:
    """In proportion to `amount` Deployments, where it grows with them."""
    _operations(world, amount // 2)
    _plans(world, max(2 * len(world.placements), min(PLANS, amount // 50)))
    _runs(world)
    _terminals(world)
    _seen(world)
    doubts()
    pages_health.write(world.hosts, world.now, amount)


def doubts() -> None:
    """What became of servers that were left in doubt: of the newest nobody has dealt with a few, if that isn't on record yet."""
    if Attention.objects.exists():
        return
    left = Target.objects.filter(status="needs_attention", role="deploy").select_related("deployment").order_by("-pk")
    rows, seats = [], set[tuple[int, int]]()
    for each in left[:5_000]:
        seat = (each.placement_id, each.host_id)
        is_open = len(seats) < IN_DOUBT and seat not in seats
        seats |= {seat} if is_open else set()
        dealt = {} if is_open else {"way": Attention.Way.LATER, "dealt_at": each.ended_at}
        rows.append(
            Attention(
                target=each,
                placement_id=seat[0],
                host_id=seat[1],
                opened_at=each.ended_at or each.deployment.requested_at,
                **dealt,
            )
        )
    Attention.objects.bulk_create(rows)


def _operations(world: World, amount: int) -> None:
    """Checks and Plans of the past, which nothing refers to."""
    columns = ("kind", "host_id", "placement_id", "status", "deadline_at", "requested_at", "started_at", "ended_at")
    with copies((Operation, columns)) as (rows,):
        for number in range(amount):
            at = world.now - timedelta(days=60) * (1 - number / amount)
            times = (stamp(at + timedelta(minutes=2)), stamp(at), stamp(at), stamp(at + timedelta(seconds=2)))
            if number % 4:
                rows.add("check", world.hosts[number % len(world.hosts)].pk, "\\N", "succeeded", *times)
            else:
                rows.add("plan", "\\N", world.placements[number % len(world.placements)].pk, "succeeded", *times)


def _operation(world: World, kind: str, at: datetime, **more: Any) -> Operation:
    ended = {"status": "succeeded", "requested_at": at, "started_at": at, "ended_at": at, "deadline_at": at}
    return Operation(
        kind=kind, requested_by=world.people[0], requested_by_name=world.people[0].name, **{**ended, **more}
    )


def _plans(world: World, amount: int) -> None:
    looks = Operation.objects.bulk_create(
        _operation(
            world, "plan", world.now - timedelta(minutes=amount - number), placement=world.placements[number % 600]
        )
        for number in range(amount)
    )
    change = {"kind": "image", "name": "", "before": "1.0.0", "after": "1.0.1"}
    rows = []
    for look in looks:
        place = look.placement
        if place is None:
            raise ValueError("A Plan's Operation has a Placement.")
        hosts = [_planned(world, seat.host_id) for seat in world.seats[place.pk]]
        values = {
            "image": place.image,
            "settings": place.settings,
            "placement_version": 1,
            "tag": "1.0.1",
            "hosts": hosts,
        }
        rows.append(
            Plan(
                placement=place,
                operation=look,
                is_ready=True,
                fingerprint="7c1e" * 16,
                changes=[change],
                digest=f"sha256:{'7c1e' * 16}",
                **values,
            )
        )
    Plan.objects.bulk_create(rows)


def _planned(world: World, host_id: int) -> dict[str, Any]:
    host = world.hosts[host_id - world.hosts[0].pk]
    good = {"check": "disk", "result": "good", "message": "31 GB free.", "remedy": ""}
    return {
        "host": host.pk, "name": host.name, "ready": True, "findings": [good] * 6, "engine": "26.1.4", "platform": "linux/amd64",
        "disk_free": 31_000_000_000, "strategy": "stop-first", "reasons": ["It publishes port 8080."], "gap": True, "first": False, "away": "",
    }  # fmt: skip


def _runs(world: World) -> None:
    place = world.placements[0]
    host = world.hosts[world.seats[place.pk][0].host_id - world.hosts[0].pk]
    release = Release.objects.filter(placement=place)[0]
    asked = Operation.objects.bulk_create(
        _operation(
            world,
            "run",
            world.now - timedelta(hours=RUNS - number),
            host=host,
            placement=place,
            request={"what": "run"},
        )
        for number in range(RUNS)
    )
    runs = OneOffRun.objects.bulk_create(
        OneOffRun(
            operation=each,
            release=release,
            host_name=host.name,
            command=["./manage.py", "migrate"],
            seconds=600,
            exit_code=0,
            last_line=20_000,
        )
        for each in asked
    )
    chunks = []
    for run in runs:
        whole = run is runs[-1]
        for first in range(1, 20_001 if whole else 101, 100):
            lines = [
                LogLine(n, 1_780_000_000_000 + n, "run", "stdout", f"row {n} was migrated")
                for n in range(first, first + 100)
            ]
            chunks.append(RunChunk(run=run, first_line=first, last_line=first + 99, fence=1, lines=encode_lines(lines)))
    RunChunk.objects.bulk_create(chunks, batch_size=1000)


def _terminals(world: World) -> None:
    place = world.placements[0]
    host = world.hosts[world.seats[place.pk][0].host_id - world.hosts[0].pk]
    release = Release.objects.filter(placement=place)[0]
    asked = Operation.objects.bulk_create(
        _operation(world, "terminal", world.now - timedelta(hours=number), host=host, placement=place)
        for number in range(TERMINALS)
    )
    made = Terminal.objects.bulk_create(
        Terminal(operation=each, release=release, host_name=host.name, container_id="c" * 64, container_name="app", command=["/bin/sh"],
                 session_epoch=0, last_piece=5000, outcome={"status": "succeeded", "what": "", "why": "", "remedy": ""}, ended_how="itself")
        for each in asked
    )  # fmt: skip
    lines = [LogLine(n, 1_780_000_000_000 + n, "terminal", OUTPUT, f"$ echo {n}\r\n{n}\r\n") for n in range(1, 5001)]
    TerminalChunk.objects.bulk_create(
        TerminalChunk(
            terminal=each,
            first_line=first,
            last_line=first + 499,
            fence=1,
            lines=encode_lines(lines[first - 1 : first + 499]),
        )
        for each in made
        for first in range(1, 5001, 500)
    )


def _seen(world: World) -> None:
    """What every server was seen to hold; a look at it and a follow, the newest of their kind."""
    here: dict[int, list[dict[str, Any]]] = {host.pk: [] for host in world.hosts}
    for place in world.placements:
        for seat in world.seats[place.pk]:
            here[seat.host_id].append(
                _container(place.pk, seat.host_id, f"{place.application.name}-{place.environment.name}")
            )
    for host in world.hosts:
        keys = ("id", "name", "release", "placement", "state", "image")
        host.containers = [{**{key: row[key] for key in keys}, "since": world.now.isoformat()} for row in here[host.pk]]
    Host.objects.bulk_update(world.hosts, ("containers",))
    looks = [_operation(world, "room", world.now, host=host, result=_room(here[host.pk])) for host in world.hosts]
    Operation.objects.bulk_create(looks)
    place = world.placements[0]
    what = {
        "what": "log",
        **{key: here[world.seats[place.pk][0].host_id][0][key] for key in ("id", "name", "release")},
        "placement": place.pk,
    }
    Operation.objects.bulk_create(
        _operation(world, "follow", world.now, host=seat.host, placement=place, request=what)
        for seat in world.seats[place.pk]
    )


def _container(placement: int, host: int, name: str) -> dict[str, Any]:
    return {
        "id": f"{placement:06x}{host:06x}".ljust(64, "0"), "name": f"{name}-r1.f1", "image": FOLLOWED, "image_id": "sha256:1",
        "state": "running", "status": "Up 3 hours", "health": "healthy", "ports": ["8080 → 5000"], "networks": ["bridge"],
        "created": 1_780_000_000, "ours": True, "placement": str(placement), "release": "1", "service": "",
    }  # fmt: skip


def _room(containers: list[dict[str, Any]]) -> dict[str, Any]:
    images = [
        {"id": f"sha256:{n}", "name": f"app:{n}", "tags": [f"app:{n}"], "digests": [], "size": 70_000_000, "shared": 10_000_000,
         "created": 1_780_000_000, "used_by": [], "ours": False}
        for n in range(40)
    ]  # fmt: skip
    rows = [{**each, "placement": int(each["placement"])} for each in containers]
    disk = {"images": 70_000_000, "containers": 0, "volumes": 9_000_000, "cache": 0}
    return {"containers": rows, "images": images, "volumes": [], "networks": [], "disk": disk, "left_out": {}}
