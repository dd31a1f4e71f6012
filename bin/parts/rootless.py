"""A rootless Docker Engine of a user made for it; containers share the machine's network, for which it needs no device."""

from __future__ import annotations

import contextlib
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

from parts.account import account
from parts.engine_api import EngineApi
from parts.processes import Process, wait_until

SCRIPT = Path("/usr/share/docker.io/contrib/dockerd-rootless.sh")
PROGRAMS = ("rootlesskit", "newuidmap", "slirp4netns")


@contextlib.contextmanager
def rootless_engine(folder: Path) -> Iterator[tuple[pwd.struct_passwd, Path]]:
    """Its user and its socket, where such a user's engine has it: /run/user/UID/docker.sock."""
    with account(folder, subordinate=True) as user:
        runtime = Path(f"/run/user/{user.pw_uid}")
        runtime.mkdir(parents=True)
        shutil.chown(runtime, user.pw_uid, user.pw_gid)
        socket = runtime / "docker.sock"
        network = {"DOCKERD_ROOTLESS_ROOTLESSKIT_NET": "host", "DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER": "none"}
        env = {"HOME": user.pw_dir, "XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **network}
        identity = ["setpriv", "--reuid", user.pw_name, "--regid", str(user.pw_gid), "--init-groups"]
        switches = ["--storage-driver=vfs", "--iptables=false", "--bridge=none", "--insecure-registry=127.0.0.0/8"]
        process = Process([*identity, str(SCRIPT), *switches], log=folder / "rootless.log", env=env)
        try:
            process.start()
            wait_until(EngineApi(socket).answers, "the rootless engine did not answer", timeout=30)
            yield user, socket
        finally:
            process.stop(timeout=10)
            shutil.rmtree(runtime, ignore_errors=True)
