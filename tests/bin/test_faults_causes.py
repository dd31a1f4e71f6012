"""What is told of a failure, held against its cause; the product's own words for it are told apart by the campaign's patterns."""

from __future__ import annotations

from typing import Any

import pytest

from parts.faults import registry_ways
from parts.faults.causes import Cause, Told
from worker.connections.engine_errors import explain, pull_too_slow, refusal
from worker.connections.keychain import NOBODY
from worker.engine.errors import HostError
from worker.engine.failure import StepFailed

FULL = Cause("full", what="no space", why="disk", remedy="prune")
GONE = Cause("gone", what="unknown", why="registry", remedy="spelling")


def outcome(what: str = "", why: str = "", remedy: str = "") -> dict[str, Any]:
    """As a Target has it."""
    return {"what": what, "why": why, "remedy": remedy}


def test_the_right_words_are_right() -> None:
    told = Told((FULL, GONE))
    assert list(told.wrong(FULL, outcome("no space left", "the disk is full", "docker image prune"))) == []
    assert list(told.wrong(GONE, outcome("manifest unknown", "the registry has none", "check the spelling"))) == []


def test_each_part_has_to_say_its_own() -> None:
    (wrong,) = Told((FULL,)).wrong(FULL, outcome("no space left", "the disk is full, prune it"))
    assert wrong == "full: its remedy is told as: nothing"


def test_words_that_fit_another_cause_are_wrong() -> None:
    both = outcome("no space left, unknown", "disk or registry", "prune, spelling")
    assert list(Told((FULL, GONE)).wrong(FULL, both)) == ["full is told as if it were: gone"]


def test_two_causes_in_the_same_words_are_wrong_whatever_the_names() -> None:
    vague = Cause("vague", what=".", why=".", remedy=".")
    vaguer = Cause("vaguer", what="of", why=".", remedy=".")
    told = Told((vague,))
    assert list(told.wrong(vague, outcome("pull of shop-1 failed", "who knows", "try"), "shop-1")) == []
    (as_if, same) = told.wrong(vaguer, outcome("pull of shop-2 failed", "who knows", "try"), "shop-2")
    assert as_if == "vaguer is told as if it were: vague"
    assert same.startswith("vaguer is told in the same words as vague: ")


def of(error: HostError) -> dict[str, Any]:
    """As the step `pull` ends of it."""
    failure = StepFailed.of(error, "The step pull failed")
    return outcome(failure.what, failure.why, failure.remedy)


def looked(said: str) -> dict[str, Any]:
    """As preflight's finding ends a deploy."""
    why, remedy = explain(said)
    what = f"web-1 could not ask the registry for r.test/a: Server web-1: {said} {why}"
    return outcome(what, "Preflight found it.", remedy or "Check the name and tag, that the registry is up.")


def refused_to_nobody() -> dict[str, Any]:
    """As where no login is known for the registry."""
    with pytest.raises(HostError) as refused, NOBODY.signing_in("r.test/a"):
        raise refusal("unauthorized: unauthorized", "web-1")
    return of(refused.value)


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (registry_ways.REFUSED, of(refusal("unauthorized: authentication required", "web-1"))),
        (registry_ways.REFUSED, refused_to_nobody()),
        (registry_ways.GONE, looked("manifest unknown: manifest unknown")),
        (registry_ways.NO_ANSWER, looked("received unexpected HTTP status: 500 Internal Server Error")),
        (registry_ways.NO_ANSWER, of(refusal("received unexpected HTTP status: 500 Internal Server Error", "web-1"))),
        (registry_ways.SPOILT, of(refusal("manifest verification failed for digest sha256:1", "web-1"))),
        (registry_ways.SLOW, of(pull_too_slow("web-1", "r.test/a@sha256:1", registry_ways.PULL_SECONDS))),
    ],
    ids=lambda given: given.name if isinstance(given, Cause) else "",
)
def test_what_registries_do_is_told_apart(cause: Cause, told: dict[str, Any]) -> None:
    assert list(Told(registry_ways.CAUSES).wrong(cause, told)) == []
