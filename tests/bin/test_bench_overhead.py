"""What `bin/bench overhead` says follows from the rounds: Estiva is held against the quicker form of each peer, round by round."""

from pathlib import Path

import pytest

from bench import overhead, peers
from bench.pairs import medians
from bench.seats import Login, Seat
from parts.sshd import SshServer

ROUNDS = {
    "floor": [1.0, 2.0, 1.0],
    "engine": [1.1, 2.0, 0.9],
    "pipeline": [1.2, 2.4, 1.2],
    "ssh": [1.5, 3.0, 1.5],
    "ssh_chained": [1.1, 2.2, 1.1],
    "pyinfra": [3.0, 6.0, 3.0],
    "fabric": [2.0, 4.0, 2.0],
    "fabric_chained": [2.5, 5.0, 2.5],
    "ansible": [4.0, 8.0, 4.0],
}
SECONDS = {**ROUNDS, "plan": [0.3, 0.6, 0.3], "parts": {"pull": [0.01]}}


def test_estiva_is_held_against_the_quicker_form_of_each_peer() -> None:
    rows, rounds = overhead.table(SECONDS)

    figures = medians(rounds)
    assert figures["engine_over_floor"] == pytest.approx(1.0)
    assert figures["pipeline_over_floor"] == pytest.approx(1.2)
    assert figures["ssh_over_floor"] == pytest.approx(1.1), "the one line"
    assert figures["fabric_over_floor"] == pytest.approx(2.0), "the four calls"
    assert figures["pipeline_over_ssh"] == pytest.approx(1.2 / 1.1)
    assert figures["pipeline_over_ansible"] == pytest.approx(0.3)
    assert figures["plan_and_pipeline_over_floor"] == pytest.approx(1.5)
    assert figures["plan_and_pipeline_over_ssh"] == pytest.approx(1.5 / 1.1)
    assert {f"plan_and_pipeline_over_{peer}" for peer in peers.PEERS} <= figures.keys()
    assert overhead.AIMS.keys() <= figures.keys()
    shown = {row.what: row.seconds for row in rows}
    assert (shown["ssh + docker, four calls"], shown["ssh + docker, in one line"]) == (1.5, 1.1)
    assert shown[overhead.PLANNED] == pytest.approx(1.5)
    assert shown["  of the pipeline: pull"] == 0.01


def test_the_table_tells_which_version_of_a_peer_it_was() -> None:
    rows, _ = overhead.table(SECONDS)

    notes = {row.what: row.note for row in rows}
    pinned = peers.REQUIREMENTS.read_text().splitlines()
    for peer, about in {"ansible": "ansible", "pyinfra": "pyinfra", "fabric": "fabric_chained"}.items():
        (version,) = [line.partition("==")[2] for line in pinned if line.startswith(f"{peer}==")]
        assert notes[overhead.WAYS[about]].endswith(f"; {peer} {version}")
    assert notes[overhead.WAYS["ssh"]] == "each 1.50 3.00 1.50"


def test_the_short_form_needs_no_peer() -> None:
    short = {name: SECONDS[name] for name in (*overhead.SHORT, "plan", "parts")}

    _, rounds = overhead.table(short)

    assert set(rounds) == {"engine_over_floor", "pipeline_over_floor", "plan_and_pipeline_over_floor"}


def test_all_ways_have_a_name_in_the_table(tmp_path: Path) -> None:
    login = Login(tmp_path / "key", tmp_path / "known")

    assert set(overhead.WAYS) == {"floor", "engine", "pipeline", *peers.peers(tmp_path, login)}


def test_one_line_ends_at_the_first_step_that_fails(tmp_path: Path) -> None:
    seat = Seat(SshServer(tmp_path, 2222), "/run/docker.sock", "a name", 8100)

    four, one = seat.lines("sample:1", chained=False), seat.lines("sample:1", chained=True)

    assert len(four) == 4
    assert one == [" && ".join(four)]
    assert "'a name'" in one[0], "as a shell reads it"
