"""A Compose application on in-memory servers: rows through the domain, Compose from `FakeComposeHost`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

from deployments import requests
from deployments.inventory import applications, placements, variables
from deployments.models import Deployment, Host, Placement, Plan
from tests.deployments.world import World, make_world
from worker import runs
from worker.brief import HostConnection
from worker.connections.fake_compose import FakeComposeHost, FakeComposeServer
from worker.connections.signals import Signals
from worker.keeper import Keeper
from worker.operations import compose_plan, running

SECRET = "hush-hush-0815"
FILE = """
services:
  web:
    image: registry.test/web:1
    ports: ["8080:5000"]
    environment: {TOKEN: "${TOKEN}", PLAIN: "${PLAIN:-none}"}
    depends_on: [db]
    restart: always
  db:
    image: registry.test/db:1
    restart: always
"""


class Scene:
    """Two servers and a shop whose file is kept in Estiva."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, servers: int = 2) -> None:
        self.world: World = make_world(servers=servers)
        self.by_name = {each.name: FakeComposeServer(each.name) for each in self.world.hosts}
        self.at_connect: list[Any] = []
        for name in ("web", "db"):
            self.publish(name)
        application = applications.create_application(actor=self.world.actor, name="pasted")
        self.place = placements.save_placement(
            actor=self.world.actor,
            placement=None,
            application=application,
            environment=self.world.production,
            image="",
            settings={},
            host_ids=[each.pk for each in self.world.hosts],
            source="compose",
            compose={"text": FILE, "wait_seconds": 10, "settle_seconds": 1},
        )
        self.variable("TOKEN", SECRET, secret=True)
        monkeypatch.setattr(compose_plan, "open_compose", self.open)

    def publish(self, name: str, tag: str = "1", **fields: Any) -> None:
        """Push an image to the registry of every server."""
        for each in self.by_name.values():
            each.images.publish(f"registry.test/{name}", tag, **fields)

    def variable(self, name: str, value: str, *, secret: bool = False) -> None:
        """Set one."""
        variables.set_variable(actor=self.world.actor, placement=self.place, name=name, value=value, is_secret=secret)

    @contextmanager
    def open(
        self, connection: HostConnection, signals: Signals, image_from: HostConnection | None = None
    ) -> Iterator[FakeComposeHost]:
        """What `servers.open_compose` does."""
        signals.check()
        happening = self.at_connect.pop(0) if self.at_connect else None
        if isinstance(happening, Exception):
            raise happening
        yield FakeComposeHost(self.by_name[connection.address.host_name], signals)

    def open_plain(self, host: Host) -> AbstractContextManager[FakeComposeHost]:
        """Without a worker."""
        return nullcontext(FakeComposeHost(self.by_name[host.name]))

    def text(self, text: str, **more: Any) -> None:
        """Another file."""
        self.place.refresh_from_db()
        placements.save_placement(
            actor=self.world.actor,
            placement=self.place,
            application=self.place.application,
            environment=self.place.environment,
            image="",
            settings=self.place.settings,
            host_ids=[each.pk for each in self.world.hosts],
            source="compose",
            compose={**self.place.compose, "text": text, **more},
        )

    def planned(self, keeper: Keeper, **asked: Any) -> Plan:
        """A Plan, worked out."""
        self.place = Placement.objects.get(pk=self.place.pk)
        plan = requests.request_plan(actor=self.world.actor, placement=self.place, **asked)
        running.run(plan.operation_id, keeper)
        plan = Plan.objects.select_related("operation").get(pk=plan.pk)
        assert plan.operation.status == "succeeded", plan.operation.result
        return plan

    def clicked(self, keeper: Keeper, **asked: Any) -> Deployment:
        """Plan and deploy, not run yet."""
        plan = self.planned(keeper, **asked)
        return requests.request_deployment(actor=self.world.actor, plan=plan, fingerprint=plan.fingerprint)

    def deployed(self, keeper: Keeper, **asked: Any) -> Deployment:
        """To its end."""
        deployment = self.clicked(keeper, **asked)
        self.run(deployment, keeper)
        return deployment

    def run(self, deployment: Deployment, keeper: Keeper) -> None:
        """One attempt at each Target."""
        for each in deployment.targets.order_by("pk"):
            runs.run(each.pk, keeper, compose_opener=self.open)
        deployment.refresh_from_db()


def findings(plan: Plan, result: str = "bad") -> list[str]:
    """Messages of every server."""
    return [each["message"] for row in plan.hosts for each in row["findings"] if each["result"] == result]
