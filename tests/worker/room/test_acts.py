"""By hand: what was chosen is found again or left alone, others' is never touched, and drift says who did it."""

from __future__ import annotations

from typing import Any

import pytest

from deployments import room_acts
from deployments.errors import Refused
from deployments.models import AuditEntry, Operation, PlacementHost, Target
from deployments.room_acts import Act
from deployments.states import TargetStatus
from tests.worker.room.conftest import NAME, Room
from worker.connections.fake_connection import CHANGING
from worker.connections.fake_images import Behaviour
from worker.connections.fake_room import FakeRoom
from worker.keeper import Keeper
from worker.operations import running

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def ask(room: Room, act: Act, container: dict[str, Any] | None = None) -> Operation:
    """Ana clicks."""
    host = room.world.hosts[0]
    return room_acts.request_act(actor=room.world.actor, host=host, container=container or room.container, act=act)


def done(room: Room, keeper: Keeper, act: Act, container: dict[str, Any] | None = None) -> Operation:
    """Ana clicks, and a worker does it."""
    operation = ask(room, act, container)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    return operation


def touched(doors: list[FakeRoom]) -> list[str]:
    """What was changed on the server."""
    return [call.name for each in doors for call in each.journal if call.name in CHANGING | {"restart"}]


def test_stopping_and_starting_again(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    operation = done(room, keeper, Act.STOP)
    assert (operation.status, operation.result["said"]) == ("succeeded", f"{NAME} is stopped, exit code 0.")
    assert room.status() == "exited"
    assert PlacementHost.objects.get().drift == (
        "The container of release 1 does not run: it is exited, stopped by hand by Ana Prado."
    )
    entry = AuditEntry.objects.get(action="container.stop")
    assert (entry.actor_name, entry.object_kind, entry.after["container"]) == ("Ana Prado", "placement", NAME)
    assert done(room, keeper, Act.START).result["said"] == f"{NAME} runs."
    assert PlacementHost.objects.get().drift == ""
    assert touched(doors) == ["stop", "start"]


def test_the_page_is_looked_at_anew_afterwards(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    done(room, keeper, Act.RESTART)
    assert touched(doors) == ["restart"]
    look = Operation.objects.get(kind="room")
    running.run(look.pk, keeper)
    look.refresh_from_db()
    assert {each["name"]: each["ours"] for each in look.result["containers"]} == {
        NAME: True,
        "somebodys-database": False,
    }


def test_removing_what_was_stopped(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    done(room, keeper, Act.STOP)
    assert done(room, keeper, Act.REMOVE).status == "succeeded"
    assert [each.name for each in room.server.containers.values()] == ["somebodys-database"]
    assert PlacementHost.objects.get().drift == (
        "Release 1 is on record, but no container of it is there. Ana Prado removed it by hand."
    )


def test_what_runs_is_not_removed(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    operation = done(room, keeper, Act.REMOVE)
    assert (operation.status, operation.result["remedy"]) == ("failed", "Stop it first.")
    assert touched(doors) == []


def test_others_are_never_touched(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    theirs = room.listed("somebodys-database")
    with pytest.raises(Refused, match="not Estiva's"):
        ask(room, Act.STOP, theirs)
    forged = {**theirs, "ours": True, "placement": room.world.placement.pk}
    operation = done(room, keeper, Act.STOP, forged)
    assert (operation.status, operation.result["what"]) == ("failed", "somebodys-database is not Estiva's.")
    assert touched(doors) == []


def test_what_was_renamed_meanwhile_is_left_alone(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    operation = ask(room, Act.STOP)
    room.server.rename(NAME, "storefront-production-r1.f2")
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert operation.result["what"] == f"{NAME} is called storefront-production-r1.f2 now. Nothing was done."
    assert touched(doors) == []


def test_what_was_made_anew_meanwhile_is_left_alone(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    operation = ask(room, Act.STOP)
    old = room.server.find(NAME)
    room.server.remove(NAME)
    room.server.create(NAME, old.body)
    room.server.start(NAME)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert operation.result["what"].endswith("It is not there any more. Nothing was done.")
    assert (room.status(), touched(doors)) == ("running", [])


def test_a_deployment_at_work_refuses(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    operation = ask(room, Act.STOP)
    Target.objects.update(status=TargetStatus.RUNNING)
    with pytest.raises(Refused, match="is at work there"):
        ask(room, Act.RESTART)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert (operation.status, touched(doors)) == ("failed", [])


def test_one_act_at_a_time(room: Room) -> None:
    ask(room, Act.STOP)
    with pytest.raises(Refused, match="Something else is being done"):
        ask(room, Act.RESTART)


def test_what_ends_at_once_after_its_start_is_said(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    done(room, keeper, Act.STOP)
    room.server.behave(NAME, Behaviour(exits_after=0.0, exit_code=3))
    operation = done(room, keeper, Act.START)
    assert (operation.status, operation.result["what"]) == (
        "failed",
        f"{NAME} was started and ended at once, exit code 3.",
    )


def test_a_later_deployment_clears_the_blame(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    operation = done(room, keeper, Act.STOP)
    seat = PlacementHost.objects.get()
    assert room_acts.taken_down_by(seat) == "Ana Prado"
    seat.running_since = operation.ended_at
    assert room_acts.taken_down_by(seat) == ""
