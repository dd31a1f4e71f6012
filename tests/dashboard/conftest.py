"""The real web process and a Redis of its own, started once for every test of the live stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from deployments import queue
from parts.valkey import Valkey

if (
    TYPE_CHECKING
):  # Django is set up after this file is read, and these need models; the fixtures import them when they run
    from tests.dashboard.story import Story
    from tests.dashboard.web import Web


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Redis of its own: tests kill it."""
    with Valkey(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_web(
    django_db_setup: None, django_db_blocker: Any, shared_redis: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """The web process, started once: what it remembers of earlier tests must not matter."""
    from django.core.management import call_command

    from tests.dashboard.web import Web

    with Web(tmp_path_factory.mktemp("web"), shared_redis.url) as server:
        with django_db_blocker.unblock():
            # It made a setup link, and an entry about that: left over, the entry would be one that no chain's head knows.
            call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
        yield server


@pytest.fixture
def live_redis(shared_redis: Valkey, settings: Any) -> Iterator[Valkey]:
    """Redis, running, also for what this process publishes."""
    if not shared_redis.alive:
        shared_redis.start()
    settings.ESTIVA_REDIS_URL = shared_redis.url
    queue.connection.cache_clear()
    yield shared_redis
    queue.connection().close()
    queue.connection.cache_clear()


@pytest.fixture
def live_story(transactional_db: None) -> Story:
    """Ana, Bruno, Carla and their shop."""
    from tests.dashboard.story import tell

    return tell()


@pytest.fixture
def web(shared_web: Web, live_story: Story, live_redis: Valkey) -> Iterator[Web]:
    """The web process, following Redis; what it logged meanwhile is shown when the test fails."""
    logged = len(shared_web.process.log.read_text(errors="replace"))
    shared_web.settle(live_story.ana)
    yield shared_web
    shared_web.close_streams()
    sys.stderr.write(shared_web.process.log.read_text(errors="replace")[logged:])
