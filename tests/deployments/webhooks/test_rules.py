"""Whether a push deploys, and the words for it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from deployments.errors import FieldErrors
from deployments.webhooks import globs
from deployments.webhooks.push import Image, Push
from deployments.webhooks.rules import Place, Rules, comparable, decide
from tests.deployments.webhooks.samples import AFTER, BEFORE, DIGEST, SSH_URL, URL

GIT = Place(repository_url=URL)
IMAGE = Place(images=("registry.example.com:5000/harbour/storefront:2.4.1",))
MAIN = Rules(branches=("main", "release/*"), tags=("v*",))
PUSH = Push(
    kind="github",
    delivery_id="1",
    event="push",
    repository_urls=(URL,),
    branch="main",
    before=BEFORE,
    commit=AFTER,
    commits=1,
    paths=("shop/cart.py", "docs/cart.md"),
    all_paths=True,
    message="Sort the cart",
)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("main", "main", True),
        ("main", "feature/main", False),
        ("main", "maint", False),
        ("*", "feature/cart", True),
        ("**", "feature/cart", True),
        ("release/*", "release/2", True),
        ("release/*", "release/2/hot", False),
        ("release/**", "release/2/hot", True),
        ("release/**", "release", False),
        ("v*", "v2.4.1", True),
        ("v?.?", "v2.4", True),
        ("v?.?", "v2.41", False),
        ("*-stable", "2-stable", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a**c", "abc", True),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a.c", "abc", False),
        ("**/x", "x", True),
        ("**/x/**/y", "a/x/b/x/c/y", True),
        ("a\\?", "a\\b", True),
    ],
)
def test_patterns_of_names(pattern: str, name: str, fits: bool) -> None:
    assert globs.matches_name(pattern, name) is fits


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.md", "docs/deep/cart.md", True),
        ("/*.md", "docs/cart.md", False),
        ("/*.md", "README.md", True),
        ("docs/", "docs/cart.md", True),
        ("docs/", "shop/docs/cart.md", False),
        ("docs/", "docs", False),
        ("docs/**", "docs/a/b", True),
        ("docs/**", "docs", False),
        ("**/docs/**", "shop/docs/a", True),
        ("src/**/test_*.py", "src/test_a.py", True),
        ("src/**/test_*.py", "src/a/b/test_a.py", True),
        ("src/*/x.py", "src/a/b/x.py", False),
        ("Dockerfile", "Dockerfile", True),
        ("Dockerfile", "shop/Dockerfile", True),
        ("src/**/**/x", "src/x", True),
        ("**", "anything/at/all", True),
    ],
)
def test_patterns_of_paths(pattern: str, path: str, fits: bool) -> None:
    assert globs.matches_path(pattern, path) is fits


def test_no_pattern_takes_long() -> None:
    """Patterns and paths made to be dear: the worst of a whole push ends in far less than a request may take."""
    began = time.perf_counter()
    for pattern in ("*a" * 100, "**/a/" * 40 + "b", "*?" * 100, "a*" * 99 + "b"):
        for path in ("a" * 500, "a/" * 249 + "a"):
            globs.matches_path(pattern, path)
            globs.matches_name(pattern, path)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("push", "deploys", "words"),
    [
        (PUSH, True, "The branch main was pushed."),
        (replace(PUSH, branch="release/2"), True, "fits release/*"),
        (replace(PUSH, branch="", tag="v2"), True, "The tag v2 was pushed, and fits v*."),
        (replace(PUSH, branch="feature/x"), False, "this hook follows main, release/*"),
        (replace(PUSH, branch="", tag="nightly"), False, "this hook follows v*"),
        (replace(PUSH, deleted=True, commit=""), False, "was deleted"),
        (replace(PUSH, message="Typo [Skip Deploy]"), False, "[skip deploy]"),
        (replace(PUSH, message="Typo\n\n[deploy skip]"), False, "[deploy skip]"),
        (replace(PUSH, message="[skip ci]"), True, "main"),
        (replace(PUSH, repository_urls=("https://git.example.com/ana/storefront",), is_fork=True), False, "to a fork"),
        (replace(PUSH, repository_urls=("https://git.example.com/harbour/other",)), False, "another repository"),
        (replace(PUSH, is_fork=True), True, "main"),
        (replace(PUSH, repository_urls=()), True, "main"),
        (replace(PUSH, repository_urls=(SSH_URL,)), True, "main"),
    ],
)
def test_a_push_to_a_repository(push: Push, deploys: bool, words: str) -> None:
    decision = decide(push, MAIN, GIT)
    assert decision.deploy is deploys
    assert words in decision.reason


IMAGE_PUSH = Push("registry", "e-1", "push", image=Image("harbour/storefront", "2.4.2", DIGEST))


@pytest.mark.parametrize(
    ("push", "rules", "place", "deploys", "words"),
    [
        (IMAGE_PUSH, Rules(tags=("2.*",)), IMAGE, True, "storefront:2.4.2 was pushed, and fits 2.*"),
        (IMAGE_PUSH, Rules(tags=("latest",)), IMAGE, False, "follows latest"),
        (IMAGE_PUSH, Rules(tags=("*",), include=("src/",)), IMAGE, True, "storefront"),
        (
            replace(IMAGE_PUSH, image=Image("harbour/other", "2.4.2")),
            Rules(tags=("*",)),
            IMAGE,
            False,
            "this runs registry",
        ),
        (IMAGE_PUSH, Rules(tags=("*",)), GIT, False, "runs no image from a registry"),
        (PUSH, Rules(branches=("*",)), IMAGE, False, "isn't built from a repository"),
        (Push("plain", "1", "push", tag="2.4.2"), Rules(tags=("*",)), IMAGE, True, "2.4.2"),
        (Push("plain", "1", "push", branch="main"), Rules(branches=("*",)), IMAGE, False, "isn't built"),
        (IMAGE_PUSH, Rules(branches=("main",)), IMAGE, False, "branches only"),
        (IMAGE_PUSH, Rules(tags=("*",)), Place(images=("no image!",)), False, "this runs no image!"),
        (
            replace(IMAGE_PUSH, image=Image("library/nginx", "1")),
            Rules(tags=("*",)),
            Place(images=("nginx:1",)),
            True,
            "nginx",
        ),
    ],
)
def test_a_push_to_a_registry(push: Push, rules: Rules, place: Place, deploys: bool, words: str) -> None:
    decision = decide(push, rules, place)
    assert decision.deploy is deploys
    assert words in decision.reason


@pytest.mark.parametrize(
    ("include", "exclude", "deploys", "words"),
    [
        (("shop/",), (), True, "shop/cart.py changed"),
        ((), ("docs/",), True, "shop/cart.py changed"),
        ((), ("docs/", "*.py"), False, "Only shop/cart.py and 1 more changed"),
        (("api/",), (), False, "nothing that this hook follows"),
        (("docs/",), ("*.md",), False, "nothing that this hook follows"),
    ],
)
def test_paths(include: tuple[str, ...], exclude: tuple[str, ...], deploys: bool, words: str) -> None:
    decision = decide(PUSH, replace(MAIN, include=include, exclude=exclude), GIT)
    assert decision.deploy is deploys
    assert words in decision.reason


def test_a_push_that_may_not_list_all_its_files_counts_as_followed() -> None:
    decision = decide(replace(PUSH, all_paths=False), replace(MAIN, include=("api/",)), GIT)
    assert decision.deploy
    assert "isn't fully said" in decision.reason


def test_a_commit_without_files_follows_no_path() -> None:
    assert not decide(replace(PUSH, paths=()), replace(MAIN, include=("api/",)), GIT).deploy
    assert decide(replace(PUSH, paths=()), MAIN, GIT).deploy


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/harbour/storefront",
        "https://GIT.example.com/Harbour/Storefront.git/",
        "https://somebody:token@git.example.com:8443/harbour/storefront.git",
        "ssh://git@git.example.com:2222/harbour/storefront.git",
        "git@git.example.com:harbour/storefront.git",
        "git@git.example.com:/harbour/storefront",
        " https://git.example.com/harbour%2Fstorefront ",
    ],
)
def test_one_repository_has_many_addresses(url: str) -> None:
    assert comparable(url) == "git.example.com/harbour/storefront"


@pytest.mark.parametrize("url", ["", "https://", "https://[::1", "storefront", "https://git.example.com"])
def test_what_is_no_address_of_a_repository(url: str) -> None:
    assert comparable(url) == ""


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({}, "branches"),
        ({"branches": ["  "]}, "branches"),
        ({"branches": ["x" * 201]}, "branches"),
        ({"branches": ["main"], "include": ["a\x00b"]}, "include"),
        ({"branches": ["main"], "exclude": [f"p{n}" for n in range(41)]}, "exclude"),
    ],
)
def test_rules_that_are_none(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldErrors) as refused:
        Rules.checked(raw)
    assert set(refused.value.errors) == {field}


def test_rules_are_tidied_and_come_back() -> None:
    rules = Rules.checked({"branches": [" main ", "main", ""], "tags": ["v*"], "include": [], "exclude": ["docs/"]})
    assert rules == Rules(("main",), ("v*",), (), ("docs/",))
    assert Rules.from_json(rules.as_json()) == rules
