"""How a repository that is reached over ssh says where its Git LFS files are, and what opens them."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from deployments import git_url
from deployments.git_url import GitUrl, GitUrlError
from worker.sources import environment, explain
from worker.sources.errors import GitRefused
from worker.sources.processes import TooLong, TooMuch, run
from worker.sources.shapes import MIB, GitLimits, GitServer, Interrupt


@dataclass(frozen=True, slots=True)
class Access:
    """The interface's address, and the headers that every question to it needs."""

    url: str
    headers: Mapping[str, str]


def told_access(address: str, repository: GitUrl, server: GitServer) -> Access:
    """The interface at the address of `.lfsconfig`: https, or what the repository itself speaks at the same server.

    The credential goes to the very same server only, as with submodules.
    """
    try:
        url = git_url.parse(address)
    except GitUrlError as error:
        raise _not_used(address, str(error)) from error
    if url.scheme != "https" and (url.origin != repository.origin or url.scheme == "ssh"):
        raise _not_used(address, "Only https:// is used for it.")
    header = environment.authorization(url, server.credential) if url.origin == repository.origin else ""
    return Access(url.text, {"Authorization": header} if header else {})


def _not_used(address: str, why: str) -> GitRefused:
    return GitRefused(
        "unsafe",
        f"The Git LFS address in .lfsconfig is not used: {explain.bare(address)[:200]!r}.",
        why=why,
        remedy="Write an https:// address there, or remove the file: Git LFS is looked for beside the repository then.",
    )


def over_ssh(server: GitServer, limits: GitLimits, interrupt: Interrupt) -> Access | None:
    """What `git-lfs-authenticate` at the server answers; None where the server doesn't know it, as simple ones don't."""
    url = git_url.parse(server.url)
    # As git does with its own: the path is one quoted word, since the other end may be a shell.
    asked = f"git-lfs-authenticate {shlex.quote(url.path.lstrip('/'))} download"
    with environment.towards(server) as (variables, folder):
        words = [variables["GIT_SSH"], "-p", str(url.real_port), f"{url.user}@{url.bare_host}", asked]
        try:
            done = run(words, variables, folder, seconds=limits.list_seconds, interrupt=interrupt, most_output=MIB)
        except (TooLong, TooMuch):
            return None
    if done.code:
        return None
    try:
        told = json.loads(done.output)
        href, headers = str(told["href"]).rstrip("/"), told.get("header") or {}
        named = {str(name): str(value) for name, value in headers.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Access(href, named) if urlsplit(href).scheme == "https" else None
