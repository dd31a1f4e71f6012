"""How `bin/bench pages` asks: over HTTP from the real web process, by each person what they may see, in rounds whose order is shuffled."""

import http.client
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from bench.pages_list import BOUNDED, PAGES
from bench.pages_stage import Stage
from parts.processes import PartError

TRIVIAL = "/healthz"
WARM_UP = 3  # requests to each page, not counted
ALL_SEE = "admin"


def p95(values: Sequence[float]) -> float:
    """The 95th of a hundred; of a single one, that."""
    return quantiles(values, n=20)[18] if len(values) > 1 else values[0]


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
        return p95(self.whole)


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
            for who in _asking(name, people) if only in name else ():
                statuses = {asker.ask(path, who)[0] for path in paths}
                if statuses == {200}:
                    found.append(Measured(name, who, paths))
                elif who == ALL_SEE or statuses & {500, 400, 422}:
                    raise PartError(f"{name} answered {who} {sorted(statuses)}: {', '.join(paths)}")
    if not found:
        raise PartError(f"No page's name contains {only!r}: nothing would be measured.")
    return found


def _asking(name: str, people: Sequence[str]) -> Sequence[str]:
    """What takes its time whoever asks is asked for by one."""
    return people[:1] if name in BOUNDED else people


def measure(asker: Asker, found: Sequence[Measured], requests: int) -> list[list[float]]:
    """Fill them in, in rounds whose order is shuffled; the reference's times in each round."""
    shuffled = random.Random(1)  # noqa: S311 - an order, no secret
    trivial: list[list[float]] = [[] for _ in range(requests)]
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
                trivial[number].append(asker.ask(TRIVIAL, page.who)[1])
        print(f"round {number + 1} of {requests}", flush=True)
    return trivial


def download(asker: Asker, path: str, rounds: int) -> tuple[list[float], float]:
    """Seconds of each round, after one that isn't counted, and MB a second in the median round."""
    spent: list[float] = []
    for number in range(-1, rounds):
        status, milliseconds, _, size = asker.ask(path, ALL_SEE)
        if status != 200 or not size:
            raise PartError(f"{path} answered {status} with {size} bytes.")
        spent += [milliseconds / 1000] if number >= 0 else []
    return spent, size / 1e6 / median(spent)
