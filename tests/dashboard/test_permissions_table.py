"""Role × route × whose object × status, from the URLconf: a route without a row fails, and so does a method without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from dashboard import asgi, stream
from deployments import engines
from deployments.accounts import invitations, tokens
from deployments.actors import Actor
from deployments.inventory import registries, shared_variables, webhooks
from deployments.models import AuditEntry, Placement, User, WebhookDelivery
from tests.dashboard.rooms import container, follow, seen
from tests.dashboard.story import Story, command_run, in_doubt, plan, tell
from tests.dashboard.terminals import terminal
from tests.dashboard.web import sign_in
from tests.factories import engine_worker

pytestmark = pytest.mark.django_db

IN = "in"
"""Let in: the view itself answers (a page, a redirect, or 409 and 422 for what was sent)."""

INNER = {"GET": {200, 302}, "POST": {200, 302, 303, 400, 409, 422}}
METHODS = ("GET", "POST", "PUT", "DELETE")


class Row(NamedTuple):
    """Who gets what: an admin, a deployer on what was granted, the same on what was not, an auditor."""

    admin: str | int
    deployer: str | int
    foreign: str | int | None
    auditor: str | int


LIST = Row(IN, IN, None, IN)
THING = Row(IN, IN, 404, IN)
ACTED_ON = Row(IN, IN, 404, 403)
READERS_LIST = Row(IN, 403, None, IN)
READERS_THING = Row(IN, 403, 403, IN)
ADMINS_LIST = Row(IN, 403, None, 403)
ADMINS_THING = Row(IN, 403, 403, 403)
CREATED = Row(IN, 403, None, 403)

PLACEMENT = "placement"
TABLE: dict[str, tuple[str, dict[str, Row]]] = {
    "overview": ("", {"GET": LIST}),
    "applications": ("", {"GET": LIST}),
    "application_new": ("", {"GET": CREATED, "POST": CREATED}),
    "application_paste": ("", {"GET": CREATED, "POST": CREATED}),
    "application": ("application", {"GET": Row(IN, IN, None, IN)}),
    "application_edit": ("application", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "application_archive": ("application", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "application_new_git": ("", {"GET": CREATED, "POST": CREATED}),
    "repository": ("application", {"GET": LIST}),
    "repository_edit": ("application", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "repository_trust": ("application", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "repository_look": ("application", {"POST": Row(IN, IN, None, 403)}),
    "repository_remove": ("application", {"POST": ADMINS_LIST}),
    "placement_new": ("application", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "placement": (PLACEMENT, {"GET": THING}),
    "placement_catch_up": (PLACEMENT, {"POST": ACTED_ON}),
    "drift": ("seat", {"GET": THING, "POST": ACTED_ON}),
    "placement_settings": (PLACEMENT, {"GET": ACTED_ON, "POST": ACTED_ON}),
    "placement_tags": (PLACEMENT, {"GET": ACTED_ON, "POST": ACTED_ON}),
    "release": ("release", {"GET": THING}),
    "run_new": ("release", {"GET": ACTED_ON, "POST": ACTED_ON}),
    "runs": (PLACEMENT, {"GET": THING}),
    "run": ("run", {"GET": THING}),
    "run_lines": ("run", {"GET": THING}),
    "run_raw": ("run", {"GET": THING}),
    "run_cancel": ("run", {"POST": ACTED_ON}),
    "variables": (PLACEMENT, {"GET": THING, "POST": ACTED_ON}),
    "variables_import": (PLACEMENT, {"GET": ACTED_ON, "POST": ACTED_ON}),
    "variables_export": (PLACEMENT, {"GET": THING}),
    "variable_delete": (PLACEMENT, {"POST": ACTED_ON}),
    "variables_sets": (PLACEMENT, {"POST": ADMINS_THING}),
    "webhooks": (PLACEMENT, {"GET": THING}),
    "webhook_new": (PLACEMENT, {"GET": ACTED_ON, "POST": ACTED_ON}),
    "webhook": ("webhook", {"GET": THING, "POST": ACTED_ON}),
    "webhook_rotate": ("webhook", {"POST": ACTED_ON}),
    "webhook_switch": ("webhook", {"POST": ACTED_ON}),
    "webhook_delete": ("webhook", {"POST": ACTED_ON}),
    "webhook_again": ("delivery", {"POST": ACTED_ON}),
    "plan_new": (PLACEMENT, {"POST": ACTED_ON}),
    "plan": ("plan", {"GET": THING}),
    "plan_deploy": ("plan", {"POST": ACTED_ON}),
    "deployments": ("", {"GET": LIST}),
    "deployment": ("deployment", {"GET": THING}),
    "deployment_lines": ("deployment", {"GET": THING}),
    "deployment_raw": ("deployment", {"GET": THING}),
    "deployment_cancel": ("deployment", {"POST": ACTED_ON}),
    "deployment_go_on": ("deployment", {"POST": ACTED_ON}),
    "deployment_attention": ("doubt", {"GET": THING, "POST": ACTED_ON}),
    "hosts": ("", {"GET": LIST}),
    "host_new": ("", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "host_import": ("", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "host_beside": ("engine", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "host_confirm": ("", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "host": ("host", {"GET": THING}),
    "host_edit": ("host", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "host_trust": ("host", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "host_refuse": ("host", {"POST": ADMINS_THING}),
    "host_check": ("host", {"POST": ADMINS_THING}),
    "host_rotate": ("host", {"POST": ADMINS_THING}),
    "host_socket": ("host", {"POST": ADMINS_THING}),
    "host_retire": ("host", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "host_at": ("host", {"GET": THING}),
    "host_health": ("host", {"GET": THING}),
    "host_unknown": ("host", {"POST": ADMINS_THING}),
    "host_drain": ("host", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "room": ("host", {"GET": THING}),
    "room_look": ("host", {"POST": THING}),
    "room_images": ("host", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "container": ("container", {"GET": THING}),
    "container_act": ("restart", {"GET": ACTED_ON, "POST": ACTED_ON}),
    "container_follow": ("container", {"POST": THING}),
    "terminal_new": ("container", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "terminal": ("terminal", {"GET": READERS_THING}),
    "terminal_pieces": ("terminal", {"GET": READERS_THING}),
    "terminal_raw": ("terminal", {"GET": READERS_THING}),
    "terminal_keys": ("terminal", {"POST": ADMINS_THING}),
    "terminal_end": ("terminal", {"POST": ADMINS_THING}),
    "follow_lines": ("follow", {"GET": THING}),
    "follow_raw": ("follow", {"GET": THING}),
    "registries": ("", {"GET": LIST}),
    "registry_new": ("", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "registry": ("registry", {"GET": LIST}),
    "registry_edit": ("registry", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "registry_test": ("registry", {"POST": ADMINS_LIST}),
    "registry_remove": ("registry", {"POST": ADMINS_LIST}),
    "environments": ("", {"GET": READERS_LIST}),
    "environment_new": ("", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "environment_edit": ("environment", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "variable_sets": ("environment", {"GET": READERS_THING, "POST": ADMINS_THING}),
    "variable_set": ("set", {"GET": READERS_THING, "POST": ADMINS_THING}),
    "variable_set_import": ("set", {"GET": ADMINS_THING, "POST": ADMINS_THING}),
    "variable_set_export": ("set", {"GET": READERS_THING}),
    "variable_set_rename": ("set", {"POST": ADMINS_THING}),
    "variable_set_delete": ("set", {"POST": ADMINS_THING}),
    "shared_variable_delete": ("set", {"POST": ADMINS_THING}),
    "people": ("", {"GET": READERS_LIST}),
    "person_invite": ("", {"GET": ADMINS_LIST, "POST": ADMINS_LIST}),
    "link_revoke": ("link", {"POST": ADMINS_LIST}),
    "person": ("person", {"GET": READERS_LIST, "POST": ADMINS_LIST}),
    "person_deactivate": ("person", {"POST": ADMINS_LIST}),
    "person_reactivate": ("person", {"POST": ADMINS_LIST}),
    "person_link": ("person", {"POST": ADMINS_LIST}),
    "audit": ("", {"GET": READERS_LIST, "POST": READERS_LIST}),
    "audit_csv": ("", {"GET": READERS_LIST}),
    "audit_ndjson": ("", {"GET": READERS_LIST}),
    "account_change_password": ("", {"GET": LIST, "POST": LIST}),
    "account_preferences": ("", {"GET": LIST, "POST": LIST}),
    "tokens": ("", {"GET": LIST}),
    "token_new": ("", {"GET": LIST, "POST": LIST}),
    "token_revoke": ("token", {"POST": Row(IN, 404, None, 404)}),  # one's own alone: this one is Ana's
    "person_token_revoke": ("person_token", {"POST": ADMINS_LIST}),
    "metrics": ("", {"GET": READERS_LIST}),
}
"""Route → what its path names, and a row for each method."""

OPEN: dict[str, dict[str, int]] = {
    "account_login": {"GET": 200, "POST": 200, "PUT": 200},  # allauth takes PUT for POST
    "account_logout": {"GET": 302, "POST": 302},
    "account_inactive": {"GET": 200},
    "account_link": {"GET": 404, "POST": 404},
    "readyz": {"GET": 503},
    "hook": {"POST": 401},  # its caller signs with the hook's secret
}
MADE_UP = {"account_link": {"token": "made-up"}, "hook": {"public_id": "made-up"}}
"""Routes that need no sign-in, and what a stranger gets: the link is made up, and no worker runs in a test."""


def named(story: Story, kind: str, *, foreign: bool) -> dict[str, Any]:
    """The arguments of a path that names one of Bruno's things, or one that isn't his."""
    place = story.production if foreign else story.staging
    pair = {"application": place.application.name, "environment": place.environment.name}
    deployment = story.foreign if foreign else story.running
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "": dict,
        "application": lambda: {"application": place.application.name},
        PLACEMENT: lambda: pair,
        "seat": lambda: {**pair, "host": _server_of(place)},
        "release": lambda: {**pair, "number": 1},
        "run": lambda: {"run": command_run(story.foreign_host if foreign else story.host, place).pk},
        "webhook": lambda: {**pair, "webhook": _hook(place, story)},
        "delivery": lambda: {**pair, **_delivery(_hook(place, story))},
        "plan": lambda: {"plan": plan(place, story.ana).pk},
        "deployment": lambda: {"deployment": deployment.pk},
        "doubt": lambda: {"deployment": in_doubt(deployment).pk},
        "host": lambda: {"host": (story.foreign_host if foreign else story.host).name},
        "engine": lambda: {"engine": engines.short(engine_worker().engine_id)},
        "container": lambda: _container(story, place, foreign=foreign),
        "terminal": lambda: {"terminal": terminal(story.foreign_host if foreign else story.host, place, story.ana).pk},
        "follow": lambda: {"follow": follow(story.foreign_host if foreign else story.host, place).pk},
        "restart": lambda: {**_container(story, place, foreign=foreign), "act": "restart"},
        "registry": lambda: {"registry": _registry(story)},
        "environment": lambda: {"environment": place.environment.name},
        "set": lambda: {"environment": place.environment.name, "name": _set(place, story)},
        "person": lambda: {"person": story.dora.pk},
        "link": lambda: {"link": _invitation(story)},
        "token": lambda: {"token": _token(story.ana)},
        "person_token": lambda: {"person": story.dora.pk, "token": _token(story.dora)},
    }
    return makers[kind]()


def _server_of(place: Placement) -> str:
    return place.seats.select_related("host").filter(is_active=True)[0].host.name


def _delivery(hook: int) -> dict[str, int]:
    row = WebhookDelivery.objects.create(
        webhook_id=hook, delivery_id="1", received_at=timezone.now(), verdict="ignored", reason="-"
    )
    return {"webhook": hook, "delivery": row.pk}


def _hook(place: Placement, story: Story) -> int:
    rules = {"tags": ["*"]}
    hook, _secret = webhooks.create_webhook(
        actor=Actor.of(story.ana), placement=place, kind="registry", name="Registry", rules=rules
    )
    return hook.pk


def _container(story: Story, place: Placement, *, foreign: bool) -> dict[str, Any]:
    host = story.foreign_host if foreign else story.host
    row = container("web", place)
    seen(host, row)
    return {"host": host.name, "container": row["id"][:12]}


def _registry(story: Story) -> int:
    row, _test = registries.save_registry(
        actor=Actor.of(story.ana), registry=None, kind="plain", host="registry.test", test_host=story.host
    )
    return row.pk


def _set(place: Placement, story: Story) -> str:
    row = shared_variables.create_set(actor=Actor.of(story.ana), environment=place.environment, name="base")
    shared_variables.use_sets(actor=Actor.of(story.ana), placement=place, set_ids=[row.pk])
    return row.name


def _token(person: User) -> int:
    row, _text = tokens.create(actor=Actor.of(person), user=person, name="ci", scope="read")
    return row.pk


def _invitation(story: Story) -> int:
    link, _token = invitations.invite(actor=Actor.of(story.ana), email="new@example.com", role="auditor")
    return link.pk


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    return tell()


def test_every_route_has_a_row() -> None:
    routes = {pattern.name for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)}
    assert len(routes) == len(get_resolver().url_patterns), "a route without a name, or an include"
    pages = {
        name for name in routes if name and not name.startswith("api_")
    }  # tests/dashboard/api has a table of those
    assert pages == TABLE.keys() | OPEN.keys()


def test_every_view_of_ours_says_who_may_see_it() -> None:
    routes = [pattern for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)]
    silent = {pattern.name for pattern in routes if not hasattr(pattern.callback, "seen_by")}
    silent = {name for name in silent if name and not name.startswith("api_")}
    assert silent == {"account_login", "account_logout", "account_inactive"}  # allauth's own


CASES = [
    (route, method, who)
    for route, (_kind, methods) in sorted(TABLE.items())
    for method in METHODS
    for who in (("ana", "bruno", "foreign", "dora", "carla", "nobody") if method in methods else ("ana",))
    if not (who == "foreign" and method in methods and methods[method].foreign is None)
]


@pytest.mark.parametrize(("route", "method", "who"), CASES)
def test_who_gets_what(story: Story, client: Client, route: str, method: str, who: str) -> None:
    kind, methods = TABLE[route]
    path = reverse(route, kwargs=named(story, kind, foreign=who == "foreign"))
    person: User | None = (
        {"foreign": story.bruno, "nobody": None}.get(who) if who in {"foreign", "nobody"} else getattr(story, who)
    )
    if person is not None:
        client.force_login(person)
    status = client.generic(method, path + _query(story, route)).status_code
    if method not in methods:
        assert status == 405
    elif who == "nobody":
        assert status == (302 if method == "GET" else 401)
    else:
        wanted = _wanted(methods[method], who, kind)
        assert status in INNER[method] if wanted == IN else status == wanted
        _is_audited(person, denied=wanted in {403, 404})


def _query(story: Story, route: str) -> str:
    return f"?target={story.running.targets.all()[0].pk}" if route == "deployment_lines" else ""


def _wanted(row: Row, who: str, kind: str) -> str | int:
    """Dora is a deployer with no grant: for her, everything is foreign."""
    if who == "dora":
        is_hers = row.deployer != IN or kind in {"", "engine", "person", "link", "registry"}
        return row.deployer if is_hers else 404
    column = {"ana": row.admin, "bruno": row.deployer, "foreign": row.foreign, "carla": row.auditor}[who]
    assert column is not None
    return column


def _is_audited(person: User | None, *, denied: bool) -> None:
    assert person is not None
    entries = AuditEntry.objects.filter(actor_id=person.pk, action="access.refused", outcome="denied")
    assert entries.exists() == denied


@pytest.mark.parametrize("route", sorted(OPEN))
@pytest.mark.parametrize("method", METHODS)
def test_what_a_stranger_gets(client: Client, route: str, method: str) -> None:
    path = reverse(route, kwargs=MADE_UP.get(route, {}))
    assert client.generic(method, path).status_code == OPEN[route].get(method, 405)


EVENTS = {
    "deployment:{own.running.pk}": {"ana": 200, "bruno": 200, "dora": 404, "carla": 200, "nobody": 401},
    "deployment:{own.foreign.pk}": {"ana": 200, "bruno": 404, "dora": 404, "carla": 200, "nobody": 401},
    "placement:{own.staging.pk}": {"ana": 200, "bruno": 200, "dora": 404, "carla": 200, "nobody": 401},
    "placement:{own.production.pk}": {"ana": 200, "bruno": 404, "dora": 404, "carla": 200, "nobody": 401},
    "host:{own.host.pk}": {"ana": 200, "bruno": 200, "dora": 404, "carla": 200, "nobody": 401},
    "host:{own.foreign_host.pk}": {"ana": 200, "bruno": 404, "dora": 404, "carla": 200, "nobody": 401},
    "repository:{own.repository.pk}": {"ana": 200, "bruno": 200, "dora": 404, "carla": 200, "nobody": 401},
    "operation:{own.look.pk}": {"ana": 200, "bruno": 200, "dora": 404, "carla": 200, "nobody": 401},
    "follow:{log}": {"ana": 200, "bruno": 200, "dora": 404, "carla": 200, "nobody": 401},
    "follow:{foreign_log}": {"ana": 200, "bruno": 404, "dora": 404, "carla": 200, "nobody": 401},
    "follow:{run}": {"ana": 200, "bruno": 200, "dora": 404, "carla": 200, "nobody": 401},
    "follow:{foreign_run}": {"ana": 200, "bruno": 404, "dora": 404, "carla": 200, "nobody": 401},
    "follow:{terminal}": {"ana": 200, "bruno": 404, "dora": 404, "carla": 200, "nobody": 401},
    "overview": {"ana": 200, "bruno": 200, "dora": 200, "carla": 200, "nobody": 401},
    "deployment:999999": {"ana": 404, "bruno": 404, "dora": 404, "carla": 404, "nobody": 401},
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("watch", sorted(EVENTS))
def test_the_live_stream(story: Story, watch: str) -> None:
    # a log of what isn't Bruno's, on a server that is
    logs = {"log": follow(story.host, story.staging).pk, "foreign_log": follow(story.host, story.production).pk}
    logs |= {
        "run": command_run(story.host, story.staging).pk,
        "foreign_run": command_run(story.host, story.production).pk,
        "terminal": terminal(story.host, story.staging, story.ana).pk,
    }
    watched, answers = watch.format(own=story, **logs), {}
    for who in EVENTS[watch]:
        session = "" if who == "nobody" else sign_in(getattr(story, who))
        answers[who] = asyncio.run(_status(f"watch={watched}", session))
    assert answers == EVENTS[watch]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_live_stream_is_only_read(story: Story, method: str) -> None:
    assert asyncio.run(_status("watch=overview", sign_in(story.ana), method)) == 405


async def _status(query: str, session: str, method: str = "GET") -> int:
    """What the ASGI application answers; then the browser leaves."""
    statuses: list[int] = []
    cookie = f"estiva_session={session}".encode()
    scope = {
        "type": "http",
        "method": method,
        "path": "/events",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1"), (b"cookie", cookie)],
        "client": ("127.0.0.1", 1),
    }
    messages: Iterator[dict[str, Any]] = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await asgi.application(scope, receive, send)
    await stream.close()
    return statuses[0]
