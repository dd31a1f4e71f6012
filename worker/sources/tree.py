"""Everything of a commit that might go into a build, checked for paths that would lead out of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from worker.sources import submodules
from worker.sources.errors import GitRefused
from worker.sources.shapes import ContextOptions, Entry, EntryKind

if TYPE_CHECKING:
    from worker.sources.mirror import Mirror

_MOST_LINK = 4096


@dataclass(frozen=True, slots=True)
class Item:
    """Something of the context, by its path there. Its content is in a mirror, unless `content` or `file` has it."""

    path: str
    kind: EntryKind
    size: int
    moment: int  # Unix seconds
    object_id: str = ""
    executable: bool = False
    mirror: "Mirror | None" = None
    content: bytes | None = None
    file: Path | None = None


def collect(mirror: "Mirror", commit: str, options: ContextOptions) -> list[Item]:
    """The subdirectory's items, those of submodules included where asked; each folder stands before what it holds."""
    root = mirror.entry(commit, options.subdirectory)
    if root is None or root.kind != "folder":
        raise _no_folder(mirror, commit, options.subdirectory, root)
    items = _items(mirror, commit, root.object_id)
    if options.submodules:
        items = submodules.filled_in(mirror, commit, options.subdirectory, items, whole)
    if len(items) > mirror.limits.entries:
        raise mirror.repo.too_many()
    return checked(items, mirror.server.url)


def whole(mirror: "Mirror", commit: str) -> list[Item]:
    """All of a commit: what stands in a submodule's place."""
    return _items(mirror, commit, commit)


def checked(items: list[Item], url: str) -> list[Item]:
    """The items in order; GitRefused if a path is one that no honest tree has."""
    seen: set[str] = set()
    for item in items:
        parts = item.path.split("/")
        if item.path in seen or any(_leads_astray(part) for part in parts):
            raise unsafe(item.path, url, "Its name is no plain name, or there are two of them.")
        seen.add(item.path)
        if item.kind == "link" and item.size > _MOST_LINK:
            raise unsafe(item.path, url, f"It is a symbolic link of {item.size} bytes.")
    others = {item.path for item in items if item.kind != "folder"}
    for item in items:
        if any(above in others for above in _above(item.path)):
            raise unsafe(item.path, url, "It lies behind something that is no folder.")
    return sorted(items, key=lambda item: item.path.split("/"))


def unsafe(path: str, url: str, why: str) -> GitRefused:
    """A path that is not sent to any build."""
    return GitRefused(
        "unsafe",
        f"{url} contains {path[:200]!r}, which is not sent to a build.",
        why=f"{why} Git itself never makes such a tree: somebody wrote it by other means.",
        remedy="Find the commit that brought it, and be careful with whoever made it.",
    )


def under(item: Item, prefix: str) -> Item:
    """The item, further down."""
    return replace(item, path=f"{prefix}/{item.path}")


def _items(mirror: "Mirror", commit: str, tree: str) -> list[Item]:
    moment = mirror.reading(commit, lambda repo: repo.time_of(commit))
    return [_item(mirror, entry, moment) for entry in mirror.reading(commit, lambda repo: repo.tree(tree))]


def _item(mirror: "Mirror", entry: Entry, moment: int) -> Item:
    return Item(entry.path, entry.kind, entry.size, moment, entry.object_id, entry.executable, mirror)


def _leads_astray(part: str) -> bool:
    return part in {"", ".", ".."} or part.lower() == ".git" or "\0" in part


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _no_folder(mirror: "Mirror", commit: str, path: str, found: Entry | None) -> GitRefused:
    what = "is there, but it is no folder (links are not followed)" if found else "is not there"
    return GitRefused(
        "not_found",
        f"The folder {path} of {mirror.server.url} {what} at commit {commit[:7]}.",
        remedy="Choose another folder in the build settings, or another branch.",
    )
