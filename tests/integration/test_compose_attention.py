"""A Compose application whose server goes away in the middle: what is in doubt is looked at service by service, taken as it is,
or brought back. The engine is the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.models import Attention, Deployment, Placement
from parts.engine26 import ComposeCli, Engine26
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.dashboard.web import Web
from tests.integration import compose_scene as scene
from tests.integration import harness, processes
from tests.integration.attention_door import Door, lose
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

pytestmark = pytest.mark.timeout(240)
PATIENT = "healthcheck: {start_period: 30s}"


@dataclass
class Shop:
    """Three services on one server of this test's own."""

    sshd: SshServer
    engine: Engine26
    app: scene.Application
    place: Placement
    door: Door

    def in_doubt(self, version: str, **variant: Any) -> Deployment:
        """Deploy it; the server goes away while Compose waits, and the worker gives up."""
        scene.changed(self.place, text=self.app.pasted(version, web_too=PATIENT, **variant))
        deployment = scene.clicked(scene.planned(self.place))
        scene.until_says(deployment, "web-1  Waiting")
        lose(deployment, self.sshd, scene.PATIENCE)
        return deployment


@pytest.fixture
def shop(
    estiva: Estiva,
    make_sshd: Callable[..., SshServer],
    compose_cli: ComposeCli,
    tidy_engine26: Engine26,
    sample_images: SampleImages,
    valkey: Valkey,
    folder: Path,
) -> Iterator[Shop]:
    """Release 1 serves."""
    sshd = make_sshd(options=compose_cli.options)
    estiva.reconciler()
    for queue in ("deploy", "look"):
        processes.ready(estiva.worker(queue))
    app = scene.Application(sample_images)
    place = scene.placed([harness.trusted_host(sshd, tidy_engine26)], text=app.pasted())
    scene.deployed(place)
    with Web(folder / "attention-compose-web", valkey.url, processes.database_url()) as web:
        yield Shop(sshd, tidy_engine26, app, place, Door.of(web))


def test_taken_as_it_is_and_brought_back(shop: Shop) -> None:
    # the new version came up after all, though nobody was there to see it
    first = shop.in_doubt("2", behaviour="slow_start", variables={"SAMPLE_SECONDS": "3"})
    seen = shop.door.seen(first, lambda each: bool(each["matches"]))
    assert (seen["matches"], seen["before"]) == (2, 1)
    assert {(each["service"], each["serves"]) for each in seen["containers"]} == {
        ("web", True),
        ("db", True),
        ("cache", True),
    }
    before = scene.containers(shop.engine)
    seat = shop.door.as_is(first, seen, "it answers")
    assert {each["service"] for each in seat.observed["containers"]} == {"web", "db", "cache"}
    after = scene.containers(shop.engine)
    assert {name: each["Id"] for name, each in after.items()} == {name: each["Id"] for name, each in before.items()}
    assert "Version 2" in shop.app.page()

    # what served before comes back
    second = shop.in_doubt("3", behaviour="never_healthy")
    seen = shop.door.seen(
        second, lambda each: any(row["release"] == 3 and row["running"] for row in each["containers"])
    )
    assert (seen["matches"], seen["before"]) == (None, 2)
    back = shop.door.restore(second)
    assert harness.ended(back, timeout=scene.PATIENCE).status == "succeeded", scene.told(back)
    assert "Version 2" in shop.app.page()
    assert scene.containers(shop.engine)["web"]["Image"] == after["web"]["Image"]
    assert scene.running(shop.place) == 2
    assert [each.way for each in Attention.objects.order_by("pk")] == ["as_is", "restore"]
