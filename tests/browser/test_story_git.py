"""The story's chapter of a repository: it is named, built before everybody's eyes, and deployed once more by a push."""

import hashlib
import hmac
import json
import re
import time

import pytest
from playwright.sync_api import expect

from parts import flask_sample, sample_repository
from parts.processes import wait_until
from parts.sample_repository import SampleRepository
from parts.story_git import push, version
from tests.browser.story import SERVER, Story, deploy, log_is_complete, planned
from tests.browser.visitor import PATIENCE, Visitor

APPLICATION = "web"
PLACE = f"/applications/{APPLICATION}/staging/"


@pytest.fixture(scope="module")
def sample(_whole_story: Story) -> SampleRepository:
    """A Git server with the story's own application, and a stand-in for the image it begins from."""
    estiva = _whole_story.estiva
    return sample_repository.start(estiva.installation, estiva.supervisor, estiva.server)


def test_a_repository_is_named_and_looked_at(story: Story, sample: SampleRepository) -> None:
    marta = story.admin
    marta.go("/applications/repository")
    marta.fill(name=APPLICATION, url=sample.url)
    marta.page.get_by_role("radio", name=re.compile("access token")).check()
    marta.fill(username=sample.user, token=sample.password)
    marta.press("Look at the repository")
    marta.page.wait_for_url(re.compile(f"/applications/{APPLICATION}/repository"))
    marta.reads("1 branch", "default main")
    marta.fill(ref="main")
    marta.press("Show what is there")
    marta.reads("Latest commits", "Begin", "Build this")
    marta.fits()
    assert sample.password not in marta.page.content()


def test_it_is_placed_with_the_ports_that_its_dockerfile_exposes(story: Story, sample: SampleRepository) -> None:
    marta = story.admin
    marta.press("Add to an environment")
    ports = marta.page.locator('[data-rows="settings.ports"]')
    expect(ports.get_by_label("Container port").first).to_have_value("5000")
    marta.reads("Ports are filled in from EXPOSE")
    ports.get_by_label("Server port").first.fill(str(sample.application_port))
    ports.get_by_label("Server address").first.fill("127.0.0.1")
    marta.page.get_by_role("radio", name="staging").check()
    marta.page.get_by_role("checkbox", name=re.compile(SERVER)).check()
    marta.page.locator('[name="settings.health.kind"]').select_option("http")
    marta.fill(settings__health__path="/healthz", settings__health__deadline="20")
    marta.press("Add", exact=True)
    marta.page.wait_for_url(f"**{PLACE}")


def test_its_build_is_seen_as_it_happens(story: Story, sample: SampleRepository) -> None:
    marta = story.admin
    _plan(marta)
    marta.reads("What is built", "Begin", "The first deploy here.")
    deploy(marta)
    marta.mark()
    expect(marta.page.locator(".log .line").filter(has_text="pip install").first).to_be_visible(timeout=PATIENCE)
    expect(marta.page.locator(".title [role=status]")).not_to_have_text("Succeeded")  # it still goes on
    marta.state("Succeeded")
    log_is_complete(marta)
    assert marta.is_marked()
    assert sample.password not in marta.page.content()
    assert version(sample) == "1"


def test_a_plan_shows_what_came_since(story: Story, sample: SampleRepository) -> None:
    marta = story.admin
    push(sample, flask_sample.files("2", base=sample.base), "Say two")
    _plan(marta)
    marta.reads("Say two", "A short gap per server.")


def test_a_push_deploys_without_a_click(story: Story, sample: SampleRepository) -> None:
    marta = story.admin
    marta.go(f"{PLACE}hooks/new")
    marta.page.locator('[name="kind"][value="plain"]').check()
    marta.fill(name="forge", branches="main")
    marta.press("Make the hook")
    address, secret = (marta.page.locator(each).inner_text() for each in ("#hook-address", "#hook-secret"))
    marta.press("It is set up")
    marta.page.wait_for_url(re.compile(r"/hooks/\d+/$"))
    assert secret not in marta.page.content()
    body, now = json.dumps({"ref": "main", "pusher": "ana"}), int(time.time())
    signature = hmac.new(secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Estiva-Signature": f"t={now},v1={signature}"}
    answer = marta.context.request.post(address, data=body, headers=headers)
    assert answer.status == 202, answer.text()

    def is_deployed() -> bool:
        marta.page.reload()
        return marta.page.get_by_role("link", name=re.compile("Deployment #")).count() > 0

    wait_until(is_deployed, "the push is deployed", timeout=PATIENCE / 1000)
    marta.page.get_by_role("link", name=re.compile("Deployment #")).first.click()
    marta.state("Succeeded")
    marta.reads("forge (webhook)")
    assert version(sample) == "2"


def _plan(who: Visitor) -> None:
    who.go(PLACE)
    who.press("Deploy…")
    planned(who)
