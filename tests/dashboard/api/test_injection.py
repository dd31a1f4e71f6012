"""Every field of every call, with words that a shell, a path or a query would take for more, and with values of other kinds:
refused in the one shape, or kept as data. Never a fault of ours, never run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from pydantic import BaseModel

from dashboard.api import asked
from deployments import build_settings, compose_settings, container_settings, rollout_settings
from deployments.accounts import tokens
from deployments.actors import Actor
from deployments.errors import FieldErrors
from deployments.models import Plan, Variable
from tests.dashboard.api.calls import STAGING, Api, token
from tests.dashboard.story import Story, in_doubt, plan, tell
from tests.deployments.test_settings_injection import CANARY, CORPUS

pytestmark = pytest.mark.django_db

KINDS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x" * 5000,
    "é\u202e\u2028",
    [],
    [None],
    [[]],
    {},
    {"a": {"b": []}},
    ["", 1, {}],
    2**62,
)
CALLS: dict[str, tuple[str, str, type[BaseModel]]] = {
    "application": ("POST", "applications", asked.NewApplication),
    "description": ("PATCH", "applications/storefront", asked.ChangedApplication),
    "environment": ("POST", "environments", asked.NewEnvironment),
    "order": ("PATCH", "environments/staging", asked.ChangedEnvironment),
    "server": ("POST", "servers", asked.NewServer),
    "changed_server": ("PATCH", "servers/web-1", asked.ChangedServer),
    "placement": ("POST", "placements", asked.NewPlacement),
    "changed_placement": ("PATCH", STAGING, asked.ChangedPlacement),
    "variable": ("PUT", f"{STAGING}/variables", asked.SetVariable),
    "plan": ("POST", f"{STAGING}/plans", asked.AskedPlan),
    "deploy": ("POST", f"{STAGING}/deploy", asked.AskedDeploy),
    "rollback": ("POST", f"{STAGING}/rollback", asked.AskedRollback),
    "click": ("POST", "plans/{plan}/deploy", asked.PlanClick),
    "way_out": ("POST", "deployments/{doubt}/attention/resume", asked.AskedWayOut),
    "as_is": ("POST", "deployments/{doubt}/attention/as-is", asked.AskedAsIs),
}
SOUND: dict[str, Any] = {
    "name": "another",
    "application": "storefront",
    "environment": "production",
    "description": "x",
    "address": "192.0.2.1",
    "value": "x",
    "fingerprint": "x",
    "release": 1,
    "servers": ["web-1"],
}
TABLES = {
    "settings": container_settings.FIELDS,
    "build": build_settings.FIELDS,
    "compose": compose_settings.FIELDS,
    "rollout": rollout_settings.FIELDS,
}


@pytest.fixture
def story() -> Story:
    """Ana and her shop."""
    cache.clear()
    return tell()


@pytest.fixture
def ana(story: Story) -> Api:
    """A program that may do everything."""
    return Api(token(story.ana, "admin"))


@pytest.fixture(autouse=True)
def _nothing_runs() -> Iterator[None]:
    yield
    assert not Path(CANARY).exists()


def fine(answer: Any) -> None:
    """An answer, or a refusal in the one shape."""
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error"}, answer.content


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_field_of_every_call(story: Story, ana: Api, name: str) -> None:
    method, path, shape = CALLS[name]
    doubt = in_doubt(story.running).pk if "{doubt}" in path else 0
    path = path.format(plan=plan(story.staging, story.ana).pk, doubt=doubt)
    sound = {each: SOUND[each] for each, info in shape.model_fields.items() if info.is_required()}
    for field in shape.model_fields:
        for value in (*CORPUS, *KINDS):
            fine(ana.ask(method, path, {**sound, field: value}))


@pytest.mark.parametrize("table", sorted(TABLES))
def test_settings_of_other_kinds(story: Story, ana: Api, table: str) -> None:
    """A program sends what no form can: numbers for lists, lists for groups. tests/deployments tries each field."""
    source = {"build": "git", "compose": "compose"}.get(table, "image")
    for value in KINDS:
        sent = {each.name: value for each in TABLES[table]}
        fine(ana.ask("PATCH", STAGING, {"source": source, table: sent}))
        fine(ana.ask("PATCH", STAGING, {"source": source, table: value}))


def test_addresses(ana: Api) -> None:
    for text in (*CORPUS, "%00", "..", "%2e%2e%2f", "9" * 30, "-1", "%ff", "a%0d%0aSet-Cookie:x"):
        for path in (
            "applications/{}",
            "servers/{}",
            "environments/{}",
            "plans/{}",
            "deployments/{}",
            "deployments/{}/log",
            "placements/{}/{}",
        ):
            fine(ana.get(path.format(text, text)))
        for query in (
            "deployments?application={}&status={}",
            "applications?cursor={}",
            "applications?limit={}",
            f"{STAGING}/variables?name={{}}",
        ):
            fine(ana.ask("GET" if "variables" not in query else "DELETE", query.format(text, text)))


def test_keys_and_notes_are_data(story: Story, ana: Api) -> None:
    for text in CORPUS:
        key = {"Idempotency-Key": text.replace("\n", " ").replace("\x00", "")}
        answer = ana.post(f"{STAGING}/deploy", {"note": text.replace("\x00", "")}, **key)
        fine(answer)
        assert answer.status_code == 202
        assert Plan.objects.get(pk=answer.json()["id"]).automatic_note == text.replace("\x00", "").strip()


def test_values_of_variables_are_kept_byte_for_byte(story: Story, ana: Api) -> None:
    for text in (text for text in CORPUS if "\x00" not in text):
        assert ana.ask("PUT", f"{STAGING}/variables", {"name": "TEXT", "value": text}).status_code == 200
        assert Variable.objects.get(placement=story.staging, name="TEXT").value == text


def test_names_of_tokens(story: Story) -> None:
    for text in CORPUS:
        with contextlib.suppress(FieldErrors):
            row, _text = tokens.create(actor=Actor.of(story.ana), user=story.ana, name=text, scope="read")
            assert row.name == " ".join(text.split())
            assert row.name.isprintable()
            assert tokens.actor_of(row).name == f"Ana Prado (token {row.name})"
