"""What goes back to a Git service: where, with which header, in whose words."""

from __future__ import annotations

import pytest

from deployments.webhooks.statuses import Service, StatusRequest, is_final, service_of, status_request
from tests.deployments.webhooks.samples import AFTER

LINK = "https://deploy.example.com/deployments/41/"


@pytest.mark.parametrize(
    ("kind", "url", "api", "repository"),
    [
        ("github", "https://github.com/harbour/storefront.git", "https://api.github.com", "harbour/storefront"),
        ("github", "ssh://git@github.com/harbour/storefront.git", "https://api.github.com", "harbour/storefront"),
        (
            "github",
            "https://git.example.com/harbour/storefront",
            "https://git.example.com/api/v3",
            "harbour/storefront",
        ),
        ("gitlab", "https://gitlab.com/a/b/storefront.git", "https://gitlab.com/api/v4", "a/b/storefront"),
        (
            "gitea",
            "https://git.example.com:3000/harbour/storefront",
            "https://git.example.com:3000/api/v1",
            "harbour/storefront",
        ),
        (
            "gitea",
            "ssh://git@git.example.com:2222/harbour/storefront",
            "https://git.example.com/api/v1",
            "harbour/storefront",
        ),
        ("gitea", "https://[2001:db8::7]/harbour/storefront", "https://[2001:db8::7]/api/v1", "harbour/storefront"),
    ],
)
def test_where_a_service_listens(kind: str, url: str, api: str, repository: str) -> None:
    assert service_of(kind, url) == Service(kind, api, repository)


@pytest.mark.parametrize(
    ("kind", "url"), [("plain", "https://a.example/b/c"), ("github", "https://github.com/x"), ("gitea", "")]
)
def test_where_none_listens(kind: str, url: str) -> None:
    assert service_of(kind, url) is None


def build(kind: str, api: str, state: str, description: str = "Runs on 2 servers") -> StatusRequest:
    service = Service(kind, api, "harbour/store front")
    return status_request(
        service, commit=AFTER, state=state, context="estiva/production", description=description, link=LINK
    )


def test_github() -> None:
    assert build("github", "https://api.github.com", "failure") == StatusRequest(
        url=f"https://api.github.com/repos/harbour/store%20front/statuses/{AFTER}",
        token_header="Authorization",
        token_prefix="Bearer ",
        json={
            "state": "failure",
            "context": "estiva/production",
            "description": "Runs on 2 servers",
            "target_url": LINK,
        },
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
    )


@pytest.mark.parametrize(("state", "theirs"), [("pending", "running"), ("success", "success"), ("failure", "failed")])
def test_gitlab(state: str, theirs: str) -> None:
    assert build("gitlab", "https://gitlab.com/api/v4", state) == StatusRequest(
        url=f"https://gitlab.com/api/v4/projects/harbour%2Fstore%20front/statuses/{AFTER}",
        token_header="PRIVATE-TOKEN",
        token_prefix="",
        json={
            "state": theirs,
            "name": "estiva/production",
            "description": "Runs on 2 servers",
            "target_url": LINK,
        },
    )


def test_gitea() -> None:
    built = build("gitea", "https://git.example.com/api/v1", "pending")
    assert built.url == f"https://git.example.com/api/v1/repos/harbour/store%20front/statuses/{AFTER}"
    assert (built.token_header, built.token_prefix, built.json["state"]) == ("Authorization", "token ", "pending")


def test_a_long_description_is_cut_where_the_services_would_refuse_it() -> None:
    assert len(build("github", "https://api.github.com", "failure", "x" * 500).json["description"]) == 140


def test_there_are_three_states() -> None:
    with pytest.raises(ValueError, match="No such commit status"):
        build("github", "https://api.github.com", "cancelled")


@pytest.mark.parametrize(
    ("code", "final"),
    [
        (201, True),
        (302, True),
        (401, True),
        (404, True),
        (422, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_which_answers_are_final(code: int, final: bool) -> None:
    assert is_final(code) is final
