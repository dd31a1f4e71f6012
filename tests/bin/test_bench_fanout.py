"""What `bin/bench fanout` says follows from the rounds, and a refused handshake is counted once."""

from typing import Any

import pytest

from bench import fanout
from bench.connects import refused
from bench.pairs import medians

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
    connect = {20: {"estiva": [0.2, 0.2], "ssh": [1.0, 1.0]}, 40: {"estiva": [0.4, 0.4], "ssh": [2.0, 1.0]}}
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
    assert figures["connect_over_ssh"] == pytest.approx(0.3), "the median of 0.2 and 0.4"
    assert figures["plan_and_deploy_over_ssh"] > figures["deploy_over_ssh"]
    assert fanout.AIMS.keys() - {"refused"} <= figures.keys()


def test_every_way_stands_in_the_table_with_what_suits_it() -> None:
    rows, _ = fanout.table(told())

    notes = {row.what: row.note for row in rows}
    assert all(f"deploy to 40, {about}" in notes for about in fanout.WAYS.values())
    assert "20 at once" in notes["deploy to 40, Ansible, community.docker"]
    assert "at once" not in notes["deploy to 20, Ansible, community.docker"]
    assert "12 refused by sshd" in notes["40 handshakes with one server, ssh"]
