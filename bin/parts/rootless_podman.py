"""Podman's service of a plain user made for it; its containers share the machine's network, for which it needs no device."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from parts.account import account
from parts.engine_api import EngineApi
from parts.processes import Process, wait_until


@dataclass(frozen=True)
class RootlessPodman:
    """Its socket, where such a user's podman has it: /run/user/UID/podman/podman.sock."""

    socket: Path
    api: EngineApi


@contextlib.contextmanager
def rootless_podman(folder: Path, *, insecure: Sequence[str] = ()) -> Iterator[RootlessPodman]:
    """With storage of its own, gone afterwards with its user. Registries in `insecure` (host:port) are spoken to without TLS."""
    with account(folder, subordinate=True) as user:
        runtime = Path(f"/run/user/{user.pw_uid}")
        (runtime / "podman").mkdir(parents=True)
        for each in (runtime, runtime / "podman"):
            shutil.chown(each, user.pw_uid, user.pw_gid)
        config, registries = folder / "containers.conf", folder / "registries.conf"
        config.write_text(
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\nlog_driver = "k8s-file"\n'
            'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        )
        registries.write_text("".join(f'[[registry]]\nlocation = "{each}"\ninsecure = true\n' for each in insecure))
        env = {"HOME": user.pw_dir, "XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        env |= {"CONTAINERS_CONF": str(config), "CONTAINERS_REGISTRIES_CONF": str(registries)}
        identity = ["setpriv", "--reuid", user.pw_name, "--regid", str(user.pw_gid), "--init-groups"]
        socket = runtime / "podman" / "podman.sock"
        argv = ["podman", "--storage-driver", "vfs", "--runtime", "runc", "system", "service", "--time=0"]
        process = Process([*identity, *argv, f"unix://{socket}"], log=folder / "podman.log", env=env)
        api = EngineApi(socket)
        try:
            process.start()
            wait_until(api.answers, "the rootless podman did not answer", timeout=30)
            yield RootlessPodman(socket, api)
            for each in api.json("GET", "/containers/json?all=1"):
                api.json("DELETE", f"/containers/{each['Id']}?force=1")
        finally:
            process.stop(timeout=10)
            shutil.rmtree(runtime, ignore_errors=True)
