"""The bad versions of the campaign: the product's words tell them apart, and how long each was in the way is measured right."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from parts.faults import bad_versions
from parts.faults.bad_versions import QUICK, REST, TURNING, Bad
from parts.faults.causes import Told
from parts.faults.events import Event
from parts.faults.probing import Asked
from parts.faults.restoring import killed, restored_after
from worker.engine.container_host import Container, LocalImage
from worker.engine.diagnosis import exited, listening_elsewhere, never_healthy, sick_under_its_names, start_failed
from worker.engine.errors import HostError
from worker.engine.failure import StepFailed

T0, OLD, NEW = 1000.0, 1, 2
ALL = {way.name: way for way in (*QUICK, *REST, *TURNING)}
NOTHING: dict[str, Any] = {
    each.name: each.type() if each.type in (int, bool, str) else ()
    for each in dataclasses.fields(Container)
    if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
}


def ended(code: int, seconds: float, said: str = "") -> StepFailed:
    """A container that exited."""
    return exited(Container(**{**NOTHING, "exit_code": code}), seconds, [said], "web-1", None)


def asked_in_vain(deadline: float, answer: str, log: str = "") -> StepFailed:
    """One that did not become healthy."""
    image: LocalImage | None = None
    hints = listening_elsewhere(5000, [], [log], image) if log else []
    return never_healthy("HTTP GET :5000/healthz", answer, deadline, "web-1", 5000, hints)


TOLD = {
    "exits": ended(3, 0.4),
    "exits-late": ended(4, 5.2),
    "dies": ended(4, 1.4),
    "dies-proven": sick_under_its_names("shop-live-r2.f4", ended(4, 0.3)),
    "never-healthy": asked_in_vain(4.0, "HTTP 404"),
    "deaf": asked_in_vain(4.0, "HTTP 404"),
    "turns-sick": asked_in_vain(5.0, "HTTP 503"),
    "elsewhere": asked_in_vain(4.0, "connection refused", "page: version 2 starting on port 5001"),
    "no-entrypoint": start_failed(
        HostError('exec: "/app/absent": stat /app/absent: no such file or directory', status=400), "web-1", None
    ),
    "foreign": ended(1, 0.2, "exec /app/start: exec format error"),
}


@pytest.mark.parametrize("name", TOLD)
def test_each_is_told_in_its_own_words(name: str) -> None:
    told = Told(bad_versions.CAUSES)
    failure = TOLD[name]
    outcome = {"what": f"{failure.what} Release 1 serves.", "why": failure.why, "remedy": failure.remedy}
    assert list(told.wrong(ALL[name].cause, outcome)) == []


def test_no_two_causes_are_told_alike() -> None:
    told = Told(bad_versions.CAUSES)
    for name, failure in TOLD.items():
        outcome = {"what": failure.what, "why": failure.why, "remedy": failure.remedy}
        assert list(told.wrong(ALL[name].cause, outcome)) == []


def test_every_way_has_a_name_and_a_deadline_of_its_own() -> None:
    assert len(ALL) == len(QUICK) + len(REST) + len(TURNING)
    assert {way.name: way.patience for way in TURNING} == {"turns-sick": 5.0, "dies": 5.0, "dies-proven": 10.0}
    assert ALL["deaf"].patience == 6.0
    assert Bad("any", "exits", bad_versions.EXITS).patience == bad_versions.DEADLINE


def event(at: float, action: str, target: int, **labels: str) -> Event:
    """One of an engine's."""
    return Event(T0 + at, "web-1", action, f"c{target}", f"c{target}", {"estiva.target": str(target), **labels})


def answered(at: float, version: str) -> Asked:
    """One request; without a version nobody answered."""
    return Asked("shop", T0 + at, T0 + at + 0.01, version, "x" if version else "", "" if version else "refused")


STOP_FIRST = [event(1, "create", NEW), event(2, "die", OLD), event(3, "start", NEW), event(8, "start", OLD)]


def test_stop_first_it_is_the_old_ones_first_answer() -> None:
    asked = [answered(1.5, "1"), answered(4, ""), answered(5, "2"), answered(8.5, "1")]
    assert restored_after(STOP_FIRST, asked, NEW, "1", start_first=False) == pytest.approx(5.51)
    assert restored_after(STOP_FIRST, asked[:3], NEW, "1", start_first=False) is None


def test_one_that_never_started_is_in_the_way_from_the_old_ones_end() -> None:
    events = [event(1, "create", NEW), event(2, "die", OLD), event(2.5, "start", OLD)]
    assert restored_after(events, [answered(2.7, "1")], NEW, "1", start_first=False) == pytest.approx(0.71)
    assert restored_after(events[:1], [], NEW, "1", start_first=False) == 0.0
    assert restored_after([], [], NEW, "1", start_first=False) == 0.0


def test_start_first_it_is_the_new_ones_end() -> None:
    events = [event(1, "create", NEW), event(2, "start", NEW), event(6, "die", NEW), event(7, "destroy", NEW)]
    assert restored_after(events, [], NEW, "1", start_first=True) == pytest.approx(4.0)
    assert restored_after(events[:3], [], NEW, "1", start_first=True) is None


def test_who_ignores_sigterm_is_ended_by_sigkill() -> None:
    told = [event(1, "start", OLD), event(2, "kill", OLD), event(4, "kill", OLD)]
    assert killed([*told, event(4.1, "die", OLD, exitCode="137")], OLD) == pytest.approx(2.1)
    assert killed([*told, event(2.1, "die", OLD, exitCode="0")], OLD) is None
    assert killed(told, OLD) is None
