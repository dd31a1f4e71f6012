"""What is changed by hand on a Compose application's services, on a real engine with Compose v2: seen, and undone by a deploy."""

from __future__ import annotations

import pytest

from parts.engine26 import Engine26
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.integration import compose_scene as scene
from tests.integration import harness
from tests.integration.compose_stage import lock_file
from tests.integration.test_drift import ByHand
from tests.real_parts import SampleImages

pytestmark = pytest.mark.timeout(240)


def test_services_that_were_changed_by_hand(
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    compose_sshd: SshServer,
    tidy_engine26: Engine26,
    sample_images: SampleImages,
) -> None:
    lock_file().unlink(missing_ok=True)
    host = harness.trusted_host(compose_sshd, tidy_engine26)
    app, by_hand = scene.Application(sample_images), ByHand(host, tidy_engine26)
    scene.placed([host], text=app.pasted())
    assert harness.run_here(scene.clicked(by_hand.planned())).status == "succeeded"
    name = {service: each["Name"].removeprefix("/") for service, each in scene.containers(tidy_engine26).items()}
    assert by_hand.seen().difference == {}, "as it was deployed, nothing differs"
    by_hand.docker("restart", "--time", "1", name["web"], name["cache"])
    assert by_hand.seen().difference == {}, "its address is another, perhaps; that is nobody's hand"

    by_hand.docker("update", "--restart", "no", "--memory", "300m", "--memory-swap", "600m", name["db"])
    by_hand.docker("network", "create", "backstage")
    by_hand.docker("network", "connect", "backstage", name["web"])
    image = scene.containers(tidy_engine26)["cache"]["Config"]["Image"]
    by_hand.again(name["cache"], image, "-e", f"EXTRA={scene.SECRET}", "--network", "shop-production_default")
    seat = by_hand.seen()
    changes = {each["name"]: (each["before"], each["after"]) for each in seat.difference["changes"]}
    assert changes["web: Network backstage"] == ("", "joined")
    assert changes["cache: Container"] == ("as it was left", "recreated")
    assert changes["db: Restart"] == ("Unless stopped by hand", "Never")
    assert changes["db: Memory limit"] == ("", "300m")
    assert changes["cache: EXTRA"] == ("", "a value")
    assert {each.partition(":")[0] for each in changes} == {"web", "db", "cache"}
    assert scene.SECRET not in str([seat.drift, seat.difference, seat.observed])

    again = harness.run_here(scene.clicked(by_hand.planned(of_release=seat.running_release)))
    assert again.status == "succeeded", again.outcome
    there = scene.containers(tidy_engine26)
    assert there["db"]["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert list(there["web"]["NetworkSettings"]["Networks"]) == ["shop-production_default"]
    assert by_hand.seen().difference == {}
    name = {service: each["Name"].removeprefix("/") for service, each in there.items()}
    by_hand.docker("pause", name["db"])
    seat = by_hand.seen()
    assert "db is paused and answers nobody" in seat.drift
    unpaused = harness.run_here(scene.clicked(by_hand.planned(of_release=seat.running_release)))
    assert unpaused.status == "succeeded", unpaused.outcome
    assert {each["State"]["Status"] for each in scene.containers(tidy_engine26).values()} == {"running"}
    assert by_hand.seen().difference == {}
    services = [(each["service"], each["kind"]) for each in by_hand.planned(seat.running_release).hosts[0]["services"]]
    assert services == [("cache", "unchanged"), ("db", "unchanged"), ("web", "unchanged")]
