"""The story's second part: deploys that succeed, fail, are rolled back and are cancelled, and the record of them."""

import re

from playwright.sync_api import expect

from tests.browser.story import (
    ADMIN,
    SECRET,
    SERVER,
    Story,
    address,
    change_settings,
    deploy,
    lines,
    log_is_complete,
    plan,
    planned,
)
from tests.browser.visitor import PATIENCE


def test_the_plan_says_what_will_happen(story: Story) -> None:
    marta = story.admin
    plan(marta, "production")
    marta.reads("The first deploy here.", SERVER, "first time here", "linux/amd64")
    assert SECRET not in marta.page.content()


def test_production_is_named_once_more(story: Story) -> None:
    marta = story.admin
    with marta.forgiving("422"):
        marta.page.locator("button.go").click()
        expect(marta.page.locator("#confirm_error")).to_be_visible()


def test_the_first_deploy_is_seen_as_it_happens(story: Story) -> None:
    marta = story.admin
    story.deployments["first"] = deploy(marta, note="The first light")
    marta.mark()
    rows = marta.page.locator(".log .line")
    expect(rows.filter(has_text="warming up")).to_have_count(1, timeout=PATIENCE)  # it still starts
    marta.state("Succeeded")
    log_is_complete(marta)
    assert marta.is_marked()
    assert "Succeeded" in marta.page.title()
    assert story.serving() == "1"

    live = lines(marta)
    assert [number for number, _text in live] == list(range(1, len(live) + 1))
    marta.page.reload()
    log_is_complete(marta)
    assert lines(marta) == live
    assert SECRET not in marta.page.content()


def test_the_second_version_comes_with_a_gap_that_was_announced(story: Story) -> None:
    marta, server = story.admin, story.estiva.server
    marta.go(f"{address('production')}variables")
    marta.page.get_by_label("Delete SAMPLE_BEHAVIOUR…").click()
    marta.press("Delete SAMPLE_BEHAVIOUR", exact=True)
    marta.reads("SAMPLE_BEHAVIOUR is gone.")
    change_settings(marta, "production", image=f"{server.image}:2")
    marta.reads("Set, but not deployed yet")
    plan(marta, "production")
    marta.reads("A short gap per server.", "against release 1")
    expect(marta.page.locator("#changes").locator("xpath=../..")).to_contain_text(":2")
    story.deployments["second"] = deploy(marta)
    marta.state("Succeeded")
    expect(marta.page.locator(".steps .server")).to_contain_text("Done, gap", timeout=PATIENCE)
    assert story.serving() == "2"


def test_a_settings_change_meanwhile_is_refused_with_the_new_plan(story: Story) -> None:
    marta = story.admin
    plan(marta, "production")
    colleague = story.another_of(ADMIN)
    change_settings(colleague, "production", settings__stop_timeout="7")
    colleague.close()
    first = marta.page.url
    marta.page.locator('[name="confirm"]').check()
    marta.page.locator("button.go").click()
    marta.page.wait_for_url(lambda url: "/plans/" in url and not url.startswith(first))
    planned(marta)
    expect(marta.page.locator("#deploy-form")).to_contain_text("7")


def test_an_image_that_never_becomes_healthy_leaves_the_old_version_serving(story: Story) -> None:
    marta, server = story.admin, story.estiva.server
    change_settings(marta, "production", image=f"{server.image}:never-healthy", settings__health__deadline="4")
    plan(marta, "production")
    story.deployments["failed"] = deploy(marta)
    marta.state("Failed, restored")
    verdict = marta.page.locator("#deployment-head .note.bad")
    expect(verdict).to_contain_text(SERVER)
    expect(verdict).to_contain_text("Release 2 serves on")
    expect(verdict).to_contain_text("Next:")
    expect(marta.page.locator('.steps [data-step$=":health"] .state')).to_have_class(re.compile("bad"))
    assert "Failed" in marta.page.title()
    assert story.serving() == "2"


def test_the_failed_page_opens_at_the_failed_step(story: Story) -> None:
    marta = story.admin
    marta.go(f"/deployments/{story.deployments['failed']}/")
    log_is_complete(marta)
    expect(marta.page.locator(".log .line.bad").first).to_be_in_viewport()
    expect(marta.page.locator("#deployment-head .note.bad")).to_be_in_viewport()  # what happened comes first
    expect(marta.page.locator(".log")).to_contain_text("HTTP 503")


def test_going_back_takes_one_click_and_a_plan(story: Story) -> None:
    marta = story.admin
    marta.go(address("production"))
    marta.page.get_by_role("button", name="Roll back to release 1…").click()
    planned(marta)
    marta.reads("Bring release 1 back to production", "secrets with today's values")
    story.deployments["rollback"] = deploy(marta)
    marta.state("Succeeded")
    assert story.serving() == "1"
    expect(marta.page.locator(".title .pill")).to_have_text("Rollback")


def test_a_second_click_waits_in_line_and_both_can_be_cancelled(story: Story) -> None:
    marta = story.admin
    change_settings(marta, "production", settings__health__deadline="90")
    plan(marta, "production")
    running = story.deployments["cancelled"] = deploy(marta)
    expect(marta.page.locator('.steps [data-step$=":health"] .state')).to_have_class(
        re.compile("run"), timeout=PATIENCE
    )

    again = story.another_of(ADMIN)
    plan(again, "production")
    deploy(again)
    again.reads(f"Waits for #{running}", f"which {ADMIN} asked for", "Position 1 in line")
    again.press("Cancel this deployment")
    again.state("Cancelled")
    again.close()

    marta.press("Cancel this deployment")
    marta.state("Cancelled, restored")
    marta.reads(f"{ADMIN} cancelled this.")
    assert story.serving() == "1"


def test_history_is_filtered_by_its_address(story: Story) -> None:
    marta = story.admin
    marta.go("/deployments/")
    rows = marta.page.locator("table.history tbody tr")
    expect(rows).to_have_count(6)
    marta.page.locator('[name="state"]').select_option("failed")
    marta.page.locator('[name="application"]').select_option("lighthouse")
    marta.press("Show", exact=True)
    expect(marta.page).to_have_url(re.compile("state=failed"))
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(f"#{story.deployments['failed']}")
    marta.go("/deployments/?environment=staging")
    marta.reads("Nothing fits these filters")


def test_a_line_has_an_address(story: Story) -> None:
    marta = story.admin
    marta.go(f"/deployments/{story.deployments['first']}/")
    log_is_complete(marta)
    marta.page.locator(".log .line .number").nth(4).click()
    marta.page.locator(".log .line .number").nth(6).click(modifiers=["Shift"])
    expect(marta.page).to_have_url(re.compile(f"#{SERVER}:L5-L7$"))
    marta.page.reload()
    marked = marta.page.locator(".log .line.mark .number")
    expect(marked).to_have_text(["5", "6", "7"])
    expect(marked.first).to_be_in_viewport()


def test_the_whole_log_is_searched(story: Story) -> None:
    marta = story.admin
    marta.page.get_by_label("Search the log").fill("warming up")
    expect(marta.page.locator(".found-count")).to_contain_text("1 of 1")


def test_the_audit_trail_has_all_of_it(story: Story) -> None:
    marta = story.admin
    marta.go("/audit/")
    trail = marta.page.locator("table.trail")
    expect(trail).to_contain_text(f"#{story.deployments['rollback']}")
    expect(trail).to_contain_text(ADMIN)
    expect(trail).to_contain_text("127.0.0.1")
    marta.go("/audit/?action=host.trust")
    expect(trail).to_contain_text(SERVER)
    assert SECRET not in marta.page.content()
    told = story.estiva.run("manage.py", "audit", "verify")
    assert "none edited, missing or reordered" in told


def test_what_ran_on_the_server_then_is_answered(story: Story) -> None:
    marta = story.admin
    marta.go(f"/servers/{SERVER}/at")
    moment = marta.page.evaluate("new Date().toISOString().slice(0, 19)")
    marta.fill(at=str(moment))
    marta.press("Show", exact=True)
    marta.reads("lighthouse · production")
