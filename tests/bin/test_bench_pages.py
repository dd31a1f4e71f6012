"""`bin/bench pages` leaves out no page: each route is measured, or it is said why not."""

from __future__ import annotations

import json
import re
from string import Formatter

import pytest
from django.test import Client
from django.urls import Resolver404, URLPattern, get_resolver, resolve

from bench.pages_list import ACTS, NOT_MEASURED, PAGES
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
