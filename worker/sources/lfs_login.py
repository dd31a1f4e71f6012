"""How a repository that is reached over ssh says where its Git LFS files are, and what opens them."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from deployments import git_url
from worker.sources import environment
from worker.sources.processes import TooLong, TooMuch, run
from worker.sources.shapes import MIB, GitLimits, GitServer, Interrupt


@dataclass(frozen=True, slots=True)
class Access:
    """The interface's address, and the headers that every question to it needs."""

    url: str
    headers: Mapping[str, str]


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
