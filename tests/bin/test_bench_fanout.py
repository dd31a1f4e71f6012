"""What `bin/bench fanout` says follows from the rounds, and a refused handshake is counted once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench import fanout, pairs, peers
from bench.connects import Refusals, refused
from bench.fanout_trials import tried
from bench.pairs import medians
from bench.seats import Login, Seat
from bench.verdicts import doubts
from parts.sshd import SshServer

SAID = """\
Accepted publickey for ana from 10.0.0.1 port 40000 ssh2: ED25519 SHA256:x
error: beginning MaxStartups throttling
drop connection #10 from [10.0.0.1]:40011 on [10.0.0.2]:22 past MaxStartups
drop connection #11 from [10.0.0.1]:40012 on [10.0.0.2]:22 past MaxStartups
exited MaxStartups throttling after 00:00:01, 2 connections dropped
"""


def deploys(ours: float, scale: float) -> dict[str, Any]:
    peers = {"ssh": 4.0, "ssh_chained": 3.0, "pyinfra": 6.0, "fabric_chained": 5.0, "ansible": 9.0}
    seconds = {name: [scale * each, 2 * scale * each] for name, each in peers.items()}
    return {**seconds, "estiva": [scale * ours, 2 * scale * ours], "plan": [scale, scale], "at_once": {}}


def told() -> dict[str, Any]:
    connect = {
        20: {"estiva": [0.2, 0.2], "ssh 8": [1.5, 1.5], "ssh 20": [1.0, 1.0]},
        40: {"estiva": [0.4, 0.4], "ssh 8": [2.0, 1.0], "ssh 20": [3.0, 1.5], "ssh 40": [4.0, 5.0]},
    }
    crowd = {40: {"sessions": 0.1, "each": 0.5, "ssh": 1.0, "ssh_refused": 12, "ssh_failed": 12}}
    forty = {**deploys(3.3, 2), "at_once": {"ansible": {20: 17.0, 40: 18.0}}}
    return {"refused": 0, "connect": connect, "crowd": crowd, "deploy": {20: deploys(2.7, 1), 40: forty}}


def test_a_refused_handshake_is_one_line_of_the_log() -> None:
    assert refused(SAID) == 2
    assert refused("") == 0


def test_figures_without_a_number_are_of_the_most_servers() -> None:
    _, rounds = fanout.table(told())

    figures = medians(rounds)
    assert figures["deploy_over_ssh"] == pytest.approx(1.1), "against the one line, which was quicker"
    assert figures["deploy_over_ssh_20"] == pytest.approx(0.9)
    assert figures["deploy_over_fabric"] == pytest.approx(0.66)
    assert figures["connect_over_ssh"] == pytest.approx(0.3), (
        "the median of 0.2 and 0.4: eight at once were the quickest"
    )
    assert figures["connect_over_ssh_20"] == pytest.approx(0.2)
    assert figures["plan_and_deploy_over_ssh"] > figures["deploy_over_ssh"]
    assert fanout.AIMS.keys() - {"refused"} <= figures.keys()


def test_every_way_stands_in_the_table_with_what_suits_it() -> None:
    rows, _ = fanout.table(told())

    notes = {row.what: row.note for row in rows}
    assert all(f"deploy to 40, {about}" in notes for about in fanout.WAYS.values())
    assert "20 at once" in notes["deploy to 40, Ansible, community.docker"]
    assert "at once" not in notes["deploy to 20, Ansible, community.docker"]
    assert "12 refused by sshd" in notes["40 handshakes with one server, ssh"]


SECONDS = {"ssh": {20: [8.0, 9.0, 9.0], 40: [8.0, 8.0, 20.0]}, "ansible": {20: [30.0] * 3, 40: [25.0, 45.0, 45.0]}}
MEDIANS = {"ssh": {20: 9.0, 40: 8.0}, "ansible": {20: 30.0, 40: 45.0}}


class Clock:
    """Time goes by only where a way says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Told:
    """A way that takes so long, for so many servers at once: the first time much longer."""

    def __init__(self, clock: Clock, name: str, at_once: int) -> None:
        self.at_once = at_once
        self._clock, self._seconds = clock, iter([1000.0, *SECONDS[name][at_once]])

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        self._clock.now += next(self._seconds)


@pytest.mark.parametrize(("count", "chosen"), [(40, {"ssh": 40, "ansible": 20}), (20, {"ssh": 20, "ansible": 20})])
def test_each_peer_competes_with_as_many_servers_at_once_as_suits_it(
    count: int, chosen: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    made = {(name, number): Told(clock, name, number) for name in SECONDS for number in SECONDS[name]}
    monkeypatch.setattr(pairs, "time", clock)
    monkeypatch.setattr(peers, "peers", lambda folder, login, at_once: {name: made[name, at_once] for name in SECONDS})
    seats = [Seat(SshServer(tmp_path, 22), "/run/docker.sock", f"seat{number}", 8100) for number in range(count)]

    ways, medians = tried(tmp_path / "peers", Login(tmp_path, tmp_path), dict.fromkeys(SECONDS, seats), ["sample:1"])

    assert {name: cast(Told, way).at_once for name, way in ways.items()} == chosen
    assert medians == (MEDIANS if count > peers.AT_ONCE else {})


class Sshd:
    """An sshd by its log alone."""

    def __init__(self, log: Path) -> None:
        self.log = log


def test_handshakes_are_refused_while_something_goes_on_and_by_any_server(tmp_path: Path) -> None:
    servers = [Sshd(tmp_path / name) for name in ("one", "two")]
    for each in servers:
        each.log.write_text(SAID)

    def act() -> float:
        with servers[1].log.open("a") as log:
            log.write(SAID)
        return 1.5

    assert Refusals(cast(list[SshServer], servers)).during(act) == (1.5, 2), (
        "what was refused before counts for nothing"
    )


def test_a_connection_of_its_own_is_kept_in_a_place_of_its_own(tmp_path: Path) -> None:
    login = Login(tmp_path / "key", tmp_path / "known")

    shared, own = login.options(tmp_path), login.options(tmp_path, ".3")

    assert f"ControlPath={tmp_path}/cm-%C" in shared
    assert f"ControlPath={tmp_path}/cm-%C.3" in own
    assert len(own) == len(shared)


def test_connections_are_judged_by_the_reference_that_is_theirs() -> None:
    said = {"connect_over_ssh": [0.2, 0.4] * 4, "deploy_over_ssh": [0.9, 1.1] * 4}

    assert (
        doubts({"connect_over_ssh": 0.3, "deploy_over_ssh": 1.0}, {}, "", said, {"connect_over_ssh": "restless"})[
            "connect_over_ssh"
        ]
        == "restless"
    )
    calm = doubts({"connect_over_ssh": 0.3}, {}, "the deploys' reference was restless", {}, {"connect_over_ssh": ""})
    assert calm == {}
