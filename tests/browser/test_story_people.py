"""The story's third part: a deployer who sees only what is granted, an auditor who reads everything, and an end of access."""

import re

from playwright.sync_api import expect

from tests.browser.story import (
    APPLICATION,
    AUDITOR,
    DEPLOYER,
    PASSWORD,
    SECRET,
    SERVER,
    Story,
    address,
    deploy,
    log_is_complete,
    plan,
)
from tests.browser.visitor import PATIENCE, Visitor


def _invite(story: Story, name: str, role: str, granted: str = "") -> Visitor:
    """An invitation by the admin, accepted in a browser of their own."""
    marta = story.admin
    marta.go("/people/invite")
    marta.fill(email=f"{name.split()[0].lower()}@harbour.example")
    marta.page.get_by_role("radio", name=re.compile(role)).check()
    if granted:
        marta.page.get_by_role("checkbox", name=granted).check()
    marta.press("Make the invitation")
    link = marta.page.locator("#one-time-link").inner_text()
    invited = story.people[name] = story.visitor()
    invited.go(link)
    invited.reads(f"invited you as {role.lower()}")
    invited.fill(name=name, password=PASSWORD)
    invited.press("Accept and sign in")
    invited.page.wait_for_url(f"{story.estiva.url}/")
    return invited


def test_the_application_comes_to_staging_without_a_server_port(story: Story) -> None:
    marta = story.admin
    marta.go(f"/applications/{APPLICATION}/")
    marta.press("Add to an environment")
    marta.page.get_by_role("radio", name="staging").check()
    marta.fill(image=f"{story.estiva.server.image}:1")
    marta.page.get_by_role("checkbox", name=re.compile(SERVER)).check()
    marta.page.locator('[data-rows="settings.ports"] .setting-row:not(.setting-head)').get_by_label(
        "Server port"
    ).first.fill("")
    marta.press("Add", exact=True)
    marta.page.wait_for_url(f"**{address('staging')}")


def test_a_deployer_sees_only_what_is_granted(story: Story) -> None:
    jonas = _invite(story, DEPLOYER, "Deployer", f"{APPLICATION} · staging")
    expect(jonas.page.locator("table.matrix")).to_contain_text(APPLICATION)
    assert "production" not in jonas.page.locator("main").inner_text()
    expect(jonas.page.get_by_role("navigation", name="Main")).not_to_contain_text("People")
    with jonas.forgiving("404", "403"):
        for path in (address("production"), f"/deployments/{story.deployments['first']}/", "/people/", "/audit/"):
            assert jonas.visit(story.estiva.url + path) in {403, 404}, path
            jonas.fits()


def test_a_deployer_deploys_there_without_a_gap(story: Story) -> None:
    jonas = story.people[DEPLOYER]
    for _time in ("first", "second"):
        plan(jonas, "staging")
        jonas.reads("The first deploy here." if _time == "first" else "No gap.")
        story.deployments["staging"] = deploy(jonas)
        jonas.state("Succeeded")
    expect(jonas.page.locator(".steps .server")).to_contain_text("Done, no gap", timeout=PATIENCE)
    log_is_complete(jonas)


def test_an_auditor_reads_everything_and_changes_nothing(story: Story) -> None:
    noor = _invite(story, AUDITOR, "Auditor")
    for path in (
        *("/", "/applications/", address("production"), f"{address('production')}variables"),
        *(f"/deployments/{story.deployments['first']}/", f"/servers/{SERVER}/", "/servers/", "/people/", "/audit/"),
    ):
        assert noor.visit(story.estiva.url + path) == 200, path
        assert SECRET not in noor.page.content(), path
        for word in ("Deploy…", "Redeploy", "Roll back", "Retire", "Invite somebody", "Trust", "Delete"):
            assert noor.page.locator("main").get_by_role("button", name=word).count() == 0, (path, word)
    noor.go("/audit/")
    expect(noor.page.locator("table.trail")).to_contain_text(DEPLOYER)


def test_an_end_of_access_is_felt_at_once(story: Story) -> None:
    jonas, marta = story.people.pop(DEPLOYER), story.admin
    jonas.go(f"/deployments/{story.deployments['staging']}/")
    log_is_complete(jonas)
    marta.go("/people/")
    marta.page.get_by_role("link", name=re.compile(DEPLOYER)).click()
    with jonas.forgiving("401"):
        marta.press(f"Deactivate {DEPLOYER}")
        marta.reads("Deactivated")
        jonas.page.wait_for_url(re.compile("/account/login"))  # by itself
        jonas.fill(login="jonas@harbour.example", password=PASSWORD)
        jonas.page.locator("main").get_by_role("button", name="Sign in").click()
        expect(jonas.page).to_have_url(re.compile("/account/"))
        jonas.go("/")
        assert "/account/login" in jonas.page.url
    jonas.close()
