"""Commands beside a deploy on record: who goes first for them, and when none runs."""

from typing import Any

import pytest

from deployments import claims, container_settings, endings, hooks, requests
from deployments.errors import FieldErrors
from deployments.inventory import placements
from deployments.models import Deployment
from deployments.states import DeploymentStatus
from tests.deployments.world import World, claimed, deployed, make_world, planned

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

MIGRATE = "./manage.py\nmigrate"
WORDS = ("./manage.py", "migrate")
NEXT = "sha256:" + "9" * 64


@pytest.fixture
def world() -> World:
    return make_world(servers=3)


def set_up(world: World, rollout: dict[str, Any] | None = None, **settings: Any) -> None:
    world.placement.refresh_from_db()
    placements.save_placement(
        actor=world.actor,
        placement=world.placement,
        application=world.application,
        environment=world.production,
        image=world.placement.image,
        settings={**world.placement.settings, **settings},
        host_ids=[host.pk for host in world.hosts],
        rollout=rollout,
    )
    world.placement.refresh_from_db()


def waves(deployment: Deployment) -> list[list[str]]:
    found: dict[int, list[str]] = {}
    for target in deployment.targets.order_by("wave", "host_name"):
        found.setdefault(target.wave, []).append(target.host_name)
    return list(found.values())


def end(deployment: Deployment, wave: int, verdict: str = "succeeded") -> None:
    for target in deployment.targets.filter(wave=wave).order_by("pk"):
        assert endings.end_target(claimed(target), {"verdict": verdict, "what": "said"}, {"container": "c"})


def test_what_nobody_sets_is_not_kept() -> None:
    assert not {"before", "after", "before_on", "hook_deadline"} & container_settings.defaults().keys()
    kept = container_settings.normalise({"before": MIGRATE, "hook_deadline": "30"})
    assert (kept["before"], kept["hook_deadline"]) == (list(WORDS), 30)
    with pytest.raises(FieldErrors):
        container_settings.normalise({"before": "a\x00b"})


def test_one_server_goes_first_and_the_others_follow_by_themselves(world: World) -> None:
    set_up(world, before=MIGRATE)
    deployment = deployed(world)
    assert waves(deployment) == [["web-1"], ["web-2", "web-3"]]
    assert claims.waiting_targets() == [deployment.targets.get(wave=0).pk]
    end(deployment, 0)
    deployment.refresh_from_db()
    assert (deployment.gate, deployment.wave) == ("", 1)
    end(deployment, 1)
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.SUCCEEDED


def test_where_it_did_not_run_nothing_follows(world: World) -> None:
    set_up(world, before=MIGRATE)
    deployment = deployed(world)
    end(deployment, 0, "failed_untouched")
    assert list(deployment.targets.order_by("host_name").values_list("status", flat=True)) == [
        *("failed_untouched", "skipped", "skipped"),
    ]


def test_where_its_server_was_left_out_nothing_follows(world: World) -> None:
    set_up(world, {"away": "skip"}, before=MIGRATE)
    deployment = deployed(world)
    left_out = {"verdict": "skipped", "what": "Left out: web-1 does not answer.", "away": True}
    assert endings.end_target(claimed(deployment.targets.get(wave=0)), left_out)
    deployment.refresh_from_db()
    assert set(deployment.targets.values_list("status", flat=True)) == {"skipped"}
    assert deployment.halted.startswith("Stopped since web-1 was left out")


def test_it_goes_before_the_first_batch_and_its_gate(world: World) -> None:
    set_up(world, {"kind": "canary", "size": "1"}, before=MIGRATE)
    deployment = deployed(world)
    assert waves(deployment) == [["web-1"], ["web-2", "web-3"]]
    set_up(world, {"kind": "batches", "size": "2"}, before=MIGRATE)
    requests.cancel_deployment(actor=world.actor, deployment=deployment)
    deployment = deployed(world)
    assert waves(deployment) == [["web-1"], ["web-2"], ["web-3"]]
    end(deployment, 0)
    end(deployment, 1)
    deployment.refresh_from_db()
    assert deployment.gate == "person", "after the batch, not after the one that leads it"


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        ({"before": WORDS}, {"wave": 0}, (WORDS, ())),
        ({"before": WORDS}, {"wave": 1}, ((), ())),
        ({"before": WORDS, "before_on": "each"}, {"wave": 1}, (WORDS, ())),
        ({"after": WORDS}, {"wave": 1}, ((), WORDS)),
        ({"before": WORDS, "after": WORDS}, {"goes_back": True}, ((), ())),
        ({"before": WORDS, "after": WORDS}, {"rollout": {"catches_up": True}}, ((), ())),
        ({}, {}, ((), ())),
    ],
)
def test_what_runs_where(settings: dict[str, Any], fields: dict[str, Any], expected: tuple[Any, Any]) -> None:
    given: dict[str, Any] = {"goes_back": False, "rollout": {}, "wave": 0, **fields}
    assert hooks.commands(settings, **given) == (*expected, 600.0)


def test_going_back_has_no_leader(world: World) -> None:
    set_up(world, before=MIGRATE)
    first = deployed(world)
    for wave in (0, 1):
        end(first, wave)
    second = deployed(world, digest=NEXT)
    for wave in (0, 1):
        end(second, wave)
    back = planned(world, of_release=first.release)
    deployment = requests.request_deployment(actor=world.actor, plan=back, fingerprint=back.fingerprint)
    assert deployment.kind == Deployment.Kind.ROLLBACK
    assert waves(deployment) == [["web-1", "web-2", "web-3"]]
