"""Row 13's cuts: which moments, and whether the connection is half open, are drawn apart."""

from __future__ import annotations

import random

from parts.faults.cables import MOMENTS, cuts


def test_each_moment_comes_with_a_whole_end_and_with_half_an_end() -> None:
    drawn = cuts(random.Random(4))
    assert sorted(drawn) == sorted((moment, half_open) for moment in MOMENTS for half_open in (False, True))
    assert {"replace", "log"} <= set(MOMENTS)


def test_a_seed_draws_the_same_cuts_again_and_another_one_others() -> None:
    assert cuts(random.Random(4)) == cuts(random.Random(4))
    assert len({tuple(cuts(random.Random(seed))) for seed in range(5)}) > 1
