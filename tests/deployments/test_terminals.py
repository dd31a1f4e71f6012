"""Asking for a terminal: who may, into what, and what is on record; ending it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployments import claims, terminals
from deployments.accounts import people
from deployments.actors import ESTIVA, Actor
from deployments.errors import Refused
from deployments.models import AuditEntry, Environment, Operation, Role, Terminal, User
from deployments.operations import end_operation
from deployments.states import OperationStatus
from tests import factories as make
from tests.deployments.world import World, make_world

pytestmark = pytest.mark.django_db

END = Terminal.End


@pytest.fixture
def world() -> World:
    """The shop, whose environment allows terminals, with a release."""
    found = make_world()
    make.release(found.placement)
    Environment.objects.update(allows_terminal=True)
    return found


@pytest.fixture
def ada() -> Actor:
    """An admin."""
    return Actor.of(make.person("Ada Lane", Role.ADMIN))


def container(world: World, **changes: Any) -> dict[str, Any]:
    """As it was listed."""
    row = {"id": "c" * 64, "name": "shop-r1.f1", "ours": True, "placement": world.placement.pk, "release": "1"}
    return {**row, "state": "running", **changes}


def asked(world: World, by: Actor, **changes: Any) -> Terminal:
    given = {"container": container(world), "command": ["/bin/sh", "-l"], **changes}
    return terminals.request_terminal(actor=by, host=world.hosts[0], **given)


def test_an_admin_asks_and_that_is_on_record(world: World, ada: Actor) -> None:
    row = asked(world, ada, size=(9_000, 0))
    operation = Operation.objects.get(pk=row.pk)
    assert (operation.kind, operation.status, operation.requested_by_id) == ("terminal", "queued", ada.user_id)
    assert operation.request["size"] == [terminals.WIDEST, 1]
    assert (row.command, row.container_id, row.release.number) == (["/bin/sh", "-l"], "c" * 64, 1)
    entry = AuditEntry.objects.get(action="terminal.open")
    assert entry.after == {"server": row.host_name, "container": "shop-r1.f1", "command": ["/bin/sh", "-l"]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"container": {"ours": False}}, "not Estiva's"),
        ({"container": {"placement": None}}, "not Estiva's"),
        ({"container": {"state": "exited"}}, "does not run"),
        ({"container": {"release": "7"}}, "can't be masked"),
        ({"container": {"release": "x"}}, "can't be masked"),
        ({"command": []}, "what is to be run"),
        ({"command": [" "]}, "what is to be run"),
        ({"command": ["sh", "a\x00b"]}, "null character"),
        ({"command": ["sh"] * 200}, "too long"),
    ],
)
def test_what_is_refused(world: World, ada: Actor, changes: dict[str, Any], said: str) -> None:
    given = {**changes, **({"container": container(world, **changes["container"])} if "container" in changes else {})}
    with pytest.raises(Refused, match=said):
        asked(world, ada, **given)
    assert not Terminal.objects.exists()


def test_only_an_admin_and_only_where_it_is_allowed(world: World, ada: Actor) -> None:
    for role in (Role.DEPLOYER, Role.AUDITOR):
        person = make.person(f"{role} Lane", role, deploys_everything=role == Role.DEPLOYER)
        with pytest.raises(Refused, match="Only an admin"):
            asked(world, Actor.of(person))
    Environment.objects.update(allows_terminal=False)
    with pytest.raises(Refused, match="allows no terminals"):
        asked(world, ada)


def test_no_more_than_so_many_at_once(world: World, ada: Actor) -> None:
    for _ in range(terminals.MOST_EACH):
        asked(world, ada)
    with pytest.raises(Refused, match="As many terminals"):
        asked(world, ada)


def test_one_that_nobody_took_up_ends_at_once(world: World, ada: Actor) -> None:
    row = asked(world, ada)
    assert terminals.end_terminal(actor=ada, terminal_id=row.pk)
    assert not terminals.end_terminal(actor=ada, terminal_id=row.pk)
    assert Operation.objects.get(pk=row.pk).status == OperationStatus.CANCELLED
    assert AuditEntry.objects.filter(action="terminal.end").count() == 1


def test_a_worker_is_told_and_its_end_is_in_the_trail(world: World, ada: Actor) -> None:
    row = asked(world, ada)
    claim = claims.claim_operation(row.pk, holder="look@test")
    assert claim is not None
    assert claims.cancel_wanted_of_runs([row.pk]) == set()
    terminals.end_of_login(actor=ada, terminal_ids=[row.pk, 999])
    assert claims.cancel_wanted_of_runs([row.pk]) == {row.pk}
    row.refresh_from_db()
    assert row.end_requested_why == END.SIGNED_OUT
    assert end_operation(claim, OperationStatus.CANCELLED, {"what": "w", "how": "signed_out", "bytes": 12})
    after = AuditEntry.objects.get(action="terminal.end").after
    assert (after["how"], after["bytes"], after["container"]) == ("signed_out", 12, "shop-r1.f1")


def test_others_are_not_ended_by_a_sign_out(world: World, ada: Actor) -> None:
    row = asked(world, ada)
    terminals.end_of_login(actor=Actor.of(make.person("Eve Lane", Role.ADMIN)), terminal_ids=[row.pk])
    row.refresh_from_db()
    assert row.end_requested_at is None


def test_it_is_allowed_while_everything_stands(world: World, ada: Actor) -> None:
    row = asked(world, ada)
    person = User.objects.get(pk=ada.user_id or 0)
    assert terminals.still_allowed(row) == ""
    User.objects.filter(pk=person.pk).update(session_epoch=7)
    assert terminals.still_allowed(row) == END.SIGNED_OUT
    User.objects.filter(pk=person.pk).update(session_epoch=0, role="deployer")
    assert terminals.still_allowed(row) == END.RIGHTS
    User.objects.filter(pk=person.pk).update(role="admin")
    Environment.objects.update(allows_terminal=False)
    assert terminals.still_allowed(row) == END.RIGHTS
    Environment.objects.update(allows_terminal=True)
    people.deactivate(actor=ESTIVA, user=person)
    assert terminals.still_allowed(row) == END.RIGHTS


def test_a_program_that_may_not_administer_opens_none(world: World, ada: Actor) -> None:
    """Also where its person is an admin."""
    with pytest.raises(Refused, match="Only an admin"):
        asked(world, replace(ada, is_limited=True))
    assert not Terminal.objects.exists()
