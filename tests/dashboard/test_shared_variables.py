"""Shared sets: an environment's pages of them, and what a placement gets from which."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from deployments.actors import Actor
from deployments.inventory import shared_variables as shared
from deployments.models import Environment, Placement, SecretVersion, SharedVariable, User, VariableSet
from tests import factories as make
from tests.dashboard.story import source_of
from tests.deployments.test_settings_injection import CORPUS

pytestmark = pytest.mark.django_db

LIST = "/environments/staging/sets/"
SET = "/environments/staging/sets/base/"
OWN = "/applications/storefront/staging/variables"
SECRET = "sk_live_topsecret"


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def as_ana(ana: User, client: Client) -> Client:
    client.force_login(ana)
    return client


@pytest.fixture
def placement() -> Placement:
    return make.placement(make.application("storefront"))


@pytest.fixture
def base(ana: User, placement: Placement) -> VariableSet:
    return named(ana, placement.environment, "base", HOST="db", PORT="1")


def named(ana: User, environment: Environment, name: str, /, **values: str) -> VariableSet:
    row = shared.create_set(actor=Actor.of(ana), environment=environment, name=name)
    for each, value in values.items():
        shared.set_shared_variable(
            actor=Actor.of(ana), variable_set=row, name=each, value=value, is_secret=each.startswith("SECRET")
        )
    return row


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def said(client: Client, path: str, fields: dict[str, str]) -> str:
    answer = client.post(path, fields, follow=True)
    assert answer.redirect_chain, answer.content.decode()
    return answer.content.decode()


def test_from_an_empty_environment_to_a_variable_in_use(as_ana: Client, placement: Placement) -> None:
    assert "No shared variables yet" in page(as_ana, LIST)
    assert LIST in page(as_ana, "/environments/")
    assert LIST in page(as_ana, OWN), "an admin is told that there is such a thing"
    assert 'action="/applications/storefront/staging/variables/sets"' not in page(as_ana, OWN)

    assert "base" in said(as_ana, LIST, {"name": "base"})
    assert "SMTP is saved" in said(as_ana, SET, {"name": "SMTP", "value": "mail.example.com"})
    assert "sk_" not in said(as_ana, SET, {"name": "KEY", "value": SECRET, "is_secret": "on"})
    row = VariableSet.objects.get()
    text = said(as_ana, f"{OWN}/sets", {f"set-{row.pk}": "1"})

    assert "mail.example.com" in text
    assert "Each set wins over those above it" in text
    assert SECRET not in text
    assert "used by storefront" in page(as_ana, LIST)
    assert OWN in page(as_ana, SET)


def test_what_is_overridden_is_struck_out_with_by_what(
    as_ana: Client, ana: User, placement: Placement, base: VariableSet
) -> None:
    mail = named(ana, placement.environment, "mail", HOST="mail", PORT="25", FROM="me")
    make.variable(placement, "PORT", "8080")

    text = said(as_ana, f"{OWN}/sets", {f"set-{mail.pk}": "20", f"set-{base.pk}": "3"})

    table = text[text.index('id="from-sets"') :]
    rows = [
        re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr[^>]*>(?:(?!</tr>).)*</tr>", table, re.S)
    ]
    assert [" ".join(row) for row in rows[1:]] == [
        "HOST db base overridden by mail",
        "PORT 1 base overridden by its own",
        "HOST mail mail",
        "PORT 25 mail overridden by its own",
        "FROM me mail",
    ]
    assert table.count("<s>") == 2 * 3
    assert [use.variable_set.name for use in placement.set_uses.all()] == ["base", "mail"]


def test_a_number_that_is_none_saves_nothing(as_ana: Client, placement: Placement, base: VariableSet) -> None:
    for number in ("0", "-1", "one", "1000", "1.5"):
        assert "Nothing was saved" in said(as_ana, f"{OWN}/sets", {f"set-{base.pk}": number})
    assert not placement.set_uses.exists()


def test_a_set_s_variables_are_changed_imported_exported_and_deleted(as_ana: Client, base: VariableSet) -> None:
    assert "Change HOST" in page(as_ana, f"{SET}?edit=HOST")
    said(as_ana, f"{SET}?edit=HOST", {"name": "HOST", "value": "other"})
    assert as_ana.post(SET, {"name": "HOST", "value": "again"}).status_code == 422
    assert as_ana.post(SET, {"name": "NEW", "value": "", "is_secret": "on"}).status_code == 422
    answer = as_ana.post(f"{SET}import", {"text": "A=1\nbad line"})
    assert answer.status_code == 422
    assert "Line 2" in answer.content.decode()
    imported = said(as_ana, f"{SET}import", {"text": f"A=1\nKEY={SECRET}", "secret_names": "KEY"})
    assert "2 variables changed: A, KEY." in imported
    exported = as_ana.get(f"{SET}export")
    assert exported["Content-Disposition"] == 'attachment; filename="staging-base.env"'
    assert "HOST=other" in exported.content.decode()
    assert SECRET not in exported.content.decode() + imported

    assert "KEY is gone" in said(as_ana, f"{SET}variables/delete", {"name": "KEY"})
    assert "There is no variable" in said(as_ana, f"{SET}variables/delete", {"name": "KEY"})
    assert SecretVersion.objects.get().sealed is None


def test_a_set_in_use_stays(as_ana: Client, placement: Placement, base: VariableSet) -> None:
    said(as_ana, f"{OWN}/sets", {f"set-{base.pk}": "1"})
    assert "Delete the set" not in page(as_ana, SET)
    assert "is in use by storefront · staging" in said(as_ana, f"{SET}delete", {})
    assert "The sets it uses" not in said(as_ana, f"{OWN}/sets", {f"set-{base.pk}": ""})
    assert "Delete the set" in page(as_ana, SET)
    assert "The set base is gone." in said(as_ana, f"{SET}delete", {})
    assert page(as_ana, SET, 404)


@pytest.mark.parametrize("text", CORPUS)
def test_what_is_typed_stays_text(as_ana: Client, placement: Placement, base: VariableSet, text: str) -> None:
    """As a set's name it is refused; as a variable's it is refused or, like any value, shown as typed."""
    for path, fields in ((LIST, {"name": text}), (SET, {"name": text, "value": text})):
        before = VariableSet.objects.count()
        assert as_ana.post(path, fields).status_code in (302, 422)
        assert VariableSet.objects.count() == before
    as_ana.post(SET, {"name": "VALUE", "value": text})
    said(as_ana, f"{OWN}/sets", {f"set-{base.pk}": "1"})
    stored = SharedVariable.objects.filter(name="VALUE").first()
    assert stored is None if "\x00" in text else stored is not None and stored.value == text
    for path in (SET, OWN):
        shown = page(as_ana, path)
        assert stored is None or escape(text) in shown
        assert text not in shown or escape(text) == text


def test_a_deployer_sees_what_comes_from_where(
    as_ana: Client, client: Client, placement: Placement, base: VariableSet
) -> None:
    said(as_ana, f"{OWN}/sets", {f"set-{base.pk}": "1"})
    client.force_login(make.bruno(placement))
    text = page(client, OWN)
    assert "From shared sets" in text
    assert "HOST" in text
    assert SET not in text
    assert "Which sets it uses" not in text
    client.force_login(make.carla())
    assert SET in page(client, OWN)
    assert "Add a variable" not in page(client, SET)
    assert "Add a set" not in page(client, LIST)


def test_an_archived_application_is_only_looked_at(as_ana: Client, placement: Placement, base: VariableSet) -> None:
    said(as_ana, f"{OWN}/sets", {f"set-{base.pk}": "1"})
    as_ana.post("/applications/storefront/archive", {"name": "storefront"})
    assert "Which sets it uses" not in page(as_ana, OWN)
    assert "archived" in said(as_ana, f"{OWN}/sets", {})
    assert placement.set_uses.count() == 1


def test_the_secrets_of_sets_are_offered_to_builds(as_ana: Client, ana: User, placement: Placement) -> None:
    row = named(ana, placement.environment, "keys", SECRET_TOKEN="x")
    source_of(placement.application)
    said(as_ana, f"{OWN}/sets", {f"set-{row.pk}": "1"})
    assert "SECRET_TOKEN" in page(as_ana, "/applications/storefront/staging/settings")


def test_the_number_of_queries_does_not_grow(
    as_ana: Client, ana: User, placement: Placement, base: VariableSet
) -> None:
    def grow(times: int) -> None:
        for _each in range(times):
            count = VariableSet.objects.count()
            row = named(ana, placement.environment, f"set-{count}", HOST="a", SECRET_KEY="b")
            other = make.placement(make.application(f"other-{count}"), placement.environment)
            ids = [*placement.set_uses.values_list("variable_set", flat=True), row.pk]
            shared.use_sets(actor=Actor.of(ana), placement=placement, set_ids=ids)
            shared.use_sets(actor=Actor.of(ana), placement=other, set_ids=[base.pk, row.pk])

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as found:
            page(as_ana, path)
        return len(found)

    paths = (LIST, SET, OWN, "/applications/storefront/staging/", reverse("environments"))
    grow(2)
    page(as_ana, LIST)
    few = [queries(path) for path in paths]
    grow(6)
    assert [queries(path) for path in paths] == few
    assert max(few) <= 20
