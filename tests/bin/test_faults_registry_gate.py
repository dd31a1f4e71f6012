"""The gate before the campaign's registry: whoever waits for a request through it waits for a new one."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.faults.gate import Gate, Treatment
from parts.faults.images import WorldRegistry
from parts.namespaces import Network
from parts.processes import free_port


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """One before a registry that isn't there, and is never asked: each rule answers by itself."""
    network = Network(tmp_path / "network")
    registry = WorldRegistry(tmp_path / "registry", network, free_port())
    registry.host = "127.0.0.1"
    with Gate(registry) as one:
        yield one


def ask(gate: Gate, path: str) -> int:
    """The answer's status."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gate.port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def refuse(_: str, __: str) -> Treatment:
    """Whatever it is."""
    return Treatment(status=404)


def test_a_layer_of_the_round_before_is_not_taken_for_this_ones(gate: Gate) -> None:
    gate.rule = refuse
    assert not gate.serves_layers()
    assert ask(gate, "/v2/team/page/blobs/sha256:1") == 404
    assert gate.serves_layers()
    gate.rule = refuse
    assert (gate.serves_layers(), gate.seen) == (False, [])
    assert ask(gate, "/v2/team/page/manifests/1") == 404
    assert not gate.serves_layers()
    assert ask(gate, "/v2/team/page/blobs/sha256:2") == 404
    assert gate.serves_layers()


def test_taking_the_rule_away_forgets_too(gate: Gate) -> None:
    gate.rule = refuse
    ask(gate, "/v2/team/page/blobs/sha256:1")
    gate.rule = None
    assert not gate.serves_layers()
