"""A saved image as it streams by, and the archive that brings a server only what it lacks. Pure.

`SavedImage` takes an archive apart, whatever engine wrote it; `opening`, `layer_head`, `layer_end` and `closing` put
together the plain form that every engine loads: a manifest that names all layers, also those that are not in the archive
since they are there, layers named by their digest, and the configuration byte by byte as it was (the image ID is its digest).
"""

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from worker.connections.layer_names import LayerNames, UnknownArchive

__all__ = [
    "LayerBegins",
    "SavedImage",
    "UnknownArchive",
    "closing",
    "layer_end",
    "layer_head",
    "opening",
    "shared_layers",
]

_BLOCK = tarfile.BLOCKSIZE
_MOST_KEPT = 16 << 20  # bytes of a configuration or a description
_EMPTY = bytes(_BLOCK)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass(frozen=True, slots=True)
class LayerBegins:
    """The next `size` bytes that `SavedImage.feed` gives are this layer."""

    diff_id: str
    size: int


class SavedImage:
    """The archive of the image `image_id`, fed in pieces of any size. `UnknownArchive` when it is something else."""

    def __init__(self, image_id: str, diff_ids: Sequence[str]) -> None:
        self.config: bytes | None = None
        self.complete: set[str] = set()  # diff IDs of the layers that went by
        self._image_id = image_id
        self._names = LayerNames(diff_ids)
        digest = image_id.removeprefix("sha256:")
        self._config_names = (f"{digest}.json", f"blobs/sha256/{digest}")
        self._head = bytearray()
        self._left = self._padding = 0  # bytes of the current member, and of the zeros behind it
        self._kept: bytearray | None = None  # the current member where it is to be read as a whole
        self._layer = ""  # the current member where it is a layer
        self._name, self._type = "", tarfile.REGTYPE
        self._next_name, self._next_size = "", -1  # of the following member, where an extended header says them

    def feed(self, data: bytes) -> Iterator[LayerBegins | memoryview]:
        """What of the layers is in these bytes. The views are on `data` itself."""
        view = memoryview(data)
        while view:
            if self._left:
                part = view[: self._left]
                view = view[len(part) :]
                self._left -= len(part)
                if self._layer:
                    yield part
                elif self._kept is not None:
                    self._kept += part
                if not self._left:
                    self._end_member()
            elif self._padding:
                skipped = min(self._padding, len(view))
                self._padding -= skipped
                view = view[skipped:]
            else:
                missing = _BLOCK - len(self._head)
                self._head += view[:missing]
                view = view[missing:]
                if len(self._head) == _BLOCK:
                    yield from self._begin_member()

    def _begin_member(self) -> Iterator[LayerBegins]:
        head, self._head = bytes(self._head), bytearray()
        if head == _EMPTY:
            return
        try:
            member = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise UnknownArchive(f"not a tar archive ({error})") from error
        extended = member.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME)
        self._type = member.type
        self._name = member.name.removeprefix("./") if extended or not self._next_name else self._next_name
        size = member.size if extended or self._next_size < 0 else self._next_size
        if not extended:
            self._next_name, self._next_size = "", -1
        if size < 0:
            raise UnknownArchive(f"{self._name} has a size below zero")
        self._left, self._padding = size, -size % _BLOCK
        layer = self._names.layer(self._name) if self._type in _FILES else None
        if layer is not None:
            self._layer = layer
            yield LayerBegins(layer, size)
        elif extended or self._wanted():
            if size > _MOST_KEPT:
                raise UnknownArchive(f"{self._name} has {size} bytes")
            self._kept = bytearray()
        if not size:
            self._end_member()

    def _wanted(self) -> bool:
        is_config = self._name in self._config_names
        return self._type in _FILES and (is_config or self._names.describes_layer(self._name))

    def _end_member(self) -> None:
        kept, self._kept = self._kept, None
        if self._layer:
            self.complete.add(self._layer)
            self._layer = ""
        elif kept is None:
            return
        elif self._type == tarfile.GNUTYPE_LONGNAME:
            self._next_name = kept.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif self._type == tarfile.XHDTYPE:
            self._read_extended(bytes(kept))
        elif self._name in self._config_names:
            if hashlib.sha256(kept).hexdigest() != self._image_id.removeprefix("sha256:"):
                raise UnknownArchive(f"{self._name} is not the configuration of {self._image_id}")
            self.config = bytes(kept)
        else:
            self._names.learn(self._name, bytes(kept))

    def _read_extended(self, records: bytes) -> None:
        while records:
            length, _, rest = records.partition(b" ")
            try:
                end = int(length)
                key, _, value = records[len(length) + 1 : end].rstrip(b"\n").partition(b"=")
                if key == b"size":
                    self._next_size = int(value)
            except ValueError as error:
                raise UnknownArchive("a damaged extended header") from error
            if key == b"path":
                self._next_name = value.decode("utf-8", "surrogateescape").removeprefix("./")
            if not rest or end <= 0:
                return
            records = records[end:]


def shared_layers(diff_ids: Sequence[str], others: Iterable[Sequence[str]]) -> int:
    """How many layers, from the bottom up, one of the other images has too. A layer counts only on top of the same ones."""
    most = 0
    for other in others:
        same = 0
        for mine, theirs in zip(diff_ids, other, strict=False):
            if mine != theirs:
                break
            same += 1
        most = max(most, same)
    return most


def opening(image_id: str, diff_ids: Sequence[str]) -> bytes:
    """The beginning of the archive, known before anything was read. The image bears no name."""
    about = [{"Config": _config_file(image_id), "RepoTags": None, "Layers": [_layer_file(each) for each in diff_ids]}]
    return _file("manifest.json", json.dumps(about).encode())


def layer_head(diff_id: str, size: int) -> bytes:
    """What stands before a layer's bytes."""
    return _head(_layer_file(diff_id), size)


def layer_end(size: int) -> bytes:
    """What stands behind them."""
    return bytes(-size % _BLOCK)


def closing(image_id: str, config: bytes) -> bytes:
    """The rest of the archive."""
    return _file(_config_file(image_id), config) + bytes(2 * _BLOCK)


def _config_file(image_id: str) -> str:
    return image_id.removeprefix("sha256:") + ".json"


def _layer_file(diff_id: str) -> str:
    return diff_id.removeprefix("sha256:") + ".tar"


def _file(name: str, content: bytes) -> bytes:
    return _head(name, len(content)) + content + layer_end(len(content))


def _head(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.GNU_FORMAT)
