"""Role and scope × address × method × whose object × status, from the URLconf: an address without a row fails."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from django.urls import URLPattern, get_resolver

from deployments.models import AccessToken, AuditEntry, User
from tests.dashboard.api.calls import Api, token
from tests.dashboard.story import Story, plan, tell

pytestmark = pytest.mark.django_db

IN = "in"
"""Let in: the view itself answers, 2xx, or 409 and 422 for what was sent."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SCOPES = ("read", "deploy", "admin")


class Row(NamedTuple):
    """What each token gets: of an admin by scope, a deployer's (of scope deploy) on what was granted and on what was
    not, an auditor's, and an admin's of scope deploy that was narrowed to other placements than the one asked about."""

    read: str | int
    deploy: str | int
    admin: str | int
    bruno: str | int
    foreign: str | int | None
    carla: str | int
    narrowed: str | int


READ = Row(IN, IN, IN, IN, 404, IN, 404)
LIST = Row(IN, IN, IN, IN, None, IN, IN)
ACT = Row(403, IN, IN, IN, 404, 403, 404)
MAKE = Row(403, IN, IN, 403, None, 403, 403)
ADMIN = Row(403, 403, IN, 403, 403, 403, 403)
ADMINS_LIST = Row(403, 403, IN, 403, None, 403, 403)

TABLE: dict[str, tuple[str, dict[str, Row]]] = {
    "api_me": ("me", {"GET": LIST}),
    # Bruno sees storefront, and the narrowed token too: it is placed elsewhere as well
    "api_applications": ("applications", {"GET": LIST, "POST": MAKE}),
    "api_application": (
        "applications/{application}",
        {"GET": Row(IN, IN, IN, IN, None, IN, IN), "PATCH": Row(403, 403, IN, 403, None, 403, 403)},
    ),
    "api_environments": ("environments", {"GET": LIST, "POST": ADMINS_LIST}),
    "api_environment": ("environments/{environment}", {"GET": READ, "PATCH": ADMIN}),
    "api_servers": ("servers", {"GET": LIST, "POST": ADMINS_LIST}),
    "api_server": ("servers/{server}", {"GET": READ, "PATCH": ADMIN}),
    "api_server_check": ("servers/{server}/check", {"POST": ADMIN}),
    "api_server_drain": ("servers/{server}/drain", {"POST": ADMIN}),
    "api_server_undrain": ("servers/{server}/undrain", {"POST": ADMIN}),
    "api_placements": ("placements", {"GET": LIST, "POST": MAKE}),
    "api_placement": ("{place}", {"GET": READ, "PATCH": ACT}),
    "api_variables": ("{place}/variables", {"GET": READ, "PUT": ACT, "DELETE": ACT}),
    "api_releases": ("{place}/releases", {"GET": READ}),
    "api_release": ("{place}/releases/1", {"GET": READ}),
    "api_plans": ("{place}/plans", {"POST": ACT}),
    "api_plan": ("plans/{plan}", {"GET": READ}),
    "api_plan_deploy": ("plans/{plan}/deploy", {"POST": ACT}),
    "api_deploy": ("{place}/deploy", {"POST": ACT}),
    "api_rollback": ("{place}/rollback", {"POST": ACT}),
    "api_deployments": ("deployments", {"GET": LIST}),
    "api_deployment": ("deployments/{deployment}", {"GET": READ}),
    "api_deployment_log": ("deployments/{deployment}/log", {"GET": READ}),
    "api_deployment_cancel": ("deployments/{deployment}/cancel", {"POST": ACT}),
    "api_deployment_go_on": ("deployments/{deployment}/go-on", {"POST": ACT}),
    "api_deployment_attention": ("deployments/{deployment}/attention", {"GET": READ}),
    "api_deployment_look": ("deployments/{deployment}/attention/look", {"POST": ACT}),
    "api_deployment_resume": ("deployments/{deployment}/attention/resume", {"POST": ACT}),
    "api_deployment_restore": ("deployments/{deployment}/attention/restore", {"POST": ACT}),
    "api_deployment_as_is": ("deployments/{deployment}/attention/as-is", {"POST": ACT}),
}
OPEN = {"api_openapi", "api_nothing"}
BODIES: dict[tuple[str, str], Any] = {
    ("api_applications", "POST"): {"name": "another"},
    ("api_application", "PATCH"): {"description": "The shop"},
    ("api_environments", "POST"): {"name": "review"},
    ("api_environment", "PATCH"): {"position": 3},
    ("api_servers", "POST"): {"name": "web-9", "address": "192.0.2.9"},
    ("api_server", "PATCH"): {"builds_at_once": 2},
    ("api_placements", "POST"): {"application": "storefront", "environment": "staging", "image": "shop:1"},
    ("api_placement", "PATCH"): {"keep_releases": 4},
    ("api_variables", "PUT"): {"name": "GREETING", "value": "hello"},
    ("api_plan_deploy", "POST"): {"fingerprint": "made-up"},
    ("api_rollback", "POST"): {"release": 1},
    ("api_deployment_resume", "POST"): {"servers": ["web-1"]},
    ("api_deployment_restore", "POST"): {"servers": ["web-1"]},
    ("api_deployment_as_is", "POST"): {"servers": [{"server": "web-1", "fingerprint": "made-up"}]},
}
SEEN = (*SCOPES, "bruno", "foreign", "dora", "carla", "narrowed")
CASES = [
    *((route, "GET", SEEN) for route, (_path, methods) in sorted(TABLE.items()) if "GET" in methods),  # changes nothing
    *(
        (route, method, (who,))
        for route, (_path, methods) in sorted(TABLE.items())
        for method in methods
        for who in SEEN
        if method != "GET" and not (who == "foreign" and methods[method].foreign is None)
    ),
]


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    return tell()


def test_every_address_has_a_row() -> None:
    routes = {pattern.name for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)}
    assert {name for name in routes if name and name.startswith("api_")} == TABLE.keys() | OPEN


@pytest.mark.parametrize(("route", "method", "several"), CASES)
def test_who_gets_what(story: Story, route: str, method: str, several: tuple[str, ...]) -> None:
    _path, methods = TABLE[route]
    for who in several:
        if who == "foreign" and methods[method].foreign is None:
            continue
        before = denials(story, who)
        status = asked(story, route, method, who)
        wanted = wanted_of(methods[method], who, route)
        assert status in {200, 201, 202, 204, 409, 422} if wanted == IN else status == wanted, (who, status)
        assert (denials(story, who) > before) == (wanted in {403, 404}), who


@pytest.mark.parametrize("route", sorted(TABLE))
def test_other_methods_and_other_ways_in(story: Story, route: str) -> None:
    """A session is none, and what an address doesn't take isn't taken from an admin either."""
    for method in METHODS:
        if method in TABLE[route][1]:
            assert asked(story, route, method, "nobody") == asked(story, route, method, "session") == 401
        else:
            assert asked(story, route, method, "admin") == 405


def asked(story: Story, route: str, method: str, who: str) -> int:
    """The status that somebody gets."""
    path = TABLE[route][0].format(**named(story, foreign=who == "foreign"))
    if route == "api_variables" and method == "DELETE":
        path += "?name=GREETING"
        (story.production if who == "foreign" else story.staging).variables.get_or_create(name="GREETING")
    api = Api(text_of(story, who))
    if who == "session":
        api.client.force_login(story.ana)
    body = BODIES.get((route, method), {} if method in {"POST", "PUT", "PATCH"} else None)
    return int(api.ask(method, path, body).status_code)


def denials(story: Story, who: str) -> int:
    """How often that was written down of them."""
    entries = AuditEntry.objects.filter(actor_id=person(story, who).pk, action="access.refused", outcome="denied")
    return entries.count()


def wanted_of(row: Row, who: str, route: str) -> str | int:
    """Dora is a deployer with no grant: for her, everything is foreign."""
    if who == "dora":
        if row.bruno == IN and (row.foreign == 404 or route == "api_application"):
            return 404
        return row.bruno
    found = getattr(row, who)
    assert found is not None
    return str(found) if found == IN else int(found)


def person(story: Story, who: str) -> User:
    """Whose token that is."""
    return {"bruno": story.bruno, "foreign": story.bruno, "dora": story.dora, "carla": story.carla}.get(who, story.ana)


def text_of(story: Story, who: str) -> str:
    """Their token; "" for those who come without."""
    if who in {"nobody", "session"}:
        return ""
    name = f"{who}-{AccessToken.objects.count()}"
    if who == "narrowed":
        return token(story.ana, "deploy", name=name, places=[story.production])
    scope = who if who in SCOPES else "read" if who == "carla" else "deploy"
    return token(person(story, who), scope, name=name)


def named(story: Story, *, foreign: bool) -> dict[str, Any]:
    """What a path names: one of Bruno's things, or one that isn't his."""
    place = story.production if foreign else story.staging
    return {
        "application": "storefront",
        "environment": place.environment.name,
        "place": f"placements/storefront/{place.environment.name}",
        "server": (story.foreign_host if foreign else story.host).name,
        "plan": plan(place, story.ana).pk,
        "deployment": (story.foreign if foreign else story.running).pk,
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/api/", "/api/v1/", "/api/v1/nowhere", "/api/v2/me", "/api/v1/plans/x"])
def test_any_other_address_is_nothing(method: str, path: str) -> None:
    assert Api().ask(method, path, {} if method != "GET" else None).status_code == 404
