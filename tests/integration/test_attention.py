"""A worker that loses its server in the middle of a swap, for good: what is in doubt is looked at, and each way out is taken
by HTTP against the real web, workers and engine. The engine is the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import Client

from deployments.models import Attention, AuditEntry, Deployment, Placement, User
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.dashboard.web import Web
from tests.integration import harness, processes
from tests.integration.attention_door import Door, lose
from tests.integration.processes import Estiva
from tests.real_parts import Pushed, SampleImages

pytestmark = pytest.mark.timeout(240)


@dataclass
class Shop:
    """One application on one server of this test's own."""

    sshd: SshServer
    engine: DockerEngine
    door: Door
    place: Placement

    def in_doubt(self, image: Pushed) -> Deployment:
        """Deploy it; the server goes away while it is on trial, and the worker gives up."""
        harness.change_image(self.place, image)
        deployment = harness.deploy(self.place, image)
        harness.until_target(
            deployment, lambda each: each.steps.filter(key="health").exists(), "the health wait begins"
        )
        lose(deployment, self.sshd)
        return deployment


@pytest.fixture
def shop(
    estiva: Estiva,
    make_sshd: Callable[..., SshServer],
    make_engine: Callable[..., DockerEngine],
    sample_images: SampleImages,
    valkey: Valkey,
    folder: Path,
) -> Iterator[Shop]:
    """Release 1 serves."""
    sshd, engine = make_sshd(), make_engine()
    estiva.reconciler()
    for queue in ("deploy", "look"):
        processes.ready(estiva.worker(queue))
    one = sample_images.push("1")
    place = harness.placement(harness.trusted_host(sshd, engine), one, ports=[harness.published()], stop_timeout=1)
    assert harness.ended(harness.deploy(place, one)).status == "succeeded"
    with Web(folder / "attention-web", valkey.url, processes.database_url()) as web:
        yield Shop(sshd, engine, Door.of(web), place)


def test_each_way_out_of_a_doubt(shop: Shop, sample_images: SampleImages) -> None:
    slow = sample_images.push("slow", behaviour="slow_start", variables={"SAMPLE_SECONDS": "3"})
    slower = sample_images.push("slower", behaviour="slow_start", variables={"SAMPLE_SECONDS": "4"})

    # taken as it is: the new version came up after all
    first = shop.in_doubt(slow)
    seen = shop.door.seen(first, lambda each: bool(each["matches"]))
    new, old = seen["containers"]
    assert (seen["matches"], seen["before"], seen["said"]) == (2, 1, "Release 2 serves.")
    assert (new["release"], new["serves"], old["release"], old["running"]) == (2, True, 1, False)
    assert seen["ports"][0]["holders"] == [new["name"]]
    before = harness.containers_as_they_are(shop.engine)
    shop.door.as_is(first, seen, "it answers")
    assert harness.containers_as_they_are(shop.engine) == before, "nothing is changed there"
    assert first.targets.get().status == "needs_attention"

    # what served before comes back
    second = shop.in_doubt(sample_images.push("bad", behaviour="never_healthy"))
    seen = shop.door.seen(
        second, lambda each: any(row["release"] == 3 and row["running"] for row in each["containers"])
    )
    assert (seen["matches"], seen["before"]) == (None, 2)
    assert not any(row["serves"] for row in seen["containers"])
    back = shop.door.restore(second)
    assert harness.ended(back).status == "succeeded", back.targets.get().outcome
    (name,) = harness.serving(shop.engine)
    assert name.startswith("shop-production-r2.f")

    # the same release once more
    third = shop.in_doubt(slower)
    shop.door.seen(third, lambda each: bool(each["containers"]))
    client = Client()
    client.force_login(User.objects.get(email="ada@example.com"))
    page = f"/deployments/{third.pk}/attention"
    assert "Bring release 4 again" in client.get(page).content.decode()
    assert client.post(page, {"act": "resume", "server": "web-1", "reason": "it was the network"}).status_code == 302
    again = Attention.objects.get(target__deployment=third).dealt_with
    assert again is not None
    assert harness.ended(again).status == "succeeded", again.targets.get().outcome
    (name,) = harness.serving(shop.engine)
    assert name.startswith("shop-production-r4.f")
    assert [each.way for each in Attention.objects.order_by("pk")] == ["as_is", "restore", "resume"]
    entries = AuditEntry.objects.filter(action="target.settle").order_by("number")
    assert [each.after["way"] for each in entries] == ["as_is", "restore", "resume"]
    assert {each.actor_name for each in entries} == {"Ada (token ci)", "Ada"}
