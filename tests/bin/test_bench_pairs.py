"""Ways take turns in every round, ratios are taken round by round, and nothing is judged that the machine was too noisy to tell."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from bench import pairs
from bench.cores import Cores
from bench.frame import RESULT, Row, show, shown
from bench.verdicts import UNTOLD, aimed, doubts

STEADY = [1.0, 1.01, 0.99, 1.0, 1.02, 1.0, 0.98]
RESTLESS = [1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 0.4]


def test_every_round_times_each_way_once_and_the_first_is_not_counted() -> None:
    asked: list[tuple[str, int]] = []

    def way(name: str, told: float) -> Callable[[int], float]:
        def turn(number: int) -> float:
            asked.append((name, number))
            return told + number

        return turn

    seconds = pairs.take_turns({"floor": way("floor", 10.0), "ours": way("ours", 20.0)}, 7)

    assert seconds == {"floor": [10.0 + n for n in range(7)], "ours": [20.0 + n for n in range(7)]}
    assert sorted(asked) == sorted((name, n) for name in ("floor", "ours") for n in range(-1, 7))
    assert [n for _, n in asked] == sorted(n for _, n in asked), "a round is over before the next begins"
    assert {name for name, _ in asked[::2]} == {"floor", "ours"}, "who comes first changes"


def test_a_way_that_tells_no_time_is_timed() -> None:
    assert pairs.take_turns({"nothing": lambda _: None}, 1)["nothing"][0] < 1


def test_a_ratio_is_of_the_same_round() -> None:
    """One slow round of the machine is slow for both: the medians' quotient would say something else."""
    ours, floor = [1.0, 2.0, 30.0], [1.0, 4.0, 10.0]

    assert pairs.ratios(ours, floor) == [1.0, 0.5, 3.0]
    assert pairs.medians({"ours_over_floor": pairs.ratios(ours, floor)}) == {"ours_over_floor": 1.0}
    with pytest.raises(ValueError, match="shorter"):
        pairs.ratios(ours, floor[:2])


def test_a_restless_reference_is_named() -> None:
    assert pairs.noise(STEADY) == ""
    assert "too noisy to tell" in pairs.noise(RESTLESS)
    assert "too few rounds" in pairs.noise(STEADY[:3])


@pytest.mark.parametrize(
    ("noise", "rounds", "is_told"),
    [
        ("", STEADY, True),
        ("the machine was too noisy to tell", STEADY, False),
        ("", RESTLESS, False),
        ("the machine was too noisy to tell", [each + 5 for each in RESTLESS], True),
        ("", STEADY[:2], False),
        ("the machine was too noisy to tell", [], False),
        ("", [], True),
    ],
    ids=["calm", "noisy", "ratios apart", "all rounds agree", "too few", "noisy, no rounds", "calm, no rounds"],
)
def test_noise_takes_a_verdict_away_unless_all_rounds_agree(noise: str, rounds: Sequence[float], is_told: bool) -> None:
    given = {"engine_over_floor": rounds} if rounds else {}

    assert ("engine_over_floor" not in doubts({"engine_over_floor": 1.0}, {}, noise, given)) is is_told


def test_noise_loses_no_line() -> None:
    told = doubts({"lost": 0.0, "latency_p99_ms": 250.0}, {"scaling_4_over_1": 3.2}, "noisy", {})

    assert told == {"latency_p99_ms": "noisy", "scaling_4_over_1": "noisy"}


def test_on_a_busy_machine_no_time_is_judged() -> None:
    found = {"figures": {"a_over_b": 0.5, "lost": 1.0}, "aims": {"a_over_b": 1.0, "lost": 0.0}, "at_least": {}}
    told = {each.figure: each.verdict for each in aimed({**found, "cores": 2, "load_before": 1.5})}

    assert told == {"a_over_b": UNTOLD, "lost": "missed"}
    assert [each.verdict for each in aimed({**found, "cores": 2, "load_before": 0.2})] == ["met", "missed"]


def test_a_table_for_people_and_json_in_the_last_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(RESULT, str(tmp_path / "found.json"))
    figures: Mapping[str, float | str] = {"a_over_b": 0.9, "c_over_d": 1.25, "lost": 2.0, "slowest_page": "/x"}
    aims = {"a_over_b": 1.0, "c_over_d": 1.1, "lost": 0.0}

    show("sample", "A title", [Row("one", 0.0283, "a note")], figures, aims, rounds={"c_over_d": RESTLESS})

    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == {"bench": "sample", "figures": figures}
    assert "  one    28.3 ms  a note" in lines
    assert "  a_over_b = 0.900  aim ≤ 1: met" in lines
    assert "  c_over_d = 1.250  aim ≤ 1.1: too noisy to tell" in lines
    assert "  lost = 2.000  aim ≤ 0: MISSED" in lines
    assert "  slowest_page = /x" in lines
    assert set(json.loads((tmp_path / "found.json").read_text())["doubts"]) == {"c_over_d"}


def test_without_aims_nothing_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    show("sample", "A title", [Row("one", 1.0)], {"a_over_b": 9.0}, {})

    said = capsys.readouterr().out
    assert "a_over_b = 9.000\n" in said
    assert "aim" not in said


@pytest.mark.parametrize(("seconds", "words"), [(0, "0.00 s"), (0.0042, "4.2 ms"), (0.41, "410 ms"), (1.534, "1.53 s")])
def test_short_times_are_milliseconds(seconds: float, words: str) -> None:
    assert shown(seconds) == words


def test_single_times_that_are_short_are_milliseconds() -> None:
    assert pairs.each([0.0052, 0.01]) == "each 5.2 10.0 ms"
    assert pairs.each([0.0052, 0.4]) == "each 0.01 0.40"


def test_the_share_of_time_that_cores_worked() -> None:
    before, later = Cores("cpu  100 0 100 700 100 0 0 0 0 0"), Cores("cpu  130 0 120 790 110 0 0 50 0 0")

    assert before.busy_until(later) == pytest.approx(0.5), "what another guest stole is no rest"
