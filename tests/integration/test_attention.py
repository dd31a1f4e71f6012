"""A worker that loses its server in the middle of a swap, for good: what is in doubt is looked at, and each way out is taken
by HTTP against the real web, workers and engine. The engine is the judge.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from deployments.accounts import tokens
from deployments.models import Attention, AuditEntry, Deployment, Placement, User
from parts.dockerd import DockerEngine
from parts.processes import wait_until
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.dashboard.web import Web
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import Pushed, SampleImages

pytestmark = pytest.mark.timeout(240)


@dataclass
class Shop:
    """One application on one server of this test's own, and a program that asks for things."""

    estiva: Estiva
    sshd: SshServer
    engine: DockerEngine
    web: Web
    token: str
    place: Placement

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        asked = http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=15)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            asked.request(method, f"/api/v1/{path}", json.dumps(body or {}), headers)
            answer = asked.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
            assert answer.status < 300, found
            return found
        finally:
            asked.close()

    def in_doubt(self, image: Pushed) -> Deployment:
        """Deploy it; the server goes away while it is on trial, and the worker gives up."""
        harness.change_image(self.place, image)
        deployment = harness.deploy(self.place, image)
        harness.until_target(
            deployment, lambda each: each.steps.filter(key="health").exists(), "the health wait begins"
        )
        self.sshd.stop()
        harness.until_target(deployment, lambda each: each.status == "stalled", "handed back")
        deployment.targets.update(connections_lost=8)  # as if it had been away for a quarter of an hour
        assert harness.ended(deployment).status == "needs_attention", deployment.targets.get().outcome
        self.sshd.start()
        return deployment

    def seen(self, deployment: Deployment, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Have a worker look until what it sees is as wanted."""
        found: dict[str, Any] = {}

        def is_so() -> bool:
            answer = self.ask("GET", f"deployments/{deployment.pk}/attention")["servers"][0]
            if answer["seen_at"] and wanted(answer):
                found.update(answer)
                return True
            if not answer["is_looking"]:
                self.ask("POST", f"deployments/{deployment.pk}/attention/look")
            return False

        wait_until(is_so, "a worker sees it", timeout=30)
        return found


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
    admin = User.objects.get(email="ada@example.com")
    _row, text = tokens.create(actor=harness.admin(), user=admin, name="ci", scope="deploy")
    with Web(folder / "attention-web", valkey.url, processes.database_url()) as web:
        yield Shop(estiva, sshd, engine, web, text, place)


def test_each_way_out_of_a_doubt(shop: Shop, sample_images: SampleImages) -> None:
    slow = sample_images.push("slow", behaviour="slow_start", variables={"SAMPLE_SECONDS": "3"})
    slower = sample_images.push("slower", behaviour="slow_start", variables={"SAMPLE_SECONDS": "4"})

    # taken as it is: the new version came up after all
    first = shop.in_doubt(slow)
    seen = shop.seen(first, lambda each: bool(each["matches"]))
    new, old = seen["containers"]
    assert (seen["matches"], seen["before"], seen["said"]) == (2, 1, "Release 2 serves.")
    assert (new["release"], new["serves"], old["release"], old["running"]) == (2, True, 1, False)
    assert seen["ports"][0]["holders"] == [new["name"]]
    before = harness.containers_as_they_are(shop.engine)
    wanted = {"servers": [{"server": "web-1", "fingerprint": seen["fingerprint"]}], "reason": "it answers"}
    shop.ask("POST", f"deployments/{first.pk}/attention/as-is", wanted)
    wait_until(lambda: Attention.objects.get(target__deployment=first).way == "as_is", "it is recorded", timeout=30)
    seat = shop.place.seats.get()
    assert seat.running_release is not None
    assert (seat.running_release.number, seat.running_target, seat.drift) == (2, first.targets.get(), "")
    assert harness.containers_as_they_are(shop.engine) == before, "nothing is changed there"
    assert first.targets.get().status == "needs_attention"

    # what served before comes back
    second = shop.in_doubt(sample_images.push("bad", behaviour="never_healthy"))
    seen = shop.seen(second, lambda each: any(row["release"] == 3 and row["running"] for row in each["containers"]))
    assert (seen["matches"], seen["before"]) == (None, 2)
    assert not any(row["serves"] for row in seen["containers"])
    (made,) = shop.ask("POST", f"deployments/{second.pk}/attention/restore", {"servers": ["web-1"]})["deployments"]
    back = Deployment.objects.get(pk=made["id"])
    assert harness.ended(back).status == "succeeded", back.targets.get().outcome
    (name,) = harness.serving(shop.engine)
    assert name.startswith("shop-production-r2.f")

    # the same release once more
    third = shop.in_doubt(slower)
    shop.seen(third, lambda each: bool(each["containers"]))
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
