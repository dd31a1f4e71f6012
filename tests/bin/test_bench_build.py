"""What `bin/bench build` and `ship` say is taken round by round."""

from bench import build, ship
from bench.pairs import medians


def test_a_build_is_compared_with_the_one_by_hand_of_the_same_round() -> None:
    kind = {
        "by_hand": [10.0, 20.0, 10.0],
        "estiva": [11.0, 22.0, 20.0],
        "parts": {"by_hand": {"clone": [1.0]}, "estiva": {"build: build": [5.0, 6.0, 7.0]}},
    }

    rows, rounds = build.table({"build": kind, "cached": kind})

    assert rounds["build_over_by_hand"] == [1.1, 1.1, 2.0]
    assert set(rounds) == set(build.AIMS)
    assert {row.what: row.seconds for row in rows}["  build: build"] == 6


def test_a_second_version_is_compared_with_the_first_of_the_same_round() -> None:
    seconds = {"by_hand": [40.0, 80.0], "first": [20.0, 40.0], "second": [2.0, 4.0], "saved": [1.0, 1.0]}

    rows, rounds = ship.table(seconds, 500, 4)

    assert medians(rounds) == {"ship_over_sequential": 0.5, "second_over_first": 0.1}
    assert set(rounds) == set(ship.AIMS)
    assert "one layer changed, 20 MB" in rows[2].note
