"""Saved images as engines write them, put together by hand: four tiny layers, of which the third is the first once more."""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from typing import Any

# What Docker 20.10 calls the folders of these layers, and says in them; seen in an archive that it wrote.
FOLDERS = (
    "47e99661ec174a195e88afcf689bc240b0216a6be687afe41dbe52d1fcaa8b30",
    "7381ba796f56a2985402f0e0e71e7aeec1ab4436a2e3ce804d0ab89eee6ba412",
    "fd040172459723af9a6a833bb3f6887095bb99b3ec03b833e90ac8c8604f62bd",
    "e610f17b32b05c468c5816590252969f3f88f662002fd135126dd8cc52c2d2c1",
)
CONTAINER: dict[str, Any] = {
    **{
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
    },
    **{"Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None},
    **{"WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": None},
}


def tar(
    members: Sequence[tuple[str, bytes]], links: dict[str, str] | None = None, kind: int = tarfile.GNU_FORMAT
) -> bytes:
    """An archive with these files, and links after them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=kind) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return packed.getvalue()


def digest(content: bytes) -> str:
    """sha256:…"""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


LAYERS = tuple(
    tar([(name, content)]) for name, content in (("a", b"one"), ("b", b"two"), ("a", b"one"), ("c", b"x" * 3000))
)
DIFF_IDS = tuple(digest(layer) for layer in LAYERS)
CONFIG = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": DIFF_IDS}}, sort_keys=True
).encode()
IMAGE_ID = digest(CONFIG)


def old(config: bytes = CONFIG) -> bytes:
    """As 20.10 writes it: folders in the order of their names, the table of contents at the end, a layer met twice as a link."""
    members: list[tuple[str, bytes]] = [(f"{digest(config)[7:]}.json", config)]
    for number in (0, 1, 3, 2):
        members.append((f"{FOLDERS[number]}/json", json.dumps(_said(number)).encode()))
        if number != 2:
            members.append((f"{FOLDERS[number]}/layer.tar", LAYERS[number]))
    link = {f"{FOLDERS[2]}/layer.tar": f"../{FOLDERS[0]}/layer.tar"}
    named = [{"Config": members[0][0], "RepoTags": None, "Layers": [f"{each}/layer.tar" for each in FOLDERS]}]
    return tar([*members, ("manifest.json", json.dumps(named).encode())], link)


def _said(number: int) -> dict[str, Any]:
    said: dict[str, Any] = {"id": FOLDERS[number]}
    if number:
        said["parent"] = FOLDERS[number - 1]
    said |= {"created": "1970-01-01T00:00:00Z", "container_config": CONTAINER, "os": "linux"}
    if number == 3:
        said |= {"created": "2024-01-01T00:00:00Z", "config": {**CONTAINER, "Cmd": ["/x"]}, "architecture": "amd64"}
    return said


def new(kind: int = tarfile.PAX_FORMAT) -> bytes:
    """As 26.1 writes it: an OCI layout, each layer once, under its digest."""
    blobs = {digest(each): each for each in (*LAYERS, CONFIG, b'{"mediaType": "a manifest"}')}
    files = [(f"blobs/sha256/{name[7:]}", blobs[name]) for name in sorted(blobs)]
    return tar([*files, ("index.json", b"{}"), ("manifest.json", b"[]"), ("oci-layout", b"{}")], kind=kind)


def image_of(layers: Sequence[bytes], note: str = "") -> tuple[str, bytes]:
    """An image of these layers: its ID, and an archive for `docker load`."""
    diff_ids = [digest(each) for each in layers]
    content = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Cmd": ["/nothing"], "Labels": {"note": note}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2024-01-01T00:00:00Z"} for _ in layers],
    }
    config = json.dumps(content).encode()
    about = [{"Config": "config.json", "RepoTags": None, "Layers": [f"{each[7:]}.tar" for each in diff_ids]}]
    files = {f"{name[7:]}.tar": layer for name, layer in zip(diff_ids, layers, strict=True)}
    return digest(config), tar([*files.items(), ("config.json", config), ("manifest.json", json.dumps(about).encode())])
