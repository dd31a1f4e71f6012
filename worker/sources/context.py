"""What a build gets: a commit as a tar stream, without what `.dockerignore` names.

Contents go from git's objects straight into the stream: no work tree is ever written, so nothing in a tree can touch the
worker's files, no attribute changes a content, and links are only ever passed on as links. The same commit and options
give the same bytes, everywhere and always: times are the commit's, owners are 0, the order is by path.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Self

from worker.sources import dockerignore, lfs, tar, tree
from worker.sources.blobs import Blobs
from worker.sources.dockerignore import Ignored
from worker.sources.errors import Damaged, GitRefused
from worker.sources.shapes import MIB, ContextOptions
from worker.sources.tree import Item

if TYPE_CHECKING:
    from worker.sources.mirror import Mirror

IGNORE_FILE = ".dockerignore"
_MOST_IGNORE = MIB
_PIECE = 128 * 1024
_LOOK_EVERY = 200  # paths


class Context(Iterator[bytes]):
    """The stream, to be read once. `size`: bytes of its files; `files`: how many; `left_out`: how many were ignored."""

    def __init__(self, mirror: "Mirror", items: list[Item], left_out: int) -> None:
        self.items = items
        self.files = sum(item.kind in {"file", "link"} for item in items)
        self.size = sum(item.size for item in items if item.kind == "file")
        self.left_out = left_out
        self._pieces = _gathered(_stream(mirror, items))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Stop in the middle: git ends, locks are freed."""
        self._pieces.close()


def prepare(mirror: "Mirror", commit: str, options: ContextOptions) -> Context:
    """Look at everything that goes in; what can be refused is refused here, before a build begins."""
    found = tree.collect(mirror, commit, options)
    kept = _kept(mirror, found, options)
    left_out = sum(item.kind != "folder" for item in found) - sum(item.kind != "folder" for item in kept)
    kept = _with_dockerfile(mirror, commit, kept, options)
    if options.lfs:
        kept = lfs.filled_in(mirror, commit, options.subdirectory, found, kept)
    _check_size(mirror, kept)
    return Context(mirror, kept, left_out)


def _kept(mirror: "Mirror", items: list[Item], options: ContextOptions) -> list[Item]:
    """What isn't ignored, and the folders on the way there. The Dockerfile and .dockerignore go along in any case."""
    ignored = _ignored(mirror, items, options)
    if not ignored.patterns:
        return items
    needed = {options.dockerfile, IGNORE_FILE}
    kept = set[str]()
    for number, item in enumerate(items):
        if number % _LOOK_EVERY == 0:
            mirror.interrupt()
        if item.path in needed or not ignored(item.path):
            kept.add(item.path)
    on_the_way = {"/".join(parts[:end]) for parts in (path.split("/") for path in kept) for end in range(1, len(parts))}
    return [item for item in items if item.path in kept or item.path in on_the_way]


def _ignored(mirror: "Mirror", items: list[Item], options: ContextOptions) -> Ignored:
    """What the ignore file says; one that belongs to the Dockerfile alone comes before the folder's."""
    by_path = {item.path: item for item in items}
    item = by_path.get(f"{options.dockerfile}.dockerignore") or by_path.get(IGNORE_FILE)
    if item is None:
        return Ignored()
    if item.kind != "file" or item.size > _MOST_IGNORE or item.mirror is None:
        raise GitRefused(
            "unsafe",
            f"{item.path} of {mirror.server.url} is no file of a bearable size; links are not followed.",
            why="Without knowing what it names, everything would be sent to the build.",
            remedy="Put a plain file in its place.",
        )
    with item.mirror.in_use():
        content = item.mirror.repo.blob(item.object_id)
    try:
        return dockerignore.read(content)
    except dockerignore.BadPattern as error:
        raise GitRefused(
            "broken",
            f"{item.path} of {mirror.server.url} can't be read: {error}.",
            why="Docker refuses such a file too.",
            remedy="Mend that line.",
        ) from error


def _with_dockerfile(mirror: "Mirror", commit: str, items: list[Item], options: ContextOptions) -> list[Item]:
    """The Dockerfile that was accepted in Estiva in its place; else the check that there is one."""
    path = options.dockerfile
    there = next((item for item in items if item.path == path), None)
    if not options.dockerfile_text:
        if there is None or there.kind not in {"file", "link"}:
            raise _no_dockerfile(mirror, commit, items, options)
        return items
    content = options.dockerfile_text.encode()
    moment = mirror.reading(commit, lambda repo: repo.time_of(commit))
    others = [item for item in items if item is not there]
    above = {"/".join(path.split("/")[:end]) for end in range(1, len(path.split("/")))}
    folders = [Item(each, "folder", 0, moment) for each in above - {item.path for item in items}]
    return tree.checked(
        [*others, *folders, Item(path, "file", len(content), moment, content=content)], mirror.server.url
    )


def _no_dockerfile(mirror: "Mirror", commit: str, items: list[Item], options: ContextOptions) -> GitRefused:
    near = [item.path for item in items if item.kind == "file" and "dockerfile" in item.path.lower()][:5]
    where = f"the folder {options.subdirectory} of " if options.subdirectory else ""
    return GitRefused(
        "not_found",
        f"There is no {options.dockerfile} in {where}{mirror.server.url} at commit {commit[:7]}.",
        why=f"There are: {', '.join(near)}." if near else "No file there is called like a Dockerfile.",
        remedy="Write its path into the build settings, add one to the repository, or let Estiva propose one.",
    )


def _check_size(mirror: "Mirror", items: list[Item]) -> None:
    size = sum(item.size for item in items)
    if size <= mirror.limits.context_size:
        return
    largest = sorted(items, key=lambda item: -item.size)[:3]
    named = ", ".join(f"{item.path} ({item.size // MIB} MiB)" for item in largest)
    raise GitRefused(
        "too_large",
        f"{size // MIB} MiB would be sent to the build; the limit is {mirror.limits.context_size // MIB} MiB.",
        why=f"The largest: {named}.",
        remedy="Name in .dockerignore what the build doesn't need, or build from a subdirectory.",
    )


def _stream(mirror: "Mirror", items: list[Item]) -> Generator[bytes, None, None]:
    try:
        with ExitStack() as stack:
            sources = _opened(items, stack)
            for item in items:
                mirror.interrupt()
                yield from _one(mirror, item, sources)
            yield tar.END
    except Damaged:
        for each in {item.mirror.folder: item.mirror for item in items if item.mirror}.values():
            each.throw_away()
        raise


def _opened(items: list[Item], stack: ExitStack) -> "dict[Path, Blobs]":
    """One git for each repository, told at once all that will be read from it; by the mirrors' folders."""
    sources: dict[Path, Blobs] = {}
    for mirror in {_place(item): item.mirror for item in items}.values():
        if mirror is not None:
            asked = [item.object_id for item in items if _place(item) == mirror.folder and _is_blob(item)]
            stack.enter_context(mirror.in_use())
            sources[mirror.folder] = stack.enter_context(mirror.repo.blobs(asked))
    return sources


def _place(item: Item) -> Path:
    """The folder of the mirror that an item comes from."""
    return item.mirror.folder if item.mirror else Path()


def _is_blob(item: Item) -> bool:
    return item.kind in {"file", "link"} and item.content is None and item.file is None


def _one(mirror: "Mirror", item: Item, sources: "dict[Path, Blobs]") -> Iterator[bytes]:
    """An item's header, content and padding."""
    if item.kind in {"folder", "submodule"}:
        yield tar.header(item.path, "folder", 0, item.moment)
        return
    content = _content(item, sources)
    if item.kind == "link":
        target = b"".join(content)
        if not target or b"\0" in target:
            raise tree.unsafe(item.path, mirror.server.url, "It is a symbolic link to no possible path.")
        yield tar.header(item.path, "link", 0, item.moment, target=target)
        return
    yield tar.header(item.path, "file", item.size, item.moment, executable=item.executable)
    yield from content
    yield tar.padding(item.size)


def _content(item: Item, sources: "dict[Path, Blobs]") -> Iterator[bytes]:
    if item.content is not None:
        return iter([item.content])
    if item.file is not None:
        return lfs.content(item.file)
    return sources[_place(item)].next(item.object_id)


def _gathered(pieces: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """The same bytes in fewer pieces: a tree of small files is thousands of headers."""
    waiting = bytearray()
    with closing(pieces):
        for piece in pieces:
            waiting += piece
            if len(waiting) >= _PIECE:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)
