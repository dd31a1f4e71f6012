"""What is counted while the trial upgrades: buttons against deployments, what nobody answered against the web's absence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from parts.faults.events import Event
from parts.faults.judge import Seen
from parts.faults.record import Deployed, Share
from parts.faults.sight import INSTALLATION
from parts.processes import PartError
from parts.trial_acts import SERVER
from parts.trial_acts import Deployed as Application
from parts.trial_clicks import Answer, Asker, Clicker, Clicks, Missed
from parts.trial_person import Away, Page
from parts.trial_record import StackRecord
from parts.trial_server import TrialServer
from parts.trial_traffic import Traffic, figures, unasked, unexplained
from parts.trial_upgrade import by_whom
from tests.bin.seen import replaced

SHARE = Share(
    id=1, deployment=1, placement=1, application="shop", server=SERVER, role="deploy", status="succeeded", release=1,
    image_id="", fence=1, attempts=2, leases_lost=0, connections_lost=0, stalled_reason="", gap=0.5, last_line=9, started=1.0,
    ended=2.0, outcome={},
)  # fmt: skip
TWO = Clicks(pressed=[71, 72], answered=[Answer(1.0, 71, 1), Answer(2.0, 72, 2)])
MISSED = Missed(100.0, 101.0, "refused")


def seen(*shares: Share) -> Seen:
    """An application whose Deployments have these Targets, one each."""
    deployments = [Deployed(each.deployment, 1, "shop", each.status, 1, 1.0, 1.0, 2.0) for each in shares]
    return Seen("shop", 1, False, [], [], {}, {}, deployments, list(shares))


BOTH = seen(SHARE, replace(SHARE, id=2, deployment=2))


class Told:
    """A record, and a server, that know of version 1 and of version 2 in its place."""

    def __init__(self) -> None:
        self._seen = replaced()
        self.engine = None

    def shares(self) -> list[Share]:
        """With the trial's server."""
        return [replace(each, server=SERVER) for each in self._seen.shares]

    def events(self) -> list[Event]:
        """The engine's, of one installation."""
        return [
            replace(each, server=SERVER, labels={**each.labels, INSTALLATION: "estiva"}) for each in self._seen.events
        ]

    def containers(self, _placement: int, _installation: str) -> list[dict[str, Any]]:
        """What is left."""
        return list(self._seen.final["web-1"])

    def installation(self) -> str:
        """Its name."""
        return "estiva"

    def placements(self) -> dict[str, int]:
        """The one."""
        return {"shop": 1}

    def plans(self, placement: int) -> dict[int, int]:
        """Of which plan each deployment is."""
        return {1: 71, 2: 72} if placement == 1 else {}

    def targets(self) -> list[Share]:
        """All."""
        return self.shares()

    def deployments(self) -> list[Deployed]:
        """All."""
        return self._seen.deployments

    def chunks(self, _targets: Sequence[int]) -> dict[int, Any]:
        """No log."""
        return {}

    def stages(self, targets: Sequence[int]) -> dict[int, Any]:
        """Their steps."""
        return {each: list(self._seen.stages[each]) for each in targets}


def traffic_of(told: Told, clicks: Clicks) -> Traffic:
    """One application that was asked for and clicked like this."""
    application = Application("shop", 1)
    traffic = Traffic(cast(TrialServer, told), cast(StackRecord, told), lambda: pytest.fail("nobody signs in"))
    clicker, asker = Clicker(cast(Any, None), application), Asker(application)
    clicker.clicks = clicks
    asker.asked += told._seen.asked["web-1"]
    traffic.clickers, traffic._askers = [clicker], [asker]
    traffic.watch = cast(Any, SimpleNamespace(seen=told.events))
    return traffic


def test_a_good_deploy_is_no_finding() -> None:
    """The old container was removed once the record had the new one's health."""
    found = traffic_of(Told(), TWO).judged([])
    assert (found["found"], found.get("findings")) == (0, None)
    assert found["ended"] == {"succeeded": 2}


def test_a_version_that_goes_before_the_other_was_proven_is_found() -> None:
    told = Told()
    told._seen.stages = {1: told._seen.stages[1], 2: []}
    (found,) = traffic_of(told, TWO).judged([])["findings"]
    assert found.startswith("too_early")


def test_a_deployment_whose_button_nobody_pressed_is_found() -> None:
    assert unasked(TWO, BOTH, {1: 71, 2: 72}) == []
    once = Clicks(pressed=[71], answered=[Answer(1.0, 71, 1)], unanswered=[MISSED])
    (found,) = unasked(once, BOTH, {1: 71, 2: 72})
    assert (found.kind, "#2 of plan 72" in found.text) == ("duplicated", True)
    (found,) = unasked(once, BOTH, {1: 71, 2: 0})
    assert "#2 of plan 0" in found.text, "asked for by nobody's plan"


def test_two_deployments_of_one_button_are_found_behind_another_that_was_lost() -> None:
    lost = Clicks(pressed=[71, 72], answered=[Answer(1.0, 71, 1)], unanswered=[MISSED])
    assert unasked(lost, BOTH, {1: 71, 2: 72}) == [], "it arrived, and the answer didn't"
    assert unasked(lost, BOTH, {1: 71}) == [], "it didn't arrive"
    (found,) = unasked(lost, BOTH, {1: 71, 2: 71})
    assert (found.kind, "#1, #2 of plan 71" in found.text) == ("duplicated", True)


def test_an_answer_that_names_another_plan_s_deployment_is_found() -> None:
    same = Clicks(pressed=[71, 72], answered=[Answer(1.0, 71, 1), Answer(2.0, 72, 1)])
    (found,) = unasked(same, seen(SHARE), {1: 71})
    assert (found.kind, "plan 72" in found.text) == ("lost", True)


def test_an_end_that_nothing_explains_is_found() -> None:
    for status in ("failed_restored", "needs_attention", "cancelled"):
        (found,) = unasked(Clicks([71], [Answer(1.0, 71, 1)]), seen(replace(SHARE, status=status)), {1: 71})
        assert status in found.text


def test_what_nobody_answered_has_to_be_while_the_web_was_away() -> None:
    clicks = Clicks([71], unanswered=[MISSED], turned_away=[Missed(110.0, 130.0, "502")])
    assert unexplained(clicks, "shop", [(99.0, 100.5), (120.0, 121.0)]) == []
    (found,) = unexplained(clicks, "shop", [(99.0, 100.5)])
    assert (found.kind, "a page: 502" in found.text) == ("outage", True)
    (found,) = unexplained(clicks, "shop", [(131.5, 140.0), (102.5, 111.0)])
    assert "a click: refused" in found.text


def test_the_figures_say_how_many_of_what() -> None:
    told = figures([Clicks([71], [Answer(1.0, 71, 1)], [MISSED] * 2, [MISSED] * 3)], [seen(SHARE)])
    assert (told["clicks_answered"], told["clicks_unanswered"], told["pages_that_did_not_come"]) == (1, 2, 3)
    assert told["ended"] == {"succeeded": 1}
    assert (told["attempts"], told["taken_up_by_another_worker"], told["log_lines"]) == (2, 1, 9)


class Shaky:
    """Acts of which the pages before the button, or the button, fail as told."""

    def __init__(self, *, plan: Exception | None = None, click: Exception | None = None) -> None:
        self._plan, self._click = plan, click

    def set_version(self, _application: Application, _version: str) -> None:
        """Always well."""

    def planned(self, _application: Application) -> Page:
        """A plan's page."""
        if self._plan is not None:
            raise self._plan
        return Page("/plans/71/", "")

    def click(self, _plan: Page) -> int:
        """Its button."""
        raise self._click or AssertionError("not to be pressed")


def clicked(acts: Shaky) -> Clicker:
    """Somebody who has tried twice, or given up."""
    clicker = Clicker(cast(Any, acts), Application("shop", 1))
    clicker.start()
    until = time.monotonic() + 10
    while clicker._thread.is_alive() and len(clicker.clicks.unanswered) + len(clicker.clicks.turned_away) < 2:
        assert time.monotonic() < until
    clicker.end()
    return clicker


def test_what_nobody_answers_is_tried_again_and_counted() -> None:
    clicker = clicked(Shaky(plan=Away("502")))
    clicker.stop()
    assert (clicker.clicks.turned_away[0].why, clicker.clicks.pressed) == ("502", [])
    clicker = clicked(Shaky(click=Away("reset")))
    clicker.stop()
    assert clicker.clicks.unanswered[0].why == "reset"
    assert clicker.clicks.pressed[:2] == [71, 71]


@pytest.mark.parametrize("acts", [Shaky(plan=PartError("signed out")), Shaky(click=PartError("refused"))])
def test_a_refusal_in_words_ends_the_trial_at_once(acts: Shaky) -> None:
    clicker = clicked(acts)
    traffic = traffic_of(Told(), TWO)
    traffic.clickers = [clicker]
    with pytest.raises(PartError, match=r"signed out|refused"):
        traffic.until(lambda: False, "what never comes", timeout=1)
    assert (clicker.clicks.unanswered, clicker.clicks.turned_away) == ([], [])


def test_workers_are_told_apart_by_the_containers_they_are_in() -> None:
    old, new = "0123456789abcdef0123", "fedcba98765432100123"
    holders = {1: f"deploy@{old[:12]}#7", 2: f"deploy@{new[:12]}#7", 3: f"deploy@{new[:12]}#8"}
    assert by_whom(holders, [old]) == (1, 2)
    assert by_whom({}, [old]) == (0, 0)
