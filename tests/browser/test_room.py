"""The server room in a real browser, on the real web process: a container's log comes while it runs, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, expect

from deployments import follows, live, queue
from deployments.live import LogLine, encode_lines
from parts.part import remove_folder, temporary_folder
from parts.processes import wait_until
from parts.valkey import Valkey
from tests.browser.visitor import Visitor

if TYPE_CHECKING:
    from tests.dashboard.story import Story
    from tests.dashboard.web import Web

START = 1_760_000_000_000


@pytest.fixture(scope="session", autouse=True)
def _database_beside_a_browser() -> Iterator[None]:
    """A browser's event loop runs in this thread, which Django would take for a mistake; the database's setup comes later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def redis(settings: Any) -> Iterator[Valkey]:
    """A Redis of its own."""
    folder = temporary_folder("room")
    with Valkey(folder) as server:
        settings.ESTIVA_REDIS_URL = server.url
        queue.connection.cache_clear()
        yield server
        queue.connection().close()
        queue.connection.cache_clear()
    remove_folder(folder)


@pytest.fixture
def web(redis: Valkey, transactional_db: None, django_db_serialized_rollback: None, tmp_path: Path) -> Iterator[Web]:
    """The real web process."""
    from tests.dashboard.web import Web

    with Web(tmp_path, redis.url) as server:
        yield server


@pytest.fixture
def story(web: Web) -> Story:
    """Ana, Bruno, Carla and their shop; web-1 was looked at."""
    from tests.dashboard.rooms import container, seen
    from tests.dashboard.story import tell

    told = tell()
    told.running.targets.update(status="succeeded")
    seen(told.host, container("storefront-staging-r1.f1", told.staging), container("somebodys-database"))
    return told


@pytest.fixture
def ana(browser: Browser, web: Web, story: Story) -> Iterator[Visitor]:
    """Ana's browser, signed in."""
    from django.conf import settings

    from tests.dashboard.web import sign_in

    visitor = Visitor(browser, f"http://127.0.0.1:{web.port}")
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": sign_in(story.ana), "url": visitor.url}
    visitor.context.add_cookies([cookie])  # type: ignore[list-item]
    yield visitor
    visitor.context.close()


def lines(first: int, last: int) -> str:
    """As the worker writes them."""
    rows = [
        LogLine(number, START + number, "runtime", "stdout", f"GET /{number} 200") for number in range(first, last + 1)
    ]
    return encode_lines(rows)


def test_a_log_is_followed_while_it_runs(ana: Visitor, story: Story) -> None:
    from deployments.models import Operation

    page = ana.go("/servers/web-1/room/")
    page.get_by_role("link", name="storefront-staging-r1.f1").click()
    page.get_by_role("button", name="Follow its log").click()
    expect(page.locator(".log-tools")).to_be_visible()
    follow = Operation.objects.get(kind="follow", placement=story.staging)
    Operation.objects.filter(pk=follow.pk).update(status="running")
    wait_until(lambda: follows.is_watched(follow.pk), "it is said that somebody looks", timeout=10)
    for first in range(1, 200, 20):
        assert follows.append(follow.pk, first, first + 19, lines(first, first + 19))
    expect(page.locator(".log .line")).to_have_count(200)
    expect(page.locator(".log-tools .state")).to_have_text("Live")
    page.reload()
    expect(page.locator(".log .line")).to_have_count(200)
    page.get_by_role("searchbox").fill("GET /150 200")
    expect(page.locator(".found-count")).to_contain_text("1")
    follows.append(follow.pk, 201, 201, lines(201, 201))
    expect(page.locator(".log .line")).to_have_count(201)
    Operation.objects.filter(pk=follow.pk).update(status="succeeded")
    queue.publish(live.wake_changed("operation", follow.pk, story.staging.pk))
    expect(page.locator(".log-tools .state")).to_have_text("Complete")
    ana.is_content()


def test_what_containers_take_stands_on_the_page(ana: Visitor, story: Story) -> None:
    from deployments.models import Operation
    from tests.dashboard.rooms import container

    page = ana.go("/servers/web-1/room/")
    usage = Operation.objects.get(kind="follow", placement=None)
    wait_until(lambda: follows.is_watched(usage.pk), "it is said that somebody looks", timeout=10)
    key = container("storefront-staging-r1.f1")["id"][:12]
    queue.publish(live.wake_usage(usage.pk, {key: [story.staging.pk, 12.5, 96_000_000, 0]}))
    row = page.locator("tr", has_text="storefront-staging-r1.f1")
    expect(row.locator("[data-cpu]")).to_have_text("12.5 %")
    expect(row.locator("[data-memory]")).to_have_text("96.0 MB")
    queue.publish(live.wake_changed("host", story.host.pk))  # the part is fetched anew: the values stay
    expect(row.locator("[data-cpu]")).to_have_text("12.5 %")
    expect(page.locator("tr", has_text="somebodys-database").locator("[data-cpu]")).to_have_text("–")
    ana.is_content()


def test_a_command_that_runs_once_is_followed(ana: Visitor, story: Story) -> None:
    """Asked for on the form; its lines come from the record, live, and stay."""
    from deployments.models import OneOffRun, Operation, RunChunk

    page = ana.go("/applications/storefront/staging/releases/1/run")
    page.get_by_label("Command").fill("./manage.py\nmigrate\n--name\ntwo words")
    page.get_by_role("button", name="Run it").click()
    expect(page.get_by_role("button", name="Cancel this run")).to_be_visible()
    run = OneOffRun.objects.get()
    Operation.objects.filter(pk=run.pk).update(status="running")
    for first in range(1, 100, 20):
        RunChunk.objects.create(
            run=run, first_line=first, last_line=first + 19, fence=1, lines=lines(first, first + 19)
        )
        OneOffRun.objects.filter(pk=run.pk).update(last_line=first + 19)
        queue.publish(live.wake_follow(run.pk, first + 19))
    expect(page.locator(".log .line")).to_have_count(100)
    expect(page.locator(".log-tools .state")).to_have_text("Live")
    page.reload()
    expect(page.locator(".log .line")).to_have_count(100)
    page.get_by_role("searchbox").fill("GET /50 200")
    expect(page.locator(".found-count")).to_contain_text("1")
    OneOffRun.objects.filter(pk=run.pk).update(exit_code=3)
    result = {"what": "It ended with exit code 3 on web-1.", "why": "", "remedy": "Its last lines say more."}
    Operation.objects.filter(pk=run.pk).update(status="failed", result=result)
    queue.publish(live.wake_changed("operation", run.pk, story.staging.pk))
    expect(page.locator(".log-tools .state")).to_have_text("Complete")
    expect(page.get_by_text("It ended with exit code 3 on web-1.")).to_be_visible()
    ana.is_content()
