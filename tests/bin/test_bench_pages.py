"""`bin/bench pages` leaves out no page: each route is measured, or it is said why not."""

from __future__ import annotations

import json
import re
from string import Formatter

import pytest
from django.test import Client
from django.urls import Resolver404, URLPattern, get_resolver, resolve

from bench import pages, pages_ask
from bench.pages_ask import Measured
from bench.pages_list import ACTS, BOUNDED, NOT_MEASURED, PAGES
from tests.dashboard.test_permissions_table import TABLE


def test_every_route_is_measured_or_said_why_not() -> None:
    routes = {pattern.name for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)}
    assert routes - _acts_of_the_api() == PAGES.keys() | NOT_MEASURED.keys() | ACTS
    assert not PAGES.keys() & (NOT_MEASURED.keys() | ACTS)


def _acts_of_the_api() -> set[str]:
    """Addresses of the API that nothing is read from."""
    described = json.loads(Client().get("/api/v1/openapi.json").content)["paths"]
    found = {path for path, methods in described.items() if "get" not in methods}
    return {resolve(re.sub(r"{\w+}", "1", path)).url_name or "" for path in found}


def test_what_is_left_out_as_an_act_shows_nothing() -> None:
    assert {route for route in ACTS if "GET" in TABLE.get(route, ("", {}))[1]} == set()


@pytest.mark.parametrize("route", sorted(PAGES))
def test_each_address_is_of_its_route(route: str) -> None:
    assert PAGES[route], "nothing is measured of it"
    for addresses in PAGES[route].values():
        for address in addresses:
            names = [name for _text, name, _spec, _conversion in Formatter().parse(address) if name]
            path = address.partition("?")[0].format(**dict.fromkeys(names, "1"))
            try:
                assert resolve(path).url_name == route
            except Resolver404:
                pytest.fail(f"{path} leads nowhere")


def test_what_takes_its_time_by_design_is_a_page_that_is_measured() -> None:
    names = {f"{route}: {look}" if look else route for route, looks in PAGES.items() for look in looks}
    assert BOUNDED.keys() <= names


def asked(name: str, milliseconds: float, queries: int = 5, who: str = "admin") -> Measured:
    times = [milliseconds] * 10
    return Measured(name, who, ("/",), times, times, times, times, queries, 2048)


def test_the_slowest_page_is_one_that_is_held_to_the_aim() -> None:
    bounded = next(iter(BOUNDED))
    found = [
        asked("overview", 12),
        asked("overview", 61, who="member"),
        asked("people", 20, 9),
        asked(bounded, 510, 40),
    ]

    told = pages.figures(found, [[1.0, 2.0], [1.0, 1.0]])

    assert told["slowest_p95_ms"] == pytest.approx(61)
    assert told["slowest_page"] == "overview (member)"
    assert (told["over_50_ms"], told["longest_search_ms"]) == (1, 510)
    assert (told["most_queries"], told["most_queries_page"]) == (9, "people (admin)")
    assert told["ratio_to_trivial"] == pytest.approx(40.5)
    rows = pages.rows(found)
    assert len(rows) == 4, "every page stands in the table"
    assert "half a second" in rows[0].note


def test_a_page_that_asks_more_on_a_longer_history_is_named() -> None:
    bounded = next(iter(BOUNDED))
    beside = [asked("overview", 5, 7), asked("people", 5, 9), asked(bounded, 5, 3)]
    large = [asked("overview", 5, 8), asked("people", 5, 9), asked(bounded, 500, 40), asked("new page", 5, 30)]

    assert pages.growing(large, beside) == ["overview (admin): 7 → 8"]


def test_one_person_asks_for_what_takes_its_time() -> None:
    who = ["admin", "member", "auditor"]
    assert pages_ask._asking("overview", who) == who
    assert pages_ask._asking(next(iter(BOUNDED)), who) == ["admin"]


def test_a_page_that_was_asked_for_once_was_as_slow_as_that() -> None:
    assert pages_ask.p95([7.0]) == 7.0
    assert pages_ask.p95([1.0] * 19 + [30.0]) > 25
