"""How a storm's deploys ended: all of them, counted by status; what no silent worker explains; and the ways out of what is left in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Final

from parts.faults import ways
from parts.faults.record import ENDS, Deployed, Share
from parts.faults.row import Round
from parts.faults.storm_apps import Stormy
from parts.faults.storm_clicks import OPEN, Clicker
from parts.faults.ways import Doubt
from parts.processes import PartError

SILENT_WORKERS: Final = 3  # after so many a Target is given up
LOST_CONNECTIONS: Final = 8  # so often a server that was changed already is tried again
ENDING_SECONDS: Final = 300.0
SECONDS_A_DEPLOY: Final = 6.0  # of those that may still be open when nobody clicks any more
IN_DOUBT: Final = ("failed", "needs_attention")
CANCELLED: Final = ("cancelled", "cancelled_restored")
UNFORESEEN: Final = "Estiva itself failed here"


def unexplained(shares: Sequence[Share]) -> Iterator[str]:
    """Of one application's Targets, the oldest first, those that ended as nothing in a storm explains.

    A Target is given up where its workers fell silent three times, or its server was lost again and again; one fails with nothing
    serving where nothing served as it came. Nobody cancels anything. Everything else is either a success or leaves a version that serves.
    """
    idle: set[str] = set()  # where nothing is known to serve
    for each in shares:
        was_idle = each.server in idle
        if UNFORESEEN in str(each.outcome.get("what", "")):
            yield f"an error that nobody foresaw: {each}"
        elif each.status in CANCELLED:
            yield f"nobody cancelled it: {each}"
        elif each.status == "needs_attention":
            if each.leases_lost < SILENT_WORKERS and each.connections_lost < LOST_CONNECTIONS:
                yield f"needs attention though server and worker were there: {each}"
        elif each.status == "failed" and not was_idle:
            yield f"failed, and nothing serves where something did: {each}"
        if each.role == "deploy" and each.status in IN_DOUBT:
            idle.add(each.server)
        elif each.status in ("succeeded", "failed_restored"):
            idle.discard(each.server)


def surplus(found: Sequence[Deployed], answered: Collection[int], lost: Collection[int]) -> Iterator[str]:
    """Of one application's Deployments those that nobody asked for: a second one of a plan, whose button is pressed once, and
    one whose number no click was `answered` with, unless it is of a plan whose answer was `lost` or takes another one back.
    """
    of_plan = Counter(each.plan for each in found if each.plan is not None)
    for plan, times in of_plan.items():
        if times > 1:
            yield f"plan {plan} was deployed {times} times: {[each.id for each in found if each.plan == plan]}"
    for each in found:
        if each.id not in answered and each.plan not in lost and each.restores is None:
            yield f"#{each.id} is on record, of plan {each.plan}, whose button nobody pressed in vain"


def end(turn: Round, stormy: Sequence[Stormy], clickers: Sequence[Clicker]) -> None:
    """Wait for all, count them, and get out of what is in doubt."""
    _all_ended(turn, stormy)
    for each, clicker in zip(stormy, clickers, strict=True):
        _count(turn, each, clicker)
        _get_out(turn, each)


def _all_ended(turn: Round, stormy: Sequence[Stormy]) -> None:
    world = turn.world
    places = ", ".join(str(each.app.placement) for each in stormy)
    query = f"SELECT COUNT(*) FROM deployments_deployment WHERE placement_id IN ({places}) AND status IN ({OPEN})"
    still = int(world.record.rows(query)[0][0])
    with suppress(PartError):  # who hasn't by then is a finding
        world.wait(
            lambda: world.record.rows(query) == [(0,)], "all have ended", ENDING_SECONDS + still * SECONDS_A_DEPLOY
        )


def _count(turn: Round, stormy: Stormy, clicker: Clicker) -> None:
    app, world = stormy.app, turn.world
    known = set(app.clicks)
    found = [each for each in world.record.deployments() if each.placement == app.placement]
    unanswered = [each for each in found if each.id not in known]
    turn.add("deploys", len(found))
    turn.add("answers_lost", len(clicker.lost))
    turn.add("of_these_begun", len(unanswered))
    turn.add("plans_lost", clicker.unplanned)
    turn.add("clicks_refused", clicker.refused)
    for said in surplus(found, known, clicker.lost):
        turn.expect(False, f"{app.name}: {said}", "duplicated")
    for each in unanswered:  # of the others the judge says it
        turn.expect(each.status in ENDS, f"#{each.id} of {app.name} is {each.status}", "unended")
    shares = [each for each in world.record.targets() if each.placement == app.placement]
    for share in shares:
        turn.add(f"ended_{share.status}", 1)
        turn.add("leases_lost", share.leases_lost)
        turn.note("attempts_at_most", share.attempts)
    for said in unexplained(shares):
        turn.expect(False, said)


def _get_out(turn: Round, stormy: Stormy) -> None:
    """As a person would, one server after another; where nothing serves and nobody is asked, it is deployed once more."""
    world, app = turn.world, stormy.app
    for doubt in ways.open_doubts(world, app.placement):
        way = stormy.drawn.way if doubt.may_restore else ways.RESUME
        number = ways.take(world, doubt, way, "the storm is over")
        turn.add(f"ways_out_{way}", 1)
        if number is not None:
            app.clicks.append(number)
            turn.succeeded(number, timeout=ENDING_SECONDS)
        _is_audited(turn, doubt, way)
    latest = {share.server: share for share in world.record.targets() if _deploys(share, app.placement)}
    if any(share.status == "failed" for share in latest.values()):
        turn.add("deployed_once_more", 1)
        turn.succeeded(world.deploy(app), timeout=ENDING_SECONDS)


def _is_audited(turn: Round, doubt: Doubt, way: str) -> None:
    entries = ways.audited(turn.world, doubt)
    turn.expect(
        [(name, said) for name, said, _ in entries] == [("Ada", way)], f"the audit trail has {entries}", "audit"
    )


def _deploys(share: Share, placement: int) -> bool:
    return share.placement == placement and share.role == "deploy"
