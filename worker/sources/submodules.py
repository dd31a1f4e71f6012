"""Submodules: other repositories' commits within a tree, each fetched into a mirror of its own.

`.gitmodules` is written by whoever can push, so an address in it gets no more trust than that: it passes the same check
as one typed in, the credential goes to the very same server only, and elsewhere nothing but https is spoken, within `reach`.
"""

import posixpath
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from deployments import git_url
from deployments.git_url import GitUrl, GitUrlError
from worker.sources.errors import GitRefused
from worker.sources.shapes import GitCredential, GitServer

if TYPE_CHECKING:
    from worker.sources.mirror import Mirror
    from worker.sources.tree import Item

Whole = Callable[["Mirror", str], "list[Item]"]


def filled_in(mirror: "Mirror", commit: str, prefix: str, items: "list[Item]", whole: Whole) -> "list[Item]":
    """The items with each submodule's own in its place; `prefix` is where in the repository the items begin."""
    return _Filling(mirror, whole).fill(mirror, commit, prefix, items, mirror.limits.submodule_depth)


class _Filling:
    def __init__(self, mirror: "Mirror", whole: Whole) -> None:
        self._left = mirror.limits.submodules
        self._whole = whole

    def fill(self, mirror: "Mirror", commit: str, prefix: str, items: "list[Item]", depth: int) -> "list[Item]":
        here = [item for item in items if item.kind == "submodule"]
        if not here:
            return items
        if depth == 0:
            raise _too_deep(mirror)
        addresses = _addresses(mirror, commit)
        found = list(items)
        for item in here:
            self._count(mirror)
            place = posixpath.join(prefix, item.path)
            found[found.index(item)] = replace(item, kind="folder")
            found += self._of(mirror, item, place, addresses.get(place, ""), depth)
        return found

    def _of(self, mirror: "Mirror", item: "Item", place: str, address: str, depth: int) -> "list[Item]":
        other = mirror.sibling(server_of(mirror.server, place, address))
        try:
            other.have(item.object_id)
        except GitRefused as refusal:
            refusal.message = f"Submodule {place}: {refusal.message}"
            raise
        inner = self.fill(other, item.object_id, "", self._whole(other, item.object_id), depth - 1)
        return [replace(each, path=f"{item.path}/{each.path}") for each in inner]

    def _count(self, mirror: "Mirror") -> None:
        if self._left == 0:
            raise GitRefused(
                "too_large",
                f"{mirror.server.url} has more than {mirror.limits.submodules} submodules.",
                remedy="Build without submodules, or bring what is needed into one repository.",
            )
        self._left -= 1


def _addresses(mirror: "Mirror", commit: str) -> dict[str, str]:
    """Each submodule's path in the repository and its address, as `.gitmodules` says."""
    entry = mirror.entry(commit, ".gitmodules")
    if entry is None or entry.kind != "file":
        return {}
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for name, value in mirror.reading(commit, lambda repo: repo.settings_of(entry.object_id)):
        if name.startswith("submodule."):
            module, _, key = name.removeprefix("submodule.").rpartition(".")
            if key in {"path", "url"}:
                (paths if key == "path" else urls)[module] = value
    return {path: urls[module] for module, path in paths.items() if module in urls}


def server_of(parent: GitServer, place: str, address: str) -> GitServer:
    """Where the submodule is, and what opens it there."""
    if not address:
        raise GitRefused(
            "broken",
            f"Submodule {place} of {parent.url} has no address.",
            why="The commit names it, .gitmodules doesn't.",
            remedy="Add it to .gitmodules with `git submodule add`, or remove it with `git rm`.",
        )
    above = git_url.parse(parent.url)
    try:
        url = _same_way(above, git_url.parse(resolved(above, address)))
    except GitUrlError as error:
        raise GitRefused(
            "unsafe",
            f"The address of submodule {place} is not used: {address[:200]!r}.",
            why=str(error),
            remedy="Change it in .gitmodules.",
        ) from error
    if url.origin == above.origin:
        return replace(parent, url=url.text, reach=parent.reaching)
    if url.scheme != "https":
        raise GitRefused(
            "unsafe",
            f"Submodule {place} is on another server, at {url}: there only https:// is used.",
            why="No host key of that server has been compared by anybody, and its address comes from the repository.",
            remedy="Write its https:// address into .gitmodules.",
        )
    return GitServer(url.text, GitCredential(), reach=parent.reaching)


def resolved(above: GitUrl, address: str) -> str:
    """An address as `.gitmodules` has it, relative ones (`../lib.git`) taken from the repository's own."""
    if not address.startswith(("./", "../")):
        return address
    parts = above.path.split("/")
    for part in address.split("/"):
        if part == "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
        if not parts:
            raise GitUrlError("path", f"“{address}” leads out of the server.")
    return replace(above, path="/".join(parts)).text


def _same_way(above: GitUrl, url: GitUrl) -> GitUrl:
    """An ssh address on the server whose https credential we have is read over https, as people's own clones need not."""
    if above.scheme == "https" and url.scheme == "ssh" and url.host == above.host and url.port is None:
        return replace(above, path=url.path)
    return url


def _too_deep(mirror: "Mirror") -> GitRefused:
    return GitRefused(
        "too_large",
        f"Submodules lie within submodules more than {mirror.limits.submodule_depth} deep, at {mirror.server.url}.",
        remedy="Build without submodules, or flatten them.",
    )
