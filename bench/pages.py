"""Every page of a large installation: 1,000,000 deployments, 200 applications in three environments, 300 servers.

Each address is asked for over HTTP from the real web process with production's settings, by an admin, by a member with
grants on a few applications and by an auditor. The time is from the request sent to the last byte read, on the loopback;
the reference is /healthz over the same connection, which no Django and no database is needed for. Queries, and what the
answer took within Django, stand in a header that only the benchmark's settings add.
"""

import argparse
import http.client
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median, quantiles
from typing import Any

from bench.frame import Row, show
from bench.pages_list import PAGES
from bench.pages_stage import Stage, staged
from parts.processes import PartError
from parts.supervisor import Interrupted, Supervisor

AIMS = {"slowest_p95_ms": 50.0}
TRIVIAL = "/healthz"
WARM_UP = 3
SHOWN = 25
MANY = 20  # queries: more are named one by one


@dataclass
class Measured:
    """One page for one person. Times in milliseconds: of the request, within Django, of the processor there, of the database."""

    name: str
    who: str
    addresses: tuple[str, ...]
    whole: list[float] = field(default_factory=list)
    django: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    queries: int = 0
    size: int = 0

    @property
    def p95(self) -> float:
        """Of the whole request."""
        return quantiles(self.whole, n=20)[18]


class Asker:
    """One kept connection to the web process for each who asks, as a browser has it."""

    def __init__(self, stage: Stage, people: Mapping[str, Mapping[str, str]]) -> None:
        self._people = people
        self._web = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=60)

    def ask(self, path: str, who: str) -> tuple[int, float, list[float], int]:
        """Status, milliseconds, the header's numbers and the answer's bytes."""
        person = self._people[who]
        signed = (
            {"Authorization": f"Bearer {person['token']}"} if path.startswith("/api/") else {"Cookie": person["cookie"]}
        )
        begun = time.perf_counter()
        self._web.request("GET", path, headers={**signed, "Accept": "text/html"})
        response = self._web.getresponse()
        body = response.read()
        spent = (time.perf_counter() - begun) * 1000
        return (
            response.status,
            spent,
            [float(each) for each in response.headers.get("X-Cost", "0 0 0 0").split()],
            len(body),
        )


def pages(asker: Asker, people: Sequence[str], things: Mapping[str, Any], only: str) -> list[Measured]:
    """What each may see; PartError where a page doesn't answer the admin, since then nothing would be measured."""
    found = []
    for route, looks in PAGES.items():
        for look, addresses in looks.items():
            name = f"{route}: {look}" if look else route
            paths = tuple(each.format(**things) for each in addresses)
            for who in people if only in name else ():
                statuses = {asker.ask(path, who)[0] for path in paths}
                if statuses == {200}:
                    found.append(Measured(name, who, paths))
                elif who == "admin" or statuses & {500, 400, 422}:
                    raise PartError(f"{name} answered {who} {sorted(statuses)}: {', '.join(paths)}")
    return found


def measure(asker: Asker, found: Sequence[Measured], requests: int) -> list[float]:
    """Fill them in, in rounds whose order is shuffled; the reference's times."""
    shuffled, trivial = random.Random(1), []  # noqa: S311 - an order, no secret
    order = list(found)
    for number in range(-min(WARM_UP, requests), requests):
        shuffled.shuffle(order)
        for place, page in enumerate(order):
            path = page.addresses[number % len(page.addresses)]
            status, whole, (django, processor, queries, database), size = asker.ask(path, page.who)
            if status != 200:
                raise PartError(f"{path} answered {page.who} {status}, after it had answered 200.")
            if number >= 0:
                page.whole.append(whole)
                page.django.append(django)
                page.processor.append(processor)
                page.database.append(database)
                page.queries, page.size = max(page.queries, int(queries)), max(page.size, size)
            if place % 10 == 0 and number >= 0:
                trivial.append(asker.ask(TRIVIAL, page.who)[1])
        print(f"round {number + 1} of {requests}", flush=True)
    return trivial


def print_all(found: Sequence[Measured]) -> None:
    """The whole table, slowest first."""
    width = max(len(page.name) for page in found)
    print(f"\n  {'page':<{width}}  who      p50 ms   p95 ms  Django     CPU  database  queries       KB")
    for page in sorted(found, key=lambda each: -each.p95):
        times = f"{median(page.whole):7.1f}  {page.p95:7.1f}  {median(page.django):6.1f}  {median(page.processor):6.1f}  {median(page.database):8.1f}"
        print(f"  {page.name:<{width}}  {page.who:<7}  {times}  {page.queries:7}  {page.size / 1024:7.0f}")


def figures(found: Sequence[Measured], trivial: Sequence[float]) -> dict[str, float | str]:
    """What the last line bears."""
    slowest, most = max(found, key=lambda each: each.p95), max(found, key=lambda each: each.queries)
    middle = median(median(page.whole) for page in found)
    return {
        "slowest_p95_ms": slowest.p95,
        "slowest_page": f"{slowest.name} ({slowest.who})",
        "over_50_ms": float(sum(page.p95 > AIMS["slowest_p95_ms"] for page in found)),
        "pages": float(len(found)),
        "most_queries": float(most.queries),
        "most_queries_page": f"{most.name} ({most.who})",
        "median_ms": middle,
        "trivial_p95_ms": quantiles(trivial, n=20)[18],
        "ratio_to_trivial": middle / median(trivial),
    }


def rows(found: Sequence[Measured]) -> list[Row]:
    """The slowest, for the frame's table."""
    slow = islice(sorted(found, key=lambda each: -each.p95), 10)
    return [
        Row(f"{page.name} ({page.who})", page.p95 / 1000, f"{page.p95:.1f} ms at p95, {page.queries} queries")
        for page in slow
    ]


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench pages", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="deployments, with all else in proportion (default: 1000000)"
    )
    parser.add_argument("--requests", type=int, default=40, help="to each page by each person (default: 40)")
    parser.add_argument("--only", default="", help="pages whose name contains this")
    parser.add_argument(
        "--who", nargs="*", default=["admin", "member", "auditor"], help="who asks (default: all three)"
    )
    parser.add_argument("--anew", action="store_true", help="make the data set again")
    given = parser.parse_args(words)
    try:
        with Supervisor() as supervisor, supervisor.signals(), staged(given.rows, anew=given.anew) as stage:
            looked = stage.sent("bench.pages_people", {})
            asker = Asker(stage, looked["people"])
            found = pages(asker, given.who, looked["things"], given.only)
            trivial = measure(asker, found, given.requests)
            counts = stage.counts
    except Interrupted as reason:
        print(f"bin/bench pages: interrupted by {reason}")
        return 1
    print_all(found)
    said = ", ".join(f"{int(amount):,} {name}" for name, amount in counts.items() if name != "seconds")
    show("pages", f"Pages: {said}", rows(found), figures(found, trivial), AIMS)
    return 0
