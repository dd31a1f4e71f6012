"""The gate before the campaign's registry: what its rules do to a request, and tokens that really come to their end."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest

from parts.faults import tokens
from parts.faults.gate import Each, First, Gate, after, always
from parts.faults.images import WorldRegistry
from parts.faults.tokens import Tokens

MANIFEST, LAYER = "/v2/team/page/manifests/1", "/v2/team/page/blobs/sha256:1"


class Echo(BaseHTTPRequestHandler):
    """A registry whose every answer is the path that was asked."""

    def do_GET(self) -> None:
        """Say it."""
        said = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class Behind:
    """Where it is, as a `WorldRegistry` says."""

    def __init__(self, port: int) -> None:
        self.host, self.port = "127.0.0.1", port
        self.address = f"{self.host}:{port}"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """One before an echo."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            with Gate(cast(WorldRegistry, Behind(server.server_address[1]))) as one:
                yield one
        finally:
            server.shutdown()
            serving.join()


def ask(gate: Gate, path: str, token: str = "") -> tuple[int, str, str]:
    """Status, body and where to get a token."""
    connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers.get("WWW-Authenticate") or ""
    finally:
        connection.close()


def statuses(gate: Gate, *paths: str) -> list[int]:
    """Of these, asked one after the other."""
    return [ask(gate, path)[0] for path in paths]


def test_without_a_rule_all_passes(gate: Gate) -> None:
    assert ask(gate, LAYER)[:2] == (200, LAYER)
    assert gate.seen == [f"GET {LAYER}"]


def test_the_first_ones_fail(gate: Gate) -> None:
    gate.rule = rule = First(2, 500, "manifests")
    assert statuses(gate, MANIFEST, LAYER, MANIFEST, MANIFEST) == [500, 200, 500, 200]
    assert rule.given == 2


def test_the_later_ones_fail(gate: Gate) -> None:
    gate.rule = after(1, "manifests", status=500)
    assert statuses(gate, LAYER, MANIFEST, MANIFEST, LAYER, MANIFEST) == [200, 200, 500, 200, 500]


def test_each_fails_as_often(gate: Gate) -> None:
    gate.rule = rule = Each(1, 500, "blobs")
    assert statuses(gate, LAYER, f"{LAYER}2", MANIFEST, LAYER, f"{LAYER}2") == [500, 500, 200, 200, 200]
    assert rule.given == 2


def test_another_one_is_answered_for(gate: Gate) -> None:
    gate.rule = always("manifests", instead=f"{MANIFEST}2")
    assert ask(gate, MANIFEST)[1] == f"{MANIFEST}2"
    assert ask(gate, LAYER)[1] == LAYER


def test_who_has_no_token_is_told_where_to_get_one(gate: Gate) -> None:
    gate.tokens = Tokens(60, believed=False)
    status, said, challenge = ask(gate, LAYER)
    assert (status, json.loads(said)["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    assert challenge.endswith('scope="repository:team/page:pull"')
    assert "scope" not in ask(gate, "/v2/")[2]
    realm = re.search(r'realm="([^"]+)"', challenge)
    assert realm is not None
    given = json.loads(ask(gate, f"{realm[1].partition(str(gate.port))[2]}?service=gate")[1])
    assert ask(gate, LAYER, given["token"])[:2] == (200, LAYER)
    assert statuses(gate, LAYER) == [401]


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test lets pass."""
    now = [1000.0]
    monkeypatch.setattr(tokens, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_token_lapses(passing: list[float]) -> None:
    one = Tokens(3, believed=False)
    held = f"Bearer {one.give()['token']}"
    assert one.admits(held, LAYER)
    passing[0] += 2.9
    assert one.admits(held, LAYER)
    passing[0] += 0.2
    assert not one.admits(held, LAYER)
    assert (one.layers, one.lapsed, one.renewed) == (2, 1, 0)
    assert one.admits(f"Bearer {one.give()['token']}", LAYER)
    assert one.renewed == 1


def test_what_was_never_good_has_not_lapsed(passing: list[float]) -> None:
    one = Tokens(3, believed=False)
    held = f"Bearer {one.give()['token']}"
    assert not one.admits("Bearer other", LAYER)
    passing[0] += 4
    assert not one.admits(held, MANIFEST)
    assert one.lapsed == 0  # nothing had come yet: that was no pull


@pytest.mark.parametrize("believed", [True, False])
def test_what_a_client_is_told(believed: bool) -> None:
    given = Tokens(3, believed=believed).give()
    issued = datetime.fromisoformat(given["issued_at"])
    left = (
        issued.timestamp() + max(given["expires_in"], tokens.BELIEVED_SECONDS) - datetime.now(issued.tzinfo).timestamp()
    )
    assert (left < 5) is believed  # a client adds a minute at least to the moment of issue
