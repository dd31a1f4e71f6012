"""What the story's chapters share: who takes part, and the walks through pages that several of them make."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, Locator, expect

from tests.browser.visitor import PATIENCE, Visitor
from tests.browser.whole import WholeEstiva

PASSWORD: Final = "tide tables and lanterns"
SECRET: Final = "k7-Fathom-Secret-Value-91"
SERVER, APPLICATION = "harbour-1", "lighthouse"
ADMIN, DEPLOYER, AUDITOR = "Marta Quill", "Jonas Reef", "Noor Ledger"
_UNFOLD: Final = "(form) => form.querySelectorAll('details').forEach((each) => { each.open = true; })"
_VERSION = re.compile("<title>Sample application, version ([^<]+)</title>")


@dataclass
class Story:
    """One installation and the people who use it, each in a browser of their own."""

    browser: Browser
    estiva: WholeEstiva
    people: dict[str, Visitor] = field(default_factory=dict)
    deployments: dict[str, int] = field(default_factory=dict)

    def visitor(self, **options: Any) -> Visitor:
        """Somebody nobody knows yet."""
        return Visitor(self.browser, self.estiva.url, **options)

    @property
    def admin(self) -> Visitor:
        """Marta, once she has set Estiva up."""
        return self.people[ADMIN]

    def another_of(self, name: str, **options: Any) -> Visitor:
        """The same person in another browser, signed in already."""
        state = self.people[name].context.storage_state()
        return self.visitor(storage_state=state, **options)

    def serving(self) -> str:
        """The version that the application in production answers with."""
        answer = self.admin.context.request.get(self.estiva.application_url)
        found = _VERSION.search(answer.text())
        return found[1] if found else answer.text()

    def close(self) -> None:
        """Everybody goes home."""
        for visitor in self.people.values():
            visitor.context.close()


def address(environment: str) -> str:
    """The page of the application in an environment."""
    return f"/applications/{APPLICATION}/{environment}/"


def plan(who: Visitor, environment: str) -> None:
    """From the application's page in this environment to a plan that is worked out."""
    who.go(address(environment))
    who.press("Deploy…")
    planned(who)


def planned(who: Visitor) -> None:
    """Wait until the plan on the page is worked out."""
    expect(who.page.locator("#deploy-form")).to_be_visible(timeout=PATIENCE)


def deploy(who: Visitor, *, note: str = "") -> int:
    """From a plan to its Deployment, which has just been asked for; the Deployment's number."""
    if note:
        who.fill(note=note)
    confirmation = who.page.locator('[name="confirm"]')
    if confirmation.count():
        confirmation.check()
    who.page.locator("button.go").click()
    who.page.wait_for_url(re.compile(r"/deployments/\d+/"))
    return int(who.page.url.rstrip("/").split("/")[-1])


def change_settings(who: Visitor, environment: str, **values: str) -> None:
    """Save the placement's form with these values changed."""
    who.go(f"{address(environment)}settings")
    who.page.locator("#placement-form").evaluate(_UNFOLD)
    who.fill(**values)
    who.press("Save settings")
    who.page.wait_for_url(re.compile(re.escape(address(environment)) + "$"))


def lines(who: Visitor) -> list[tuple[int, str]]:
    """The log as it stands on the page: numbers and texts."""
    rows = who.page.locator(".log .line").evaluate_all(
        "(rows) => rows.map((row) => [Number(row.querySelector('.number').textContent), row.querySelector('.text').textContent])"
    )
    return [(int(number), str(text)) for number, text in rows]


def log_is_complete(who: Visitor) -> Locator:
    """Wait until the viewer holds the whole log."""
    found = who.page.locator(".log-tools .state")
    expect(found).to_have_text("Complete", timeout=PATIENCE)
    return found
