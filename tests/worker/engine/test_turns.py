"""How often a deploy waits for the server's answer: with one that is far away that is what a deploy takes, and how long nothing serves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from tests.worker.engine.stage import FIXED, HTTP, Stage, ended
from worker.connections.fake import FakeHost
from worker.engine.events import Gap, Line
from worker.engine.rollout import deploy

_T = TypeVar("_T")


class Patient(FakeHost):
    """Counts turns: calls that are made together take as many as the longest of them."""

    turns = 0

    def _call(self, name: str, arguments: tuple[object, ...], act: Callable[[], _T]) -> _T:
        self.turns += 1
        return super()._call(name, arguments, act)

    def together(self, calls: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        began, ends, answers = self.turns, [self.turns], []
        for call in calls:
            self.turns = began
            answers.append(call())
            ends.append(self.turns)
        self.turns = max(ends)
        return answers


LOOKS_MEANWHILE = 6  # at the new version, while the old one is left a moment anyway


@pytest.mark.parametrize(
    ("strategy", "most", "most_of_gap"), [("stop-first", 22, 5), ("start-first", 33 + LOOKS_MEANWHILE, 0)]
)
def test_a_deploy_asks_no_more_often_than_it_has_to(strategy: str, most: int, most_of_gap: int) -> None:
    quick = replace(FIXED[strategy], health=replace(HTTP, passes=1))
    stage = Stage(container=quick).serving_first(1)
    stage.publish(2)
    spec, host = stage.spec(2), Patient(stage.server)
    list(host.pull(spec.image.reference, platform=None, deadline=60))
    host.turns = stopped_at = gap = 0
    events = []
    for event in deploy(spec, host):
        events.append(event)
        if isinstance(event, Line) and "From here nothing serves" in event.text:
            stopped_at = host.turns
        if isinstance(event, Gap) and event.seconds:
            gap = host.turns - stopped_at
    assert ended(events).verdict == "succeeded"
    assert host.turns <= most, [call.name for call in host.journal]
    assert gap <= most_of_gap, [call.name for call in host.journal]
