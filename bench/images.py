"""Images of a wanted size, made of files that do not compress."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parts.processes import PartError

FILE_BYTES = 250_000


@dataclass(frozen=True, slots=True)
class Layer:
    """An uncompressed layer in a file of its own."""

    path: Path
    digest: str


def make_layer(folder: Path, name: str, size: int) -> Layer:
    """A layer of about `size` random bytes in files of a quarter of a megabyte."""
    path = folder / f"{name}.tar"
    with path.open("wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(max(1, size // FILE_BYTES)):
            member = tarfile.TarInfo(f"{name}/{number}")
            member.size = min(size, FILE_BYTES)
            tar.addfile(member, io.BytesIO(os.urandom(member.size)))
    with path.open("rb") as made:
        return Layer(path, f"sha256:{hashlib.file_digest(made, 'sha256').hexdigest()}")


def load(docker: Sequence[str], layers: Sequence[Layer], architecture: str) -> str:
    """Make these layers an image of the engine that `docker` talks to; its ID."""
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Cmd": ["/nothing"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "estiva bench"} for _ in layers],
    }
    content = json.dumps(config).encode()
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": [layer.path.name for layer in layers]}]
    loading = subprocess.Popen([*docker, "load", "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert loading.stdin is not None
    with loading.stdin, tarfile.open(fileobj=loading.stdin, mode="w|") as tar:
        for layer in layers:
            tar.add(layer.path, layer.path.name)
        for name, data in (("config.json", content), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    if loading.wait() != 0:
        raise PartError("docker load did not take the image that was made for it; its reason stands above.")
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
