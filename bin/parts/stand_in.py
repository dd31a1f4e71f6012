"""Images under public names for machines that reach no public registry: `python:3.7` and a few more, made from Debian's packages.

They go into a registry that engines have as their mirror, so that `FROM python:3.7` pulls. The Python in it is Debian 12's 3.11, with
pip and the wheels it can install without a network. Made once, in ~/.cache/estiva.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from parts import sample_image
from parts.debian import DebianArchive, cached
from parts.processes import PartError, run
from parts.registry import Registry, digest_of
from parts.rootfs import add_busybox, prune, tar_of, tree

RELEASE = "bookworm"
LIBRARIES = ("libc6", "libgcc-s1", "zlib1g", "libexpat1", "libssl3", "libffi8", "libbz2-1.0", "liblzma5", "libuuid1")
PYTHON = (
    "python3.11",
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libcrypt1",
    "media-types",
)
# What Python 3.7's users had last, and what it needs in turn.
WHEELS = (
    "pip==23.0.1",
    "flask==2.2.5",
    "werkzeug==2.2.3",
    "jinja2==3.1.6",
    "markupsafe==2.1.5",
    "itsdangerous==2.1.2",
    "click==8.1.8",
    "gunicorn==23.0.0",
    "packaging==24.0",
)
PLATFORMS = {"x86_64": "manylinux2014_x86_64", "aarch64": "manylinux2014_aarch64"}
PIP_SETTINGS = """[global]
no-index = true
find-links = /usr/share/wheels
disable-pip-version-check = true
root-user-action = ignore
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RECIPE = 2  # raise it when the images are to be made anew though nothing above has changed
PYTHON_TAGS = ("3.7", "3.7-slim", "3.11", "3.11-slim", "3.12-slim", "3", "latest")
SMALL = {"library/alpine": ("3.20", "latest"), "library/busybox": ("1.36", "latest")}


def made() -> Path:
    """The folder of the Python image's layers and settings, made the first time; PartError with the reason where that can't be."""
    recipe = (RECIPE, RELEASE, LIBRARIES, PYTHON, WHEELS, PIP_SETTINGS, platform.machine())
    return cached("stand-in", recipe, _make)


def push(registry: Registry) -> None:
    """Put all stand-ins into a registry, under the names that a mirror of Docker Hub has."""
    folder = made()
    config = (folder / "config.json").read_bytes()
    layers = [path.read_bytes() for path in sorted(folder.glob("layer-*.tar.gz"))]
    for tag in PYTHON_TAGS:
        push_image(registry, "library/python", tag, config, layers)
    small = _small_layer()
    settings = _config([digest_of(small)], {"Env": [f"PATH={PATH}"], "Cmd": ["sh"]})
    for name, tags in SMALL.items():
        for tag in tags:
            push_image(registry, name, tag, settings, [gzip.compress(small, mtime=0)])


def push_image(registry: Registry, name: str, tag: str, config: bytes, layers: list[bytes]) -> str:
    """Put an image of these packed layers under name:tag; its manifest's digest."""
    kind = sample_image.LAYER
    manifest: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": sample_image.MANIFEST,
        "config": {
            "mediaType": sample_image.CONFIG,
            "size": len(config),
            "digest": registry.put_blob(name, config),
        },
        "layers": [
            {"mediaType": kind, "size": len(layer), "digest": registry.put_blob(name, layer)} for layer in layers
        ],
    }
    return registry.put_manifest(name, tag, manifest)


def _make(into: Path) -> None:
    if os.geteuid() != 0:
        raise PartError("a stand-in for python:3.7 can be made only by root")
    scratch, root = into / "scratch", into / "scratch" / "root"
    root.mkdir(parents=True)
    archive = DebianArchive(scratch, RELEASE)
    archive.prepare()
    add_busybox(root)
    archive.unpack(LIBRARIES, root)
    prune(root)
    base = tree(root)
    archive.unpack(PYTHON, root)
    _add_pip(root)
    prune(root)
    layers = [tar_of(root, base), tar_of(root, tree(root) - base)]
    for number, layer in enumerate(layers):
        (into / f"layer-{number}.tar.gz").write_bytes(gzip.compress(layer, compresslevel=4, mtime=0))
    settings = {"Env": [f"PATH={PATH}", "LANG=C.UTF-8", "PYTHON_VERSION=3.11"], "Cmd": ["python3"]}
    (into / "config.json").write_bytes(_config([digest_of(layer) for layer in layers], settings))
    run(["rm", "-rf", str(scratch)])


def _add_pip(root: Path) -> None:
    """Python under the names that the public image has, pip, and the wheels pip finds."""
    places = root / "usr/local/bin"
    for name in ("python", "python3", "python3.7"):
        (places / name).symlink_to("/usr/bin/python3.11")
    (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    (root / "etc/pip.conf").write_text(PIP_SETTINGS)
    wheels = root / "usr/share/wheels"
    wheels.mkdir()
    target = ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"]
    target += [f"--platform={PLATFORMS.get(platform.machine(), 'any')}", "--only-binary=:all:", "--no-deps"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", *target]
    run([*pip, f"--dest={wheels}", *WHEELS], timeout=120)
    wheel = next(wheels.glob("pip-*.whl"))
    # This machine's own settings of pip are not the image's.
    inside = ["env", "-i", f"PATH={PATH}", "chroot", str(root), "/usr/bin/python3.11"]
    run([*inside, f"/usr/share/wheels/{wheel.name}/pip", "install", "--no-warn-script-location", "pip"], timeout=120)
    # Dates play no part: an image's files all have the same.
    run([*inside, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "/usr/lib/python3.11"], timeout=120)


def _small_layer() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        add_busybox(Path(folder))
        return tar_of(Path(folder), tree(Path(folder)))


def _config(diff_ids: list[str], settings: dict[str, Any]) -> bytes:
    """An image's configuration; its digest is the image ID."""
    content = {
        "architecture": sample_image.MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": sample_image.CREATED,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": sample_image.CREATED, "created_by": "estiva stand-in"} for _ in diff_ids],
    }
    return json.dumps(content, sort_keys=True).encode()
