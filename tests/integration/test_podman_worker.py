"""A whole worker against podman 4.3: killed at the points that only podman has, and a day in its server room."""

from __future__ import annotations

from typing import Any

import pytest

from parts.podman import Podman
from parts.sshd import SshServer
from tests.integration import harness
from tests.integration.kill_stage import Point
from tests.integration.test_faults_kills import deployed, killed_at, lease_runs_out
from tests.integration.test_room import test_a_day_in_the_server_room as _a_day_in_the_server_room

pytestmark = pytest.mark.real

test_a_day_in_podmans_server_room = _a_day_in_the_server_room
__all__ = ["deployed"]  # a fixture


@pytest.fixture
def server(sshd: SshServer, tidy_podman: Podman) -> tuple[SshServer, Podman]:
    """Podman behind sshd, where the tests of others have Docker."""
    return sshd, tidy_podman


# from 0: tag, rename, create 2, stop the old one 3, start 4, create the twin 5, stop what was proven 6, start the twin 7, remove 8, 9
POINTS = [Point(5, after=True), Point(6, after=True)]


@pytest.mark.timeout(240)
def test_killed_where_only_podman_has_a_point(deployed: Any, server: tuple[SshServer, Podman]) -> None:
    place, one, two = deployed
    images, calls = [two, one], []
    for point in POINTS:
        image = images[0]
        images.reverse()
        harness.change_image(place, image)
        deployment = harness.deploy(place, image)
        calls.append(killed_at(deployment, point))
        lease_runs_out(deployment)
        target = harness.run_here(deployment)
        context = f"killed at {calls}: {target.outcome} {harness.lines_of(target)}"
        assert target.status == "succeeded", context
        (name,) = harness.all_ours(server[1])  # type: ignore[arg-type]  # it asks for the socket alone
        assert name.startswith(f"shop-production-r{deployment.release.number}.f{target.fence}"), context
    assert calls == ["create", "stop"]
