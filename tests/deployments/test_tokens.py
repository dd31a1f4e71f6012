"""Access tokens: what they may, what exists for them, and how they end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments import audit, power
from deployments.accounts import people, tokens
from deployments.accounts.reach import Reach
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.models import AccessToken, AuditEntry, Grant, Role, User
from deployments.queries.tokens import tokens_of
from tests.deployments.world import World, make_world, place

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """Ana, Bruno, Carla and their shop."""
    return make_world()


def made(user: User, scope: str = "read", **more: object) -> tuple[AccessToken, str]:
    """A token of this person's."""
    return tokens.create(actor=Actor.of(user), user=user, **{"name": "ci", "scope": scope, **more})  # type: ignore[arg-type]


def refused(user: User, **given: object) -> dict[str, list[str]]:
    """What is said at which field."""
    with pytest.raises(FieldErrors) as error:
        made(user, **given)  # type: ignore[arg-type]
    return {field: [str(text) for text in texts] for field, texts in error.value.errors.items()}


def test_only_a_hash_is_kept_and_the_text_is_recognisable(world: World) -> None:
    token, text = made(world.ana, "admin")
    assert text.startswith("estiva_")
    assert len(text) == 50
    assert text.removeprefix("estiva_").isalnum()
    kept = str(AccessToken.objects.filter(pk=token.pk).values().get())
    assert text not in kept
    assert text.removeprefix("estiva_") not in kept
    assert text not in str(list(AuditEntry.objects.values()))
    found = tokens.find(text)
    assert found == token
    assert tokens.find(text[:-1]) is tokens.find("") is tokens.find("estiva_") is tokens.find("é" * 40) is None


def test_it_ends_after_ninety_days_and_an_admins_always_ends(world: World) -> None:
    token, _text = made(world.ana)
    assert token.expires_at is not None
    assert timedelta(days=89) < token.expires_at - timezone.now() < timedelta(days=91)
    endless, _text = made(world.ana, "deploy", name="endless", days=tokens.ENDLESS)
    assert endless.expires_at is None
    assert "has to expire" in refused(world.ana, scope="admin", days=tokens.ENDLESS)["days"][0]
    assert "days" in refused(world.ana, name="x", days=-1)
    assert "days" in refused(world.ana, name="x", days=4000)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.ADMIN, "read deploy admin"), (Role.DEPLOYER, "read deploy"), (Role.AUDITOR, "read")],
)
def test_no_scope_is_more_than_the_role(world: World, role: Role, allowed: str) -> None:
    User.objects.filter(pk=world.bruno.pk).update(role=role)
    world.bruno.refresh_from_db()
    for scope in ("read", "deploy", "admin"):
        if scope in allowed.split():
            assert made(world.bruno, scope, name=scope)[0].scope == scope
        else:
            assert "Your role" in refused(world.bruno, scope=scope)["scope"][0]
    assert "scope" in refused(world.bruno, name="x", scope="everything")


def test_a_lower_role_lowers_what_it_counts_as(world: World) -> None:
    token, text = made(world.ana, "admin")
    assert not tokens.actor_of(token).is_limited
    User.objects.create_user("second@example.com", None, name="Second", role=Role.ADMIN)
    people.change_access(actor=world.actor, user=world.ana, role=Role.AUDITOR)
    token = AccessToken.objects.select_related("user").get(pk=token.pk)
    assert tokens.scope_now(token) == "read"
    assert tokens.actor_of(token).is_limited
    assert tokens.find(text) == token  # still let in, to read
    assert tokens_of(token.user)[0].is_less


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\x00b", "a\x1b[31m"])
def test_names_that_can_not_be(world: World, name: str) -> None:
    assert "name" in refused(world.ana, name=name)


def test_two_of_one_name_only_after_the_first_is_over(world: World) -> None:
    token, _text = made(world.ana)
    assert "already" in refused(world.ana)["name"][0]
    made(world.bruno)
    tokens.revoke(actor=world.actor, token=token)
    made(world.ana)


def test_revoked_means_over_and_is_recorded(world: World) -> None:
    token, text = made(world.ana)
    assert tokens.why_over(token) == ""
    tokens.revoke(actor=Actor.of(world.ana, "203.0.113.7"), token=token)
    found = tokens.find(text)
    assert found is not None
    assert "revoked" in tokens.why_over(found)
    with pytest.raises(Refused):
        tokens.revoke(actor=world.actor, token=token)
    actions = list(AuditEntry.objects.filter(action__startswith="token.").values_list("action", "object_name"))
    assert sorted(actions) == [("token.create", "ci"), ("token.revoke", "ci")]
    assert audit.verify().ok


def test_an_expired_one_is_over(world: World) -> None:
    token, text = made(world.ana)
    AccessToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    found = tokens.find(text)
    assert found is not None
    assert "expired" in tokens.why_over(found)
    assert not tokens.usable().filter(pk=token.pk).exists()


def test_deactivating_a_person_revokes_them_all(world: World) -> None:
    tokens_made = [made(world.bruno, name=f"ci-{number}")[1] for number in range(3)]
    people.deactivate(actor=world.actor, user=world.bruno)
    User.objects.filter(pk=world.bruno.pk).update(is_active=True)  # being let in again doesn't bring them back
    for text in tokens_made:
        found = tokens.find(text)
        assert found is not None
        assert "revoked" in tokens.why_over(found)
    entry = AuditEntry.objects.get(action="person.deactivate")
    assert entry.after == {"revoked_tokens": ["ci-0", "ci-1", "ci-2"]}


def test_a_use_is_noted_once_a_minute(world: World) -> None:
    token, _text = made(world.ana)
    tokens.note_use(token, "203.0.113.7")
    token.refresh_from_db()
    first = token.last_used_at
    assert (first is not None, token.last_used_from) == (True, "203.0.113.7")
    tokens.note_use(token, "203.0.113.8")
    token.refresh_from_db()
    assert (token.last_used_at, token.last_used_from) == (first, "203.0.113.7")
    AccessToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now() - timedelta(minutes=2))
    token.refresh_from_db()
    tokens.note_use(token, "203.0.113.8")
    token.refresh_from_db()
    assert token.last_used_from == "203.0.113.8"


def test_nothing_but_what_it_was_narrowed_to_exists(world: World) -> None:
    staging = place(world.actor, world.application, world.staging, [])
    token, _text = made(world.ana, "deploy", placement_ids=[staging.pk])
    reach = Reach(token)
    assert list(reach.placements()) == [staging]
    assert list(reach.environments()) == [world.staging]
    assert list(reach.applications()) == [world.application]
    assert not reach.hosts().exists()  # it is on none
    assert not reach.may_create()
    assert reach.may_act(staging)
    assert not reach.may_act(world.placement)
    whole = Reach(made(world.ana, "deploy", name="whole")[0])
    assert set(whole.placements()) == {staging, world.placement}
    assert set(whole.hosts()) == set(world.hosts)
    assert whole.may_create()


def test_narrowing_gives_nothing_that_the_person_has_not(world: World) -> None:
    assert "doesn't exist" in refused(world.bruno, scope="deploy", placement_ids=[world.placement.pk])["placements"][0]
    Grant.objects.create(user=world.bruno, application=world.application, environment=world.production)
    token, _text = made(world.bruno, "deploy", placement_ids=[world.placement.pk])
    assert Reach(token).may_act(world.placement)
    Grant.objects.all().delete()
    assert not Reach(token).may_act(world.placement)
    assert not Reach(token).placements().exists()
    assert "at least one" in refused(world.ana, name="x", placement_ids=[])["placements"][0]
    assert (
        "narrowed" in refused(world.ana, name="x", scope="admin", placement_ids=[world.placement.pk])["placements"][0]
    )


def test_an_admins_token_to_deploy_is_no_admin(world: World) -> None:
    """The one function of power hears by what somebody asks, not only who they are."""
    deploying = tokens.actor_of(made(world.ana, "deploy")[0])
    administering = tokens.actor_of(made(world.ana, "admin", name="all")[0])
    assert deploying.name == "Ana Prado (token ci)"
    power.check_power(actor=administering, before={}, after={"privileged": True})
    with pytest.raises(FieldErrors, match="Only an admin may set this"):
        power.check_power(actor=deploying, before={}, after={"privileged": True})
    with pytest.raises(Refused, match="Only an admin may deploy"):
        power.check_deploy(
            actor=deploying,
            planned={"privileged": True},
            placement_id=world.placement.pk,
            host_ids=[host.pk for host in world.hosts],
        )


def test_the_list_takes_as_many_queries_for_many(world: World) -> None:
    made(world.ana, "deploy", placement_ids=[world.placement.pk])
    with CaptureQueriesContext(connection) as few:
        tokens_of(world.ana)
    for number in range(10):
        made(world.ana, "deploy", name=f"ci-{number}", placement_ids=[world.placement.pk])
    with CaptureQueriesContext(connection) as many:
        rows = tokens_of(world.ana)
    assert len(rows) == 11
    assert len(many) <= len(few)
