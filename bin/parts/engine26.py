"""A current Docker Engine, 26.1, and Compose v2, both Debian 13's, beside Debian 12's engine 20.10. Neither is installed.

They are unpacked once into ~/.cache/estiva (100 MB to download). Debian 12's C library is new enough for all of them but runc, whose
place Debian 12's own takes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parts.debian import DebianArchive, cached
from parts.dockerd import DockerEngine
from parts.processes import Process

RELEASE = "trixie"
PACKAGES = ("docker.io", "containerd", "docker-cli", "docker-buildx", "docker-compose", "tini")
PROGRAMS = (
    "usr/sbin/dockerd",
    "usr/sbin/docker-proxy",
    "usr/bin/docker",
    "usr/bin/containerd",
    "usr/bin/containerd-shim-runc-v2",
)
INIT = "usr/bin/tini-static"
PLUGINS = ("usr/libexec/docker/cli-plugins/docker-compose", "usr/libexec/docker/cli-plugins/docker-buildx")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def unpacked() -> Path:
    """The folder with `bin/` and `plugins/`, downloaded the first time; PartError with the reason where that can't be."""
    return cached("engine26", (RELEASE, PACKAGES, PROGRAMS, os.uname().machine), _unpack)


class Engine26(DockerEngine):
    """As `DockerEngine`, of a newer kind."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._programs = unpacked() / "bin"
        super().__init__(folder, program=str(self._programs / "dockerd"), **options)

    def _daemon(self, arguments: Sequence[str]) -> Process:
        # dockerd looks for containerd, its shim, runc and its proxy on the PATH.
        env = {**os.environ, "PATH": f"{self._programs}:{SYSTEM_PATH}"}
        return Process(arguments, log=self.log, env=env)


class ComposeCli:
    """The docker client with Compose and buildx, for commands run over an `SshServer` with these `options`.

    It talks to whichever engine DOCKER_HOST or --host names. Its configuration, where the client finds its plugins as on a server where
    they were installed for one user, lies in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        programs = unpacked()
        plugins = folder / "cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        for plugin in (programs / "plugins").iterdir():
            (plugins / plugin.name).unlink(missing_ok=True)
            (plugins / plugin.name).symlink_to(plugin)
        (folder / "config.json").write_text(json.dumps({}))
        self.program = programs / "bin" / "docker"
        self.plugin = plugins / "docker-compose"
        self.variables: Mapping[str, str] = {
            "PATH": f"{programs / 'bin'}:{SYSTEM_PATH}",
            "DOCKER_CONFIG": str(folder.absolute()),
        }
        self.options: Mapping[str, str] = {
            "SetEnv": " ".join(f'"{key}={value}"' for key, value in self.variables.items())
        }


def _unpack(into: Path) -> None:
    scratch = into / "scratch"
    scratch.mkdir()
    archive = DebianArchive(scratch, RELEASE)
    archive.prepare()
    archive.unpack(PACKAGES, scratch / "files")
    for kind, files in {"bin": PROGRAMS, "plugins": PLUGINS}.items():
        (into / kind).mkdir()
        for file in files:
            shutil.move(scratch / "files" / file, into / kind)
    shutil.move(scratch / "files" / INIT, into / "bin" / "docker-init")
    shutil.rmtree(scratch)
