"""What is counted while the trial upgrades: clicks against deployments, workers of one version and the other."""

from __future__ import annotations

from dataclasses import replace

from parts.faults.judge import Seen
from parts.faults.record import Deployed, Share
from parts.trial_clicks import Clicks
from parts.trial_traffic import figures, unasked
from parts.trial_upgrade import by_whom

SHARE = Share(
    id=1, deployment=1, placement=1, application="shop", server="quay-1", role="deploy", status="succeeded", release=1,
    image_id="", fence=1, attempts=2, leases_lost=0, connections_lost=0, stalled_reason="", gap=0.5, last_line=9, started=1.0,
    ended=2.0, outcome={},
)  # fmt: skip


def seen(*shares: Share) -> Seen:
    """An application whose Deployments have these Targets, one each."""
    deployments = [Deployed(each.deployment, 1, "shop", each.status, 1, 1.0, 1.0, 2.0) for each in shares]
    return Seen("shop", 1, False, [], [], {}, {}, deployments, list(shares))


def test_a_deployment_that_nobody_clicked_is_found() -> None:
    both = seen(SHARE, replace(SHARE, id=2, deployment=2))
    assert unasked(Clicks([(1.0, 1), (2.0, 2)]), both) == []
    assert unasked(Clicks([(1.0, 1)], unanswered=1), both) == []
    (found,) = unasked(Clicks([(1.0, 1)]), both)
    assert found.kind == "duplicated"


def test_two_clicks_with_one_answer_are_found() -> None:
    (found,) = unasked(Clicks([(1.0, 1), (2.0, 1)]), seen(SHARE))
    assert found.kind == "lost"


def test_an_end_that_nothing_explains_is_found() -> None:
    for status in ("failed_restored", "needs_attention", "cancelled"):
        (found,) = unasked(Clicks([(1.0, 1)]), seen(replace(SHARE, status=status)))
        assert status in found.text


def test_the_figures_say_how_many_of_what() -> None:
    told = figures([Clicks([(1.0, 1)], unanswered=2, turned_away=3)], [seen(SHARE)])
    assert (told["clicks_answered"], told["clicks_unanswered"], told["turned_away_before_a_click"]) == (1, 2, 3)
    assert told["ended"] == {"succeeded": 1}
    assert (told["attempts"], told["taken_up_by_another_worker"], told["log_lines"]) == (2, 1, 9)


def test_workers_are_told_apart_by_the_containers_they_are_in() -> None:
    old, new = "0123456789abcdef0123", "fedcba98765432100123"
    holders = {1: f"deploy@{old[:12]}#7", 2: f"deploy@{new[:12]}#7", 3: f"deploy@{new[:12]}#8"}
    assert by_whom(holders, [old]) == (1, 2)
    assert by_whom({}, [old]) == (0, 0)
