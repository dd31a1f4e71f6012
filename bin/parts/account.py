"""A user of this machine for a while, with a home of its own: somebody whose login shell is not everybody's."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from parts.processes import PartError, run


@contextlib.contextmanager
def account(folder: Path, *, login: str = "/bin/bash", groups: Sequence[str] = ()) -> Iterator[pwd.struct_passwd]:
    """A user whose name begins with estiva-; gone afterwards, with what it left. PartError without root."""
    if os.geteuid() != 0:
        raise PartError("Making a user needs root.")
    name, home = f"estiva-{secrets.token_hex(3)}", folder.absolute()
    home.mkdir(parents=True, exist_ok=True)
    switches = ["--groups", ",".join(groups)] if groups else []
    run(["useradd", "--no-log-init", "--no-create-home", "--home-dir", str(home), "--shell", login, *switches, name])
    found = pwd.getpwnam(name)
    try:
        os.chown(home, found.pw_uid, found.pw_gid)
        run(["usermod", "--password", "*", name])  # no password fits, and the account is not locked
        yield found
    finally:
        subprocess.run(["pkill", "-KILL", "-U", str(found.pw_uid)], check=False)  # whose user is ours alone
        run(["userdel", "--force", name])
