"""Commit statuses for GitHub, GitLab and Gitea: what to send where. Pure; sending is the worker's."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

STATES: Final = ("pending", "success", "failure")
_LONGEST_DESCRIPTION: Final = 140  # GitHub takes no more
_GITLAB_STATES: Final = {"pending": "running", "success": "success", "failure": "failed"}


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """A POST with JSON. The token goes into `token_header` after `token_prefix`, when it is sent and not before."""

    url: str
    token_header: str
    token_prefix: str
    json: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """Where a repository's statuses are written."""

    kind: str  # github, gitlab or gitea
    api: str  # without a slash at its end
    repository: str  # owner/name; groups may be nested at GitLab


def service_of(kind: str, repository_url: str) -> Service | None:
    """The API of the service that holds a repository, from its https or ssh address; None where it has none.

    An ssh address says nothing about the web's port, so the API is looked for at https and its ordinary port.
    """
    parts = urlsplit(repository_url)
    host, path = parts.hostname or "", parts.path.strip("/").removesuffix(".git")
    if not host or "/" not in path:
        return None
    base = _origin(parts)
    if kind == "github":
        return Service(
            kind, "https://api.github.com" if host in {"github.com", "ssh.github.com"} else f"{base}/api/v3", path
        )
    if kind == "gitlab":
        return Service(kind, f"{base}/api/v4", path)
    return Service(kind, f"{base}/api/v1", path) if kind == "gitea" else None


def _origin(parts: SplitResult) -> str:
    """Where the token was given for: over http and https the repository's own origin, to the port."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}".removesuffix(":443")
    return f"https://{host}"


def status_request(
    service: Service, *, commit: str, state: str, context: str, description: str, link: str
) -> StatusRequest:
    """What tells the service that a deploy of this commit waits, succeeded or failed; `link` leads to it."""
    if state not in STATES:
        raise ValueError(f"No such commit status: {state!r}.")
    said = description if len(description) <= _LONGEST_DESCRIPTION else description[: _LONGEST_DESCRIPTION - 1] + "…"
    if service.kind == "gitlab":
        return StatusRequest(
            url=f"{service.api}/projects/{quote(service.repository, safe='')}/statuses/{commit}",
            token_header="PRIVATE-TOKEN",  # noqa: S106 # the header's name
            token_prefix="",
            json={"state": _GITLAB_STATES[state], "name": context, "description": said, "target_url": link},
        )
    return StatusRequest(
        url=f"{service.api}/repos/{quote(service.repository)}/statuses/{commit}",
        token_header="Authorization",  # noqa: S106 # the header's name
        token_prefix="Bearer " if service.kind == "github" else "token ",
        json={"state": state, "context": context, "description": said, "target_url": link},
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if service.kind == "github"
        else {},
    )


def is_final(status_code: int) -> bool:
    """Whether the service's answer will stay the same however often one asks: it took it, or refuses it for good."""
    return status_code < 400 or (400 <= status_code < 500 and status_code not in {408, 425, 429})
