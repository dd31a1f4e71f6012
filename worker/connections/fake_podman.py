"""What podman 4.3's service does otherwise than Docker, for the in-memory server. Each was seen on the real one first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from worker.engine.container_host import EngineFacts
from worker.engine.errors import NotFound

if TYPE_CHECKING:
    from worker.connections.fake_server import FakeServer

LACKS = frozenset({"update", "distribution"})


def facts(docker: EngineFacts) -> EngineFacts:
    """As `/version` and `/info` say it."""
    return replace(docker, engine_version="4.3.1", product="Podman", lacks=LACKS)


def refuse_unknown_call(podman: bool) -> None:
    """`POST /containers/NAME/update` and `GET /distribution/…`: not among its calls."""
    if podman:
        raise NotFound("Not Found", status=404)


def restart_service(server: FakeServer) -> None:
    """`podman start --all --filter restart-policy=always`, as podman-restart.service does it: one after the other by ID,
    those that never ran and those stopped by hand among them; what doesn't start stays as it is.
    """
    for each in server.containers.values():
        each.status = "exited" if each.status == "restarting" else each.status
    for each in sorted(server.containers.values(), key=lambda each: each.id, reverse=server.reversed_boot):
        if each.policy == "always":
            each.stopped_by_hand = False
            server.begin_again(each)
