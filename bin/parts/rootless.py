"""A rootless Docker Engine of a user made for it, with a network of its own as such engines have it.

Its network needs /dev/net/tun, which is root's alone on some machines: the engine is given a node of its own in its place,
in a view of the files that only it has.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

from parts.account import account
from parts.engine_api import EngineApi
from parts.processes import Process, wait_until

SCRIPT = Path("/usr/share/docker.io/contrib/dockerd-rootless.sh")
PROGRAMS = ("rootlesskit", "newuidmap", "slirp4netns")
MACHINE = "10.0.2.2"
"""The machine's loopback, as the engine reaches it."""

_TUN = (10, 200)  # the device's numbers, as the kernel's documentation of tuntap gives them
_ENTER = 'mount --bind "$1" /dev/net/tun && shift && exec "$@"'
_NETWORK = ["--net=slirp4netns", "--mtu=1500", "--port-driver=builtin"]
"""As the script would start it itself, but for the machine's loopback, which 20.10 hides: the registry listens there."""


@contextlib.contextmanager
def rootless_engine(folder: Path) -> Iterator[tuple[pwd.struct_passwd, Path]]:
    """Its user and its socket, where such a user's engine has it: /run/user/UID/docker.sock."""
    with account(folder, subordinate=True) as user:
        runtime = Path(f"/run/user/{user.pw_uid}")
        shutil.rmtree(runtime, ignore_errors=True)  # of an earlier user of this number, which nobody has any more
        runtime.mkdir(parents=True)
        shutil.chown(runtime, user.pw_uid, user.pw_gid)
        tun = runtime / "tun"
        os.mknod(tun, 0o20000, os.makedev(*_TUN))
        tun.chmod(0o666)
        socket = runtime / "docker.sock"
        env = {
            "HOME": user.pw_dir,
            "XDG_RUNTIME_DIR": str(runtime),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "_DOCKERD_ROOTLESS_CHILD": "1",
        }
        own_view = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _ENTER, "sh", str(tun)]
        identity = ["setpriv", "--reuid", user.pw_name, "--regid", str(user.pw_gid), "--init-groups"]
        switches = ["--storage-driver=vfs", f"--insecure-registry={MACHINE}/32"]
        inside = [
            "rootlesskit",
            *_NETWORK,
            "--copy-up=/etc",
            "--copy-up=/run",
            "--propagation=rslave",
            str(SCRIPT),
            *switches,
        ]
        process = Process([*own_view, *identity, *inside], log=folder / "rootless.log", env=env)
        try:
            process.start()
            wait_until(EngineApi(socket).answers, "the rootless engine did not answer", timeout=30)
            yield user, socket
        finally:
            process.stop(timeout=10)
            shutil.rmtree(runtime, ignore_errors=True)
