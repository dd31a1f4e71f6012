"""What one thing costs an installation: a process that does nothing, a deploy to a server, a look at one, a line of log.

There is no reference and no aim: these are the numbers of this machine that docs/scaling.md calculates with. Processes are read from the
kernel, PostgreSQL from its own statistics. The reconciler asks for looks every five seconds while looks are measured, and is away while
deploys are, so that neither is in the other's numbers.
"""

import argparse
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import redis

from bench import processes
from bench.fanout import FIRST_PORT, HEALTH
from bench.frame import Row, show
from bench.seats import INSIDE
from bench.servers import Servers, servers
from deployments import live
from parts.processes import wait_until
from parts.supervisor import Interrupted

SETTINGS = {"ESTIVA_HOST_CHECK_SECONDS": "5"}
LOOKS = 10  # at each server
LINES, LONG = 20_000, 100  # lines stored, characters of each
AT_ONCE = (1, 4, 40, 400)  # lines of a chunk
_DATABASE = """SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8, pg_database_size(current_database())::float8,
 (SELECT coalesce(sum(calls), 0)::float8 FROM pg_stat_statements), tup_inserted::float8, tup_updated::float8
 FROM pg_stat_database WHERE datname = current_database()"""
_LOOKS = "SELECT count(*) FROM deployments_operation WHERE kind = 'check' AND status = 'succeeded'"


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used since the beginning: seconds of a core by role, and what the database counted."""

    cpu: dict[str, float]
    wal: float
    size: float
    statements: float
    inserted: float
    updated: float

    @classmethod
    def now(cls, made: Servers, roles: Iterable[str]) -> "Spent":
        """So far, of the roles that somebody has now."""
        cpu = {role: processes.taken(made.estiva.folder, role).cpu_seconds for role in roles}
        with _connected(made) as database:
            database.execute("SELECT pg_stat_force_next_flush()")
            (row,) = database.execute(_DATABASE)
        return cls(cpu, *row)

    def since(self, before: "Spent") -> "Spent":
        """The difference."""
        cpu = {role: self.cpu[role] - before.cpu[role] for role in self.cpu}
        names = ("wal", "size", "statements", "inserted", "updated")
        return Spent(cpu, *(getattr(self, name) - getattr(before, name) for name in names))


def _connected(made: Servers) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(made.estiva.database_url, autocommit=True)


def measure(count: int, rounds: int) -> dict[str, float]:
    """Figure → number, on so many servers."""
    with servers(count, SETTINGS) as made:
        _count_statements(made)
        found = _idle(made)
        found |= _looks(made, count)
        for each in made.estiva.alive("reconciler"):
            made.estiva.end(each)
        found |= _deploys(made, count, rounds)
        return found | _stored(made) | _in_redis(made)


def _count_statements(made: Servers) -> None:
    """PostgreSQL's own counter has to be there when it starts; Estiva connects again by itself."""
    with _connected(made) as database:
        database.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    assert made.estiva.postgres is not None
    made.estiva.postgres.restart()
    with _connected(made) as database:
        database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _idle(made: Servers) -> dict[str, float]:
    return {f"{role}_idle_mb": processes.taken(made.estiva.folder, role).memory_mb for role in processes.ROLES}


def _looks(made: Servers, count: int) -> dict[str, float]:
    """While nothing else happens."""
    begun, before = _looked(made), Spent.now(made, processes.ROLES)
    wait_until(lambda: _looked(made) - begun >= LOOKS * count, "servers are not looked at", timeout=300)
    spent, done = Spent.now(made, processes.ROLES).since(before), _looked(made) - begun
    print(f"{done} looks: {spent}", flush=True)
    return {
        "look_core_s": spent.cpu["looker"] / done,
        "look_reconciler_core_s": spent.cpu["reconciler"] / done,
        "look_statements": spent.statements / done,
        "look_wal_kb": spent.wal / done / 1000,
    }


def _looked(made: Servers) -> int:
    with _connected(made) as database:
        ((done,),) = database.execute(_LOOKS)
    return int(done)


def _deploys(made: Servers, count: int, rounds: int) -> dict[str, float]:
    """One application to all servers, again and again, each time with its plan."""
    published = {"container_port": INSIDE, "host_port": FIRST_PORT, "host_address": "127.0.0.1", "protocol": "tcp"}
    images = [made.images.page(tag).reference for tag in ("1", "2")]

    def deploy(number: int) -> None:
        made.place("shop", images[number % 2], count, {"ports": [published], "health": HEALTH})
        made.deploy("shop")

    memory = processes.taken(made.estiva.folder, "worker").memory_mb
    for number in range(2):
        deploy(number)
    grown = processes.taken(made.estiva.folder, "worker").memory_mb - memory
    roles = [role for role in processes.ROLES if role != "reconciler"]
    before = Spent.now(made, roles)
    for number in range(rounds):
        deploy(number)
    spent, done = Spent.now(made, roles).since(before), rounds * count
    print(f"{done} deploys: {spent}", flush=True)
    return {
        "deploy_core_s": spent.cpu["worker"] / done,
        "deploy_looker_core_s": spent.cpu["looker"] / done,
        "deploy_web_core_s": spent.cpu["web"] / rounds,
        "deploy_statements": spent.statements / done,
        "deploy_rows_written": spent.inserted / done,
        "deploy_rows_changed": spent.updated / done,
        "deploy_wal_kb": spent.wal / done / 1000,
        "deploy_disk_kb": spent.size / done / 1000,
        "worker_grows_mb_a_server": grown / count,
    }


def _said() -> Iterator[live.LogLine]:
    """Lines as applications write them: words, numbers, no two alike."""
    dice = random.Random(1)  # noqa: S311 - sample data
    words = ["request", "handled", "in", "ms", "user", "order", "GET", "POST", "/api/items", "cache", "miss", "worker"]
    for number in range(LINES):
        text = " ".join(dice.choice([*words, str(dice.randrange(100_000))]) for _ in range(30))[:LONG].ljust(LONG, ".")
        yield live.LogLine(number + 1, 1_790_000_000_000 + 37 * number, "health", "stdout", text)


def _chunks(at_once: int) -> Iterator[tuple[int, int, str]]:
    """First line, last line, the lines as they are stored."""
    lines = list(_said())
    for at in range(0, LINES, at_once):
        part = lines[at : at + at_once]
        yield part[0].number, part[-1].number, live.encode_lines(part)


def _stored(made: Servers) -> dict[str, float]:
    """Bytes of a line in PostgreSQL, rows and indexes, by how many lines came at once."""
    found = {}
    with _connected(made) as database:
        for at_once in AT_ONCE:
            database.execute("CREATE TABLE cost (LIKE deployments_logchunk INCLUDING ALL)")
            with database.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO cost (target_id, first_line, last_line, fence, lines) VALUES (1, %s, %s, 1, %s)",
                    list(_chunks(at_once)),
                )
            database.execute("VACUUM FULL cost")
            ((size,),) = database.execute("SELECT pg_total_relation_size('cost')::float8")
            database.execute("DROP TABLE cost")
            found[f"line_bytes_{at_once}_at_once"] = size / LINES
    return found


def _in_redis(made: Servers) -> dict[str, float]:
    """Bytes of a line in the live tail."""
    found = {}
    with redis.Redis.from_url(made.estiva.valkey.url) as broker:
        for at_once in (1, 40):
            for first, last, lines in _chunks(at_once):
                entry: Mapping[Any, Any] = live.wake_log(1, 1, first, last, lines)
                broker.xadd("cost", dict(entry))
            size = broker.memory_usage("cost", samples=0) or 0
            broker.delete("cost")
            found[f"redis_line_bytes_{at_once}_at_once"] = size / LINES
    return found


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench cost", description=__doc__)
    parser.add_argument("--servers", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--rounds", type=int, default=5, help="deploys to all of them (default: 5)")
    given = parser.parse_args(words)
    try:
        figures = measure(given.servers, given.rounds)
    except Interrupted as reason:
        print(f"bin/bench cost: interrupted by {reason}")
        return 1
    rows = [
        Row("a deploy to one server, of a worker's core", figures["deploy_core_s"]),
        Row("a look at a server, of a worker's core", figures["look_core_s"]),
    ]
    show("cost", f"What one thing costs, on {given.servers} servers", rows, figures, {})
    return 0
