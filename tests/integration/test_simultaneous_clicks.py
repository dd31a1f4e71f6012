"""Many people click Deploy at once: real threads, one real worker, a real server. All of it runs, one at a time, in order.

Twenty of them: fifty take a minute and a half on two busy cores. Fifty are tried without a server in tests/deployments/test_races.py.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from urllib.parse import quote

import pytest
from django.db import connection
from django.db.models import Count

from deployments import audit, requests
from deployments.models import Deployment, PlacementHost, Plan, Release
from deployments.states import DEPLOYMENT_OPEN
from parts.dockerd import DockerEngine
from parts.processes import wait_until
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

CLICKS = 20
NAME = "shop-production-r1"
FILTERS = quote(json.dumps({"type": ["container"], "event": ["create", "destroy"]}))


class Births:
    """What an engine says of containers made and removed, in order. It remembers 256 events, so it is asked now and then."""

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine
        self._since = time.time()
        self._seen: dict[tuple[int, str, str], str] = {}

    def look(self) -> list[str]:
        """Everything until now, such as `create 1` and `destroy 1`: containers are numbered as they were made."""
        path = f"/events?since={self._since:.9f}&until={time.time():.9f}&filters={FILTERS}"
        status, answer = self._engine.api.request("GET", path)
        assert status == 200, answer
        for event in map(json.loads, answer.splitlines()):
            self._seen[event["timeNano"], event["Action"], event["Actor"]["ID"]] = event["Actor"]["Attributes"]["name"]
        made = [container for _, action, container in sorted(self._seen) if action == "create"]
        return [f"{action} {made.index(container) + 1}" for _, action, container in sorted(self._seen)]

    def names(self) -> list[str]:
        """The names under which they were made, in order."""
        return [self._seen[key] for key in sorted(self._seen) if key[1] == "create"]


def click_together(plan: Plan) -> list[int]:
    """All click at the same moment; the numbers of what they asked for."""
    barrier, actor = threading.Barrier(CLICKS), harness.admin()

    def click(_: int) -> int:
        barrier.wait()
        try:
            return requests.request_deployment(actor=actor, plan=plan, fingerprint=plan.fingerprint).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(CLICKS) as pool:
        return list(pool.map(click, range(CLICKS)))


@pytest.mark.timeout(150)
def test_simultaneous_clicks_run_one_at_a_time_and_in_order(
    estiva: Estiva, server: tuple[SshServer, DockerEngine], sample_images: SampleImages
) -> None:
    """The worker takes eight at a time, so nothing but the record keeps them apart; no reconciler helps."""
    processes.ready(estiva.worker(concurrency=8))
    image = sample_images.push("1")
    running = {"kind": "running", "run_seconds": 0.1, "interval": 0.1, "passes": 1}
    place = harness.placement(harness.trusted_host(*server), image, health=running, stop_timeout=1)
    plan, births = harness.record_plan(place, image), Births(server[1])

    numbers = sorted(click_together(plan))

    def all_over() -> bool:
        births.look()
        return not Deployment.objects.filter(status__in=DEPLOYMENT_OPEN).exists()

    wait_until(all_over, f"{CLICKS} deployments end", timeout=100)
    rows = list(Deployment.objects.order_by("pk"))
    assert [row.pk for row in rows] == numbers
    assert {row.status for row in rows} == {"succeeded"}, [row.targets.get().outcome for row in rows]
    assert Release.objects.count() == 1, "the same content is one Release"
    _check_record(rows)
    wanted = ["create 1"]
    for old, new in pairwise(range(1, CLICKS + 1)):
        wanted += [f"create {new}", f"destroy {old}"]
    assert births.look() == wanted, "each was over before the next one began"
    # A repeated release finds its own name taken: the old container bears the new fence as soon as the new run has it.
    assert births.names() == [f"{NAME}.f1", *(f"{NAME}.f{fence}-2" for fence in range(2, CLICKS + 1))]
    assert harness.all_ours(server[1]) == births.names()[-1:]


def _check_record(rows: list[Deployment]) -> None:
    """Each ran once, began after the one before had ended, and none of its lines is missing."""
    for before, after in pairwise(rows):
        assert before.ended_at is not None
        assert after.started_at is not None
        assert before.ended_at <= after.started_at, (before.pk, after.pk)
    targets = [row.targets.get() for row in rows]
    assert [(each.fence, each.attempts) for each in targets] == [(number, 1) for number in range(1, CLICKS + 1)]
    for each in targets:
        assert harness.lines_of(each)
    assert PlacementHost.objects.aggregate(count=Count("pk"))["count"] == 1
    assert audit.verify().ok
