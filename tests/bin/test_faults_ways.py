"""A person before what needs attention: the page is read until somebody has looked, then one of its forms is sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parts.faults import ways
from parts.faults.ways import Doubt
from parts.processes import PartError
from parts.trial_person import Page

DOUBT = Doubt(target=12, deployment=7, server="web-1", may_restore=True)
SEEN = '<input type="hidden" name="shown" value="web-1=f00" form="as_is">'


class Person:
    """Sees one page after another, the last one for ever; every form leads to the same place."""

    def __init__(self, pages: list[str], to: str) -> None:
        self.pages, self.to, self.sent = pages, to, list[dict[str, str]]()

    def open(self, path: str) -> Page:
        """The next one."""
        return Page(path, self.pages.pop(0) if len(self.pages) > 1 else self.pages[0])

    def send(self, path: str, **values: str) -> Page:
        """Note it."""
        self.sent.append({"path": path, **values})
        return Page(self.to, "")


def world(person: Person, *states: str) -> Any:
    """A server in these states, one after another; what is recorded is as it was asked for."""
    several = list(states)

    def rows(query: str) -> list[tuple[str]]:
        if "deployments_host" in query:
            return [(several.pop(0) if len(several) > 1 else several[0],)]
        return [("as_is",)]

    def wait(condition: Any, *_: object) -> None:
        assert condition()

    return SimpleNamespace(ada=person, record=SimpleNamespace(rows=rows), wait=wait)


def test_it_waits_for_a_look_and_asks_again_where_one_failed() -> None:
    empty = SEEN.replace("f00", "")
    person = Person([empty, f"{empty} The look failed: nobody there.", empty, SEEN, SEEN], "/deployments/9/")
    found = ways.take(
        world(person, "ready", "ready", "ready", "unreachable", "ready"), DOUBT, ways.RESUME, "well again"
    )
    assert found == 9
    look = {"path": "/deployments/7/attention", "act": "look"}
    act = {"path": "/deployments/7/attention", "act": "resume", "server": "web-1", "reason": "well again"}
    assert person.sent == [look, look, act]


def test_what_is_taken_as_it_is_is_what_was_shown() -> None:
    person = Person([SEEN], "/deployments/7/attention")
    assert ways.take(world(person, "ready"), DOUBT, ways.AS_IS, "it answers") is None
    assert person.sent[0]["shown"] == "web-1=f00"


def test_a_form_that_leads_to_no_deployment_is_not_taken_for_one() -> None:
    with pytest.raises(PartError, match="restore led to /deployments/7/attention"):
        ways.take(world(Person([SEEN], "/deployments/7/attention"), "ready"), DOUBT, ways.RESTORE, "")
