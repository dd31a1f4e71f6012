"""Adopting what was changed by hand: only what was seen, of what is still on record, and with no more power than the person has."""

from __future__ import annotations

from typing import Any

import pytest

from deployments import adopted_content, adopting, claims, drifting
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Attention, Operation, PlacementHost, Release, Role
from tests.deployments.world import (
    OTHER_DIGEST,
    WORKER,
    World,
    deployed,
    finish,
    make_world,
    only_target,
    person,
    succeed,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

OBSERVED = {"container": "storefront-production-r1.f1", "container_id": "c" * 64, "image_id": "sha256:1"}


@pytest.fixture
def world() -> World:
    found = make_world()
    succeed(found)
    return found


def differs(seat: PlacementHost, **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "words": "Changed by hand.", "container": "storefront-production-r1.f1", "container_id": "c" * 64,
        "status": "running", "changes": [], "settings": settings, "variables": [], "image": {}, "release": 1,
        "why_not": "",
    }  # fmt: skip
    found["fingerprint"] = drifting.fingerprint(found)
    seat.difference, seat.drift = found, "Changed by hand."
    seat.save()
    return found


def asked(actor: Actor, seat: PlacementHost, *, follow: bool = False) -> Operation:
    shown = seat.difference["fingerprint"]
    operation = adopting.request_adoption(actor=actor, seat=seat, shown=shown, note="by hand", follow=follow)
    assert claims.claim_operation(operation.pk, holder=WORKER)
    operation.refresh_from_db()
    return operation


def test_nothing_is_adopted_that_a_deployment_has_replaced_since_the_look(world: World) -> None:
    seat = world.placement.seats.get()
    difference = differs(seat, memory=300 * 1024**2)
    operation = asked(world.actor, seat)
    newer = succeed(world, digest=OTHER_DIGEST)
    with pytest.raises(Refused):
        adopting.adopt(operation, seat.pk, difference, OBSERVED)
    seat.refresh_from_db()
    assert (seat.running_release, Release.objects.count()) == (newer, 2)


def test_an_attempt_that_was_cut_off_knows_that_it_has_written_an_older_release_down(world: World) -> None:
    seat = world.placement.seats.get()
    difference = differs(seat, memory=300 * 1024**2)
    first, _ = adopting.adopt(asked(world.actor, seat), seat.pk, difference, OBSERVED)
    older = Release.objects.get(number=1)
    PlacementHost.objects.update(running_release=older)  # it was brought back by hand, then changed again by hand
    seat = world.placement.seats.get()
    operation = asked(world.actor, seat) if differs(seat, memory=300 * 1024**2) else None
    assert operation is not None
    again, is_new = adopting.adopt(operation, seat.pk, seat.difference, OBSERVED)
    assert (again, is_new) == (first, False)
    assert adopting.adopted_by(operation) == first


def test_the_settings_get_no_power_back_that_an_admin_took_away_meanwhile(world: World) -> None:
    runs = Release.objects.get(number=1)
    Release.objects.filter(pk=runs.pk).update(settings={**runs.settings, "cap_add": ["NET_ADMIN", "SYS_TIME"]})
    seat = world.placement.seats.get()
    bruno = Actor.of(person("Bertha Ohm", Role.DEPLOYER))
    differs(seat, cap_add=["NET_ADMIN"])
    with pytest.raises(Refused, match="Only an admin may set this"):
        asked(bruno, seat, follow=True)
    operation = asked(bruno, seat)
    operation.request["follow"] = True  # what an admin took away after it was asked for
    with pytest.raises(Refused, match="without taking it into the settings"):
        adopting.adopt(operation, seat.pk, seat.difference, OBSERVED)
    assert not world.placement.releases.exclude(pk=runs.pk).exists()


def test_a_network_that_was_joined_otherwise_by_hand_is_another_setting(world: World) -> None:
    set_before = {"name": "backbone", "aliases": "shop, web", "ipv4": "", "ipv6": ""}
    settings = {**world.placement.settings, "networks": [set_before]}
    same = {**set_before, "aliases": "shop,web"}
    assert adopted_content.settings_after(settings, {"networks": [same]}) == settings, (
        "it keeps the words that were set"
    )
    for found in ({**set_before, "aliases": "web"}, {**set_before, "ipv4": "10.5.0.7"}):
        assert adopted_content.settings_after(settings, {"networks": [found]})["networks"] == [found]


def test_adopting_what_is_there_deals_with_the_doubt_that_a_deployment_left(world: World) -> None:
    deployment = deployed(world, digest=OTHER_DIGEST)
    finish(only_target(deployment), "needs_attention")
    seat = world.placement.seats.get()
    difference = differs(seat, memory=300 * 1024**2)
    release, _ = adopting.adopt(asked(world.actor, seat), seat.pk, difference, OBSERVED)
    row = Attention.objects.get(target__deployment=deployment)
    assert (row.way, row.release, row.dealt_by_name, row.reason) == ("as_is", release, "Ana Prado", "by hand")
