"""The browser's fixtures. Tests here come last and in order: a story has chapters, and other tests' database forbids a running event loop."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser

from parts import packages, sample_server
from parts.part import remove_folder, temporary_folder
from tests.browser.scene import Scene, chromium, scene
from tests.browser.story import Story
from tests.browser.whole import whole_estiva

HERE: Final = Path(__file__).parent
CHAPTERS: Final = (
    "test_story_admin",
    "test_story_deploys",
    "test_story_terminal",
    "test_story_people",
    "test_story_pages",
    "test_story_git",
)
LATE: Final = CHAPTERS[-2:]  # nothing builds on these
_failed = pytest.StashKey[str]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs a browser, at once, so that `-m` can leave it out; skip, by name, what this machine can't have."""
    if HERE not in item.path.parents:
        return
    is_chapter = item.path.stem in CHAPTERS
    item.add_marker(pytest.mark.browser)
    if is_chapter:
        item.add_marker(pytest.mark.real)
    lacking = packages.lacking(["chromium", *(sample_server.needed() if is_chapter else ())])
    if lacking and not packages.can_install():
        item.add_marker(pytest.mark.skip(reason=f"needs root on Debian, or: {', '.join(lacking)}"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's tests go last; the story's chapters after the others, as they stand in their files."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, int]:
    if HERE not in item.path.parents:
        return 0, 0
    if item.path.stem not in CHAPTERS:
        return 1, 0
    line = item.function.__code__.co_firstlineno if isinstance(item, pytest.Function) else 0
    return 2 + CHAPTERS.index(item.path.stem), line


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember the chapter that failed: those after it build on it."""
    report = yield
    if report.failed and item.path.stem in set(CHAPTERS) - set(LATE):
        item.session.stash.setdefault(_failed, item.name)
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once a session."""
    with chromium() as started:
        yield started


@pytest.fixture(name="scene")
def scene_(browser: Browser) -> Iterator[Scene]:
    """A scene that fails the test when the browser complained."""
    with scene(browser) as made:
        yield made


@pytest.fixture(scope="package")
def _whole_story(browser: Browser) -> Iterator[Story]:
    """The one installation of the story, and who takes part."""
    folder = temporary_folder("story")
    with whole_estiva(folder) as estiva:
        told = Story(browser, estiva)
        yield told
        told.close()
    remove_folder(folder)


@pytest.fixture
def story(_whole_story: Story, request: pytest.FixtureRequest) -> Iterator[Story]:
    """The story so far; a chapter fails where an earlier one did, or where a browser complained."""
    if earlier := request.session.stash.get(_failed, ""):
        pytest.fail(f"An earlier chapter failed: {earlier}")
    yield _whole_story
    for visitor in _whole_story.people.values():
        visitor.is_content()
