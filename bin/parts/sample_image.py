"""The sample application as an image, made here from static busybox alone: nothing is pulled, no engine is needed.

An image is a few files with agreed names (a layer, a configuration, a manifest), so they are written directly. The same input gives the
same digest on every machine.
"""

from __future__ import annotations

import gzip
import io
import json
import platform
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from parts.processes import PartError
from parts.registry import Registry, digest_of

Behaviour = Literal["plain", "never_healthy", "exits", "exits_after", "slow_start", "ignores_term", "chatty"]
BEHAVIOURS: tuple[str, ...] = get_args(Behaviour)
PORT = 5000
SAMPLE = Path(__file__).parent / "sample"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
CREATED = "2024-01-01T00:00:00Z"


@dataclass(frozen=True)
class Sample:
    """One image of the sample application.

    `behaviour` is only the image's default: a container's variable SAMPLE_BEHAVIOUR overrides it, so one image serves many tests;
    likewise SAMPLE_PORT, SAMPLE_SECONDS, SAMPLE_LINES and SAMPLE_GREETING (shown on the page). `healthcheck` gives the image a
    HEALTHCHECK of its own; `ballast` adds a layer of that many bytes that do not compress.
    """

    version: str
    behaviour: Behaviour = "plain"
    healthcheck: bool = False
    ballast: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    os: str = "linux"
    architecture: str = MACHINES.get(platform.machine(), platform.machine())
    entrypoint: tuple[str, ...] = ("/bin/busybox", "sh", "/app/start")

    def application(self) -> dict[str, bytes]:
        """The application's files."""
        return {f"app/{path.name}": path.read_bytes() for path in sorted(SAMPLE.iterdir())}

    def layers(self) -> list[bytes]:
        """The uncompressed layers: busybox (shared by all versions), the application, the ballast."""
        layers = [
            _archive({"bin/busybox": static_busybox().read_bytes(), "etc/passwd": b"root:x:0:0:root:/:/bin/busybox\n"})
        ]
        layers.append(_archive(self.application() | {"app/version": self.version.encode()}))
        if self.ballast:
            layers.append(_archive({"app/ballast": _noise(self.version, self.ballast)}))
        return layers

    def config(self, layers: list[bytes]) -> bytes:
        """The image's configuration; its digest is the image ID."""
        settings: dict[str, object] = {
            "Env": [f"{name}={value}" for name, value in self._variables().items()],
            "Entrypoint": list(self.entrypoint),
            "ExposedPorts": {f"{PORT}/tcp": {}},
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "Estiva sample",
                "org.opencontainers.image.version": self.version,
            },
        }
        if self.healthcheck:
            probe = ["CMD", "/bin/busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{PORT}/healthz"]
            settings["Healthcheck"] = {"Test": probe, "Interval": 200_000_000, "Timeout": 2_000_000_000, "Retries": 3}
        content = {
            "architecture": self.architecture,
            "os": self.os,
            "created": CREATED,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            "history": [{"created": CREATED, "created_by": "estiva sample"} for _ in layers],
        }
        return json.dumps(content, sort_keys=True).encode()

    def _variables(self) -> dict[str, str]:
        own = {"PATH": "/bin", "SAMPLE_VERSION": self.version, "SAMPLE_BEHAVIOUR": self.behaviour}
        return own | self.variables


def push(registry: Registry, name: str, tag: str, sample: Sample) -> str:
    """Put an image into a registry under `name:tag`; its manifest's digest."""
    return registry.put_manifest(name, tag, _upload(registry, name, sample))


def push_list(registry: Registry, name: str, tag: str, samples: list[Sample]) -> str:
    """Put a manifest list (an image for several platforms) into a registry; the list's digest."""
    entries = []
    for sample in samples:
        manifest = _upload(registry, name, sample)
        digest = registry.put_manifest(name, "", manifest)
        system = {"os": sample.os, "architecture": sample.architecture}
        entries.append({"mediaType": MANIFEST, "digest": digest, "size": len(json.dumps(manifest)), "platform": system})
    return registry.put_manifest(name, tag, {"schemaVersion": 2, "mediaType": MANIFEST_LIST, "manifests": entries})


def windows_only(registry: Registry, name: str, tag: str, *, version: str = "1") -> str:
    """An image for windows/amd64 alone: a Linux engine refuses it with "no matching manifest"."""
    return push_list(registry, name, tag, [Sample(version, os="windows", architecture="amd64")])


def archive(sample: Sample, reference: str) -> bytes:
    """The image as `docker load` takes it, tagged `reference`: an image that no registry knows."""
    layers = sample.layers()
    config = sample.config(layers)
    names = [f"{digest_of(layer).removeprefix('sha256:')}.tar" for layer in layers]
    about = [{"Config": "config.json", "RepoTags": [reference], "Layers": names}]
    files = dict(zip(names, layers, strict=True)) | {"config.json": config, "manifest.json": json.dumps(about).encode()}
    return _archive(files)


def image_id(sample: Sample) -> str:
    """The ID engines give this image."""
    return digest_of(sample.config(sample.layers()))


def static_busybox() -> Path:
    """A busybox that runs without any library; PartError if there is none."""
    found = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin:/sbin:/usr/sbin")
    if found is None or b"/ld-" in Path(found).read_bytes()[:4096]:  # the name of a loader stands in the first page
        raise PartError("A static busybox is needed to make the sample image (Debian package busybox-static).")
    return Path(found)


def _upload(registry: Registry, name: str, sample: Sample) -> dict[str, object]:
    layers = sample.layers()
    config = sample.config(layers)
    packed = [gzip.compress(layer, compresslevel=1, mtime=0) for layer in layers]
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": registry.put_blob(name, config)},
        "layers": [
            {"mediaType": LAYER, "size": len(layer), "digest": registry.put_blob(name, layer)} for layer in packed
        ],
    }


def _archive(files: dict[str, bytes]) -> bytes:
    """A tar of these files, all executable, without dates: equal content gives equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _noise(seed: str, size: int) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    blocks, block = [], seed.encode()
    for _ in range(size // 32 + 1):
        block = bytes.fromhex(digest_of(block).removeprefix("sha256:"))
        blocks.append(block)
    return b"".join(blocks)[:size]
