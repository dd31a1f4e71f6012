"""Which layer a member of a saved image is. Pure.

Engines from 25 on (and the archives that Podman writes) call a layer by its own digest. Older ones call it by a digest
over its chain and its forerunner, made in a way that can be repeated: so a layer is known before its bytes come, though
the archive's own table of contents stands at its end.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_FOLDER = re.compile(r"([0-9a-f]{64})/(layer\.tar|json)")
_BY_DIGEST = re.compile(r"(?:blobs/sha256/([0-9a-f]{64})|([0-9a-f]{64})\.tar)")


class UnknownArchive(ValueError):
    """Not an image as any engine we know saves it."""


class LayerNames:
    """For one image, whose layers are `diff_ids` from the bottom up."""

    def __init__(self, diff_ids: Sequence[str]) -> None:
        self._diff_ids = tuple(diff_ids)
        self._by_digest = {each.removeprefix("sha256:"): each for each in diff_ids}
        self._folders: dict[str, str] = {}
        self._below_top: str | None = None  # the folder of the layer below the top one, once that can be told
        self._top: tuple[str, str | None] | None = None  # folder of the top layer, and of the one it names as below it

    def layer(self, name: str) -> str | None:
        """The diff ID of the layer whose tar is called so; None for anything else."""
        if found := _BY_DIGEST.fullmatch(name):
            return self._by_digest.get(found[1] or found[2])
        found = _FOLDER.fullmatch(name)
        if found is None or found[2] != "layer.tar":
            return None
        if found[1] not in self._folders:
            raise UnknownArchive(f"{name} comes without a word on which layer it is")
        return self._folders[found[1]]

    def describes_layer(self, name: str) -> bool:
        """Is it one of the small files from which an older engine's names are learned?"""
        found = _FOLDER.fullmatch(name)
        return found is not None and found[2] == "json"

    def learn(self, name: str, content: bytes) -> None:
        """Such a file, which an older engine puts before the layer it is about."""
        folder = name.partition("/")[0]
        try:
            said: dict[str, Any] = json.loads(content)
            parent = said.pop("parent", None)
            said.pop("id")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise UnknownArchive(f"{name} is not what an engine writes") from error
        if folder not in self._folders:
            self._place(folder, parent, said)
        self._check_top()

    def _place(self, folder: str, parent: str | None, said: Mapping[str, Any]) -> None:
        """All but the top layer are described in the same words, so one of them tells the names of all."""
        without_os = {key: value for key, value in said.items() if key != "os"}
        for described in (without_os, said):  # most engines fill it in only when the digest is made
            lower = _folders(described, self._diff_ids[:-1])
            if folder in lower:
                self._folders |= dict(zip(lower, self._diff_ids, strict=False))
                self._below_top = lower[-1]
                return
        if self._top is None:
            self._top = (folder, parent)
            self._folders[folder] = self._diff_ids[-1]
        else:
            raise UnknownArchive(f"the folder {folder} belongs to no layer of the image")

    def _check_top(self) -> None:
        if self._top is None:
            return
        below = self._top[1]
        alone = len(self._diff_ids) == 1
        if (below is None) is not alone or (self._below_top is not None and below != self._below_top):
            raise UnknownArchive(f"the folder {self._top[0]} is not the image's top layer")


def _folders(described: Mapping[str, Any], diff_ids: Sequence[str]) -> list[str]:
    """What an engine older than 25 calls the folders of these layers, none of which is the top one."""
    names: list[str] = []
    chain = ""
    for diff_id in diff_ids:
        chain = diff_id if not chain else "sha256:" + hashlib.sha256(f"{chain} {diff_id}".encode()).hexdigest()
        fields: dict[str, Any] = {**described, "layer_id": chain}
        if names:
            fields["parent"] = f"sha256:{names[-1]}"
        names.append(hashlib.sha256(_as_engine_writes(fields)).hexdigest())
    return names


def _as_engine_writes(fields: Mapping[str, Any]) -> bytes:
    """JSON as Go writes a map: top level sorted, what lies below in its own order, three characters escaped."""
    inner = [f"{json.dumps(key)}:{_compact(fields[key])}" for key in sorted(fields)]
    return ("{" + ",".join(inner) + "}").encode()


def _compact(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
