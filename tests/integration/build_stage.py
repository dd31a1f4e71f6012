"""A builder as the worker meets it: this run's engine behind this run's sshd, and a base image with a shell."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from parts import sample_image
from parts.dockerd import DockerEngine
from parts.processes import process_ids
from parts.registry import Registry
from parts.sample_image import Sample
from worker.connections.building import DockerBuildHost
from worker.connections.pool import SshSession
from worker.engine.build_events import BuildEvent, BuildRequest, VertexEnded, VertexLine

APPLETS = (
    "sh",
    "cat",
    "echo",
    "sleep",
    "ls",
    "wc",
    "true",
    "false",
    "mkdir",
    "touch",
    "dd",
    "id",
    "env",
    "wget",
    "head",
)


class BusyboxImage(Sample):
    """Static busybox under the names of a few of its commands, and nothing else."""

    def layers(self) -> list[bytes]:
        """One layer; the version is a file, so that versions differ."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in (
                ("bin/busybox", sample_image.static_busybox().read_bytes()),
                ("version", self.version.encode()),
            ):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
            for name in APPLETS:
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, "busybox", 0o777
                tar.addfile(entry)
            entry = tarfile.TarInfo("tmp")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
        return [packed.getvalue()]


def push_base(registry: Registry, tag: str = "1", version: str = "1", **fields: str) -> str:
    """Push the base image; its reference."""
    sample_image.push(registry, "team/base", tag, BusyboxImage(version, **fields))  # type: ignore[arg-type]
    return f"{registry.address}/team/base:{tag}"


class PrivateRegistry(Registry):
    """A registry that asks for a name and a password."""

    name = "private-registry"
    USER, PASSWORD = "ann", "correct-horse"

    def start(self) -> None:
        """Write the password file, and start."""
        known = bcrypt.hashpw(self.PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "htpasswd").write_text(f"{self.USER}:{known}\n")
        super().start()

    def push_base(self) -> None:
        """The base image, written where the registry keeps its images, by another that asks for nothing."""
        with Registry(self.folder / "open") as open_registry:
            push_base(open_registry)
        (self.folder / "images").mkdir(exist_ok=True)
        shutil.copytree(open_registry.folder / "images", self.folder / "images", dirs_exist_ok=True)

    def _config(self) -> dict[str, object]:
        asked = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
        return {**super()._config(), "auth": asked}


def context(files: Mapping[str, str | bytes], executable: Sequence[str] = ()) -> Iterator[bytes]:
    """A tar of these files in pieces, as a checkout is sent."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if name in executable else 0o644
            tar.addfile(entry, io.BytesIO(data))
    whole = packed.getvalue()
    for at in range(0, len(whole), 4096):
        yield whole[at : at + 4096]


@dataclass
class Builder:
    """One session on the builder."""

    host: DockerBuildHost
    session: SshSession
    engine: DockerEngine
    base: str

    def build(
        self, dockerfile: str, request: BuildRequest, files: Mapping[str, str | bytes] | None = None
    ) -> list[BuildEvent]:
        """Build to the end; `BASE` in the Dockerfile is the base image."""
        return list(self.host.build(request, self.context(dockerfile, files)))

    def context(
        self, dockerfile: str, files: Mapping[str, str | bytes] | None = None, executable: Sequence[str] = ()
    ) -> Iterator[bytes]:
        """The Dockerfile and other files."""
        return context({"Dockerfile": dockerfile.replace("BASE", self.base), **(files or {})}, executable)


def output(events: list[BuildEvent]) -> list[str]:
    """What the build's commands wrote."""
    return [each.text for each in events if isinstance(each, VertexLine)]


def ended(events: list[BuildEvent], part: str) -> VertexEnded:
    """The end of the step whose name holds this."""
    return next(each for each in events if isinstance(each, VertexEnded) and part in each.name)


def running(*words: str) -> list[int]:
    """Processes of this machine with exactly this command line."""
    wanted = "\0".join(words).encode() + b"\0"
    return [pid for pid in process_ids() if _command(pid) == wanted]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
