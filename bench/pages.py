"""Every page of a large installation: 1,000,000 deployments, 200 applications in three environments, 300 servers.

Each address is asked for over HTTP from the real web process with production's settings, by an admin, by a member with
grants on a few applications and by an auditor. The time is from the request sent to the last byte read, on the loopback;
the reference is /healthz over the same connection, which no Django and no database is needed for, asked for among the pages in every round.
Queries, and what the answer took within Django, stand in a header that only the benchmark's settings add.

Pages are many and take no turns against another way of showing them: each is asked for forty times, in rounds whose order is shuffled, after
three that aren't counted, and the 95th of a hundred requests counts. The ratio to /healthz is one of medians. The number of queries is
compared with that of the same page on 50,000 deployments: what has more there grows with the history.

An exception, by design: two questions look through a log line by line, a search that finds nothing and the lines of one step, and answer
after half a second with what they have and the place to go on from. They are asked of a log of 200,000 lines, stand in the table, and not
in slowest_p95_ms; longest_search_ms is theirs. With the data there it takes six minutes; to make it the first time, twenty more.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.frame import Row, show
from bench.pages_ask import Asker, Measured, download, measure, p95, pages
from bench.pages_list import BOUNDED
from bench.pages_stage import staged
from bench.pairs import ROUNDS, by_part, each, noise
from parts.supervisor import Interrupted, Supervisor

AIMS = {"slowest_p95_ms": 50.0, "queries_that_grow": 0.0}
BESIDE = 50_000  # deployments, to compare the number of queries with
BESIDE_REQUESTS = 6
SHOWN = 12  # the slowest; all stand in the file and, folded, on the page


@dataclass(frozen=True)
class Looked:
    """What was found on a data set of one size. `trivial` is the reference, round by round; `download` a long log's, with its MB a second."""

    found: list[Measured]
    trivial: list[list[float]]
    counts: dict[str, float]
    download: tuple[list[float], float]


def look(rows: int, requests: int, people: Sequence[str], only: str, *, anew: bool = False) -> Looked:
    """Ask for every page of a data set with so many deployments."""
    with staged(rows, anew=anew) as stage:
        told = stage.sent("bench.pages_people", {"deployments": rows})
        asker = Asker(stage, told["people"])
        found = pages(asker, people, told["things"], only)
        trivial = measure(asker, found, requests)
        path = f"/deployments/{told['things']['long']}/raw"
        return Looked(found, trivial, dict(stage.counts), download(asker, path, ROUNDS))


def print_all(found: Sequence[Measured]) -> None:
    """The whole table, slowest first."""
    width = max(len(page.name) for page in found)
    print(f"\n  {'page':<{width}}  who      p50 ms   p95 ms  Django     CPU  database  queries       KB")
    for page in sorted(found, key=lambda each: -each.p95):
        times = f"{median(page.whole):7.1f}  {page.p95:7.1f}  {median(page.django):6.1f}  {median(page.processor):6.1f}  {median(page.database):8.1f}"
        print(f"  {page.name:<{width}}  {page.who:<7}  {times}  {page.queries:7}  {page.size / 1024:7.0f}")


def figures(found: Sequence[Measured], trivial: Sequence[Sequence[float]]) -> dict[str, float | str]:
    """What the last line bears of these pages."""
    all_in_time = [page for page in found if page.name not in BOUNDED] or list(found)
    slowest, most = max(all_in_time, key=lambda each: each.p95), max(all_in_time, key=lambda each: each.queries)
    middle = median(median(page.whole) for page in found)
    asked = [milliseconds for each in trivial for milliseconds in each]
    searches = [page.p95 for page in found if page.name in BOUNDED]
    return {
        "slowest_p95_ms": slowest.p95,
        "slowest_page": _named(slowest),
        "over_50_ms": float(sum(page.p95 > AIMS["slowest_p95_ms"] for page in all_in_time)),
        **({"longest_search_ms": max(searches)} if searches else {}),
        "pages": float(len(found)),
        "most_queries": float(most.queries),
        "most_queries_page": _named(most),
        "median_ms": middle,
        "trivial_p95_ms": p95(asked),
        "ratio_to_trivial": middle / median(asked),
    }


def growing(found: Sequence[Measured], beside: Sequence[Measured]) -> list[str]:
    """Pages with more queries than on the small data set, and how many; a search has as many as its time allows."""
    fewer = {_named(page): page.queries for page in beside if page.name not in BOUNDED}
    return [
        f"{_named(page)}: {fewer[_named(page)]} → {page.queries}"
        for page in found
        if page.queries > fewer.get(_named(page), page.queries)
    ]


def rows(found: Sequence[Measured]) -> list[Row]:
    """All, the slowest first."""
    return [
        Row(
            _named(page),
            page.p95 / 1000,
            f"at p95; p50 {median(page.whole):.1f} ms, {page.queries} queries, {page.size / 1024:.0f} KB"
            + (f"; {BOUNDED[page.name]}" if page.name in BOUNDED else ""),
        )
        for page in sorted(found, key=lambda each: -each.p95)
    ]


def _named(page: Measured) -> str:
    return f"{page.name} ({page.who})"


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench pages", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="deployments, with all else in proportion (default: 1000000)"
    )
    parser.add_argument(
        "--beside", type=int, default=BESIDE, help=f"deployments to compare with; 0: none (default: {BESIDE})"
    )
    parser.add_argument("--requests", type=int, default=40, help="to each page by each person (default: 40)")
    parser.add_argument("--only", default="", help="pages whose name contains this")
    parser.add_argument(
        "--who", nargs="*", default=["admin", "member", "auditor"], help="who asks (default: all three)"
    )
    parser.add_argument("--anew", action="store_true", help="make the data set again")
    given = parser.parse_args(words)
    beside = None
    try:
        with Supervisor() as supervisor, supervisor.signals():
            if given.beside:
                beside = look(given.beside, BESIDE_REQUESTS, given.who, given.only)
            large = look(given.rows, given.requests, given.who, given.only, anew=given.anew)
    except Interrupted as reason:
        print(f"bin/bench pages: interrupted by {reason}")
        return 1
    print_all(large.found)
    _show(large, beside)
    return 0


def _show(large: Looked, beside: Looked | None) -> None:
    told, everything = figures(large.found, large.trivial), rows(large.found)
    spent, rate = large.download
    told["download_mb_per_s"] = rate
    if beside is not None:
        grow = growing(large.found, beside.found)
        told["queries_that_grow"] = float(len(grow))
        told.update({"pages_that_grow": "; ".join(grow)} if grow else {})
    shown = [*everything[:SHOWN], Row("a log of 200,000 lines, whole", median(spent), each(spent))]
    (slowest,) = (page for page in large.found if _named(page) == told["slowest_page"])
    said = ", ".join(f"{int(amount):,} {name}" for name, amount in large.counts.items() if name != "seconds")
    show(
        "pages",
        f"Pages: {said}",
        shown,
        told,
        AIMS,
        noise([median(each) for each in large.trivial]),
        rounds={"slowest_p95_ms": by_part(slowest.whole, max)},
        more=everything,
    )
