"""A user of this machine for a while, with a home of its own: somebody whose login shell is not everybody's."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

from parts.processes import PartError, run

SUBORDINATE = "700000-765535"


@contextlib.contextmanager
def account(folder: Path, *, login: str = "/bin/bash", subordinate: bool = False) -> Iterator[pwd.struct_passwd]:
    """A user whose name begins with estiva-; gone afterwards, with what it left. PartError without root.

    `subordinate` gives it user ids of its own, as rootless containers need them.
    """
    if os.geteuid() != 0:
        raise PartError("Making a user needs root.")
    name, home = f"estiva-{secrets.token_hex(3)}", folder.absolute()
    home.mkdir(parents=True, exist_ok=True)
    run(["useradd", "--no-log-init", "--no-create-home", "--home-dir", str(home), "--shell", login, name])
    found = pwd.getpwnam(name)
    try:
        os.chown(home, found.pw_uid, found.pw_gid)
        run(["usermod", "--password", "*", name])  # no password fits, and the account is not locked
        if subordinate:
            run(["usermod", "--add-subuids", SUBORDINATE, "--add-subgids", SUBORDINATE, name])
        yield found
    finally:
        subprocess.run(["pkill", "-KILL", "-U", str(found.pw_uid)], check=False)  # whose user is ours alone
        run(["userdel", "--force", name])
