"""Git LFS: pointers in a tree, replaced by the files they stand for.

A pointer counts only where the repository's own `.gitattributes` speak of LFS, as with a real checkout. Files are kept
beside the mirror under their SHA-256, so that they are fetched once; what arrived is checked against it.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from worker.sources.errors import GitRefused
from worker.sources.lfs_server import LfsServer, Wanted
from worker.sources.shapes import MIB

if TYPE_CHECKING:
    from worker.sources.mirror import Mirror
    from worker.sources.tree import Item

_MOST_POINTER = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n?"
)
_ATTRIBUTES = ".gitattributes"
_CONFIG = ".lfsconfig"
_MOST_ATTRIBUTES = MIB
_KEPT_SECONDS = 24 * 3600
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Found:
    item: "Item"
    wanted: Wanted


def filled_in(
    mirror: "Mirror", commit: str, subdirectory: str, tree: "list[Item]", items: "list[Item]"
) -> "list[Item]":
    """The items with files instead of pointers. `tree` is everything, ignored or not; `items` what is to be sent."""
    files: dict[str, Path] = {}
    pointers: dict[str, Wanted] = {}
    for other in {item.mirror.folder: item.mirror for item in items if item.mirror}.values():
        theirs = [item for item in tree if item.mirror is other]
        if not (_speaks_of_lfs(other, theirs) or (other is mirror and _above_speaks(mirror, commit, subdirectory))):
            continue
        found = _pointers(other, [item for item in items if item.mirror is other])
        pointers |= {each.item.path: each.wanted for each in found}
        files |= _fetched(other, found, _told(other, commit if other is mirror else None, theirs))
    return [_real(item, pointers, files) for item in items]


def _told(mirror: "Mirror", commit: str | None, items: "list[Item]") -> str:
    """The address of the LFS interface that the repository's own `.lfsconfig` gives; "" where it gives none.

    A submodule has no `commit` here: of its items, the file beside the uppermost ones is the one at its root.
    """
    if commit is not None:
        entry = mirror.entry(commit, _CONFIG)
        object_id = entry.object_id if entry is not None and entry.kind == "file" else ""
    else:
        depth = min((item.path.count("/") for item in items), default=0)
        named = (each for each in items if each.path.rpartition("/")[2] == _CONFIG and each.path.count("/") == depth)
        object_id = next((each.object_id for each in named if each.kind == "file"), "")
    if not object_id:
        return ""
    with mirror.in_use():
        said = dict(mirror.repo.settings_of(object_id, _CONFIG))
    return said.get("lfs.url", "") or said.get("remote.origin.lfsurl", "")


def content(path: Path) -> Iterator[bytes]:
    """A kept file, in pieces."""
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def pointer(text: bytes) -> Wanted | None:
    """What a pointer stands for; None if it is none."""
    found = _POINTER.fullmatch(text)
    return Wanted(found[1].decode(), int(found[2])) if found else None


def _real(item: "Item", pointers: dict[str, Wanted], files: dict[str, Path]) -> "Item":
    wanted = pointers.get(item.path)
    return replace(item, size=wanted.size, file=files[wanted.object_id]) if wanted else item


def _speaks_of_lfs(mirror: "Mirror", items: "list[Item]") -> bool:
    named = [item for item in items if item.path.rpartition("/")[2] == _ATTRIBUTES]
    small = [item for item in named if item.kind == "file" and item.size <= _MOST_ATTRIBUTES]
    return any(b"filter=lfs" in text for text in _texts(mirror, small))


def _above_speaks(mirror: "Mirror", commit: str, subdirectory: str) -> bool:
    """Attributes of the folders above hold below, too."""
    parts = [part for part in subdirectory.split("/") if part]
    paths = ["/".join([*parts[:number], _ATTRIBUTES]) for number in range(len(parts))]
    return any(b"filter=lfs" in (mirror.read(commit, path, _MOST_ATTRIBUTES) or b"") for path in paths)


def _pointers(mirror: "Mirror", items: "list[Item]") -> list[_Found]:
    small = [item for item in items if item.kind == "file" and item.object_id and 0 < item.size <= _MOST_POINTER]
    read = zip(small, _texts(mirror, small), strict=True)
    return [_Found(item, wanted) for item, text in read if (wanted := pointer(text))]


def _texts(mirror: "Mirror", items: "list[Item]") -> list[bytes]:
    with ExitStack() as stack:
        stack.enter_context(mirror.in_use())
        blobs = stack.enter_context(mirror.repo.blobs([item.object_id for item in items]))
        return [b"".join(blobs.next(item.object_id)) for item in items]


def _fetched(mirror: "Mirror", found: list[_Found], told: str) -> dict[str, Path]:
    """Every object that is pointed at, on the worker's disk; by their ids. `told` is where `.lfsconfig` says they are."""
    wanted = {each.wanted.object_id: each.wanted for each in found}
    paths = {each.wanted.object_id: each.item.path for each in found}
    _check_size(mirror, list(wanted.values()))
    folder = mirror.folder / "lfs"
    folder.mkdir(exist_ok=True)
    files = {object_id: folder / object_id for object_id in wanted}
    missing = [wanted[each] for each, file in files.items() if not _is_whole(file, wanted[each].size)]
    if missing:
        _clear(folder, mirror.limits.lfs_size)
        LfsServer(mirror.server, mirror.limits, mirror.interrupt, mirror.progress, told).download(
            missing, folder, paths
        )
    for file in files.values():
        os.utime(file)
    return files


def _is_whole(file: Path, size: int) -> bool:
    """It was put in its place under its final name, which happens only after its checksum was right."""
    try:
        return file.stat().st_size == size
    except FileNotFoundError:
        return False


def _check_size(mirror: "Mirror", wanted: list[Wanted]) -> None:
    size = sum(each.size for each in wanted)
    if size > mirror.limits.lfs_size:
        raise GitRefused(
            "too_large",
            f"The Git LFS files of {mirror.server.url} have {size // MIB} MiB; "
            f"the limit is {mirror.limits.lfs_size // MIB} MiB.",
            remedy="Name in .dockerignore those that the build doesn't need, or switch Git LFS off in the build settings.",
        )


def _clear(folder: Path, most: int) -> None:
    """Drop what nobody used for a day while there is more than the limit, the longest unused first."""
    kept = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)
    total = sum(file.stat().st_size for file in kept)
    for file in kept:
        if total <= most or time.time() - file.stat().st_mtime < _KEPT_SECONDS:
            return
        total -= file.stat().st_size
        file.unlink(missing_ok=True)
