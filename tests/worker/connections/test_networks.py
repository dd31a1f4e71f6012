"""Which of two networks of one name stays. The engine's part of it is in tests/integration."""

from __future__ import annotations

from typing import Any, cast

import docker.errors
import pytest

from worker.connections import networks
from worker.connections.engine_http import EngineClient

OURS = {"estiva.installation": "test"}
MADE = "2026-01-01T00:00:0{}.123456789Z"


class Engine:
    """Networks by ID, and as much of the SDK's client as is asked."""

    def __init__(self, **found: dict[str, Any]) -> None:
        self.found = {
            network_id: {"Id": network_id, "Name": "back", "Labels": OURS, "Containers": {}, **each}
            for network_id, each in found.items()
        }
        self.gone: set[str] = set()  # since they were listed
        self.joined: set[str] = set()  # since they were looked at

    def networks(self, names: list[str]) -> list[dict[str, Any]]:
        """Docker's filter takes parts of names."""
        return [each for each in self.found.values() if any(name in each["Name"] for name in names)]

    def inspect_network(self, network_id: str) -> dict[str, Any]:
        if network_id in self.gone:
            raise docker.errors.NotFound("no such network")
        return self.found[network_id]

    def remove_network(self, network_id: str) -> None:
        if network_id in self.joined:
            raise docker.errors.APIError("network back has active endpoints")
        del self.found[network_id]


USED: dict[str, Any] = {"Containers": {"c": {}}}


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ({"b": {"Created": MADE.format(1)}, "a": {"Created": MADE.format(2)}}, {"b"}),
        ({"b": {"Created": MADE.format(1)}, "a": {"Created": MADE.format(1)}}, {"a"}),
        ({"b": {"Created": MADE.format(1)}, "a": {"Created": MADE.format(2), **USED}}, {"a"}),
        ({"b": {"Created": MADE.format(1), **USED}, "a": {"Created": MADE.format(2), **USED}}, {"a", "b"}),
        ({"b": {"Created": MADE.format(1)}, "a": {"Created": MADE.format(2), "Labels": None}}, {"a", "b"}),
        ({"b": {"Created": MADE.format(1)}, "a": {"Created": MADE.format(2), "Name": "backyard"}}, {"a", "b"}),
    ],
    ids=["the oldest", "made at once", "in use", "both in use", "a stranger's", "another name"],
)
def test_which_of_two_stays(found: dict[str, dict[str, Any]], left: set[str]) -> None:
    engine = Engine(**found)
    networks.drop_twins(cast(EngineClient, engine), "back")
    assert set(engine.found) == left


@pytest.mark.parametrize("gone", [{"a"}, {"a", "b"}])
def test_what_vanishes_meanwhile_is_no_mistake(gone: set[str]) -> None:
    engine = Engine(b={"Created": MADE.format(1)}, a={"Created": MADE.format(2)})
    engine.gone = gone
    networks.drop_twins(cast(EngineClient, engine), "back")
    assert set(engine.found) == {"a", "b"}


def test_what_somebody_joins_meanwhile_stays() -> None:
    engine = Engine(b={"Created": MADE.format(1)}, a={"Created": MADE.format(2)})
    engine.joined = {"a"}
    networks.drop_twins(cast(EngineClient, engine), "back")
    assert set(engine.found) == {"a", "b"}
