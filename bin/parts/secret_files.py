"""The folder of secrets that docker-compose.yml mounts, one file each: the keys from standard input, and passwords made here.

The folder is its owner's alone. Inside, everybody may read: a container's user, who is nobody on this machine, reads the files that
were mounted for it, while on this machine nobody else passes the folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from parts.processes import PartError

KEYS = (
    "ESTIVA_SECRET_KEY",
    "ESTIVA_SEALING_PUBLIC_KEY",
    "ESTIVA_SEALING_PRIVATE_KEY",
    "ESTIVA_AUDIT_KEY",
    "ESTIVA_FIELD_KEY",
)


def main(arguments: list[str], lines: Iterable[str], folder: Path) -> int:
    """Write the files into the folder that is named, else `folder`; the exit code."""
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print("usage: python manage.py keys | bin/secrets [FOLDER]   (FOLDER: secrets)")
        return 2
    folder = Path(arguments[0]) if arguments else folder
    for name in write(folder, read(lines)):
        print(f"{folder}/{name}")
    return 0


def read(lines: Iterable[str]) -> dict[str, str]:
    """The keys from what `manage.py keys` prints; PartError naming what is missing."""
    found = dict(line.strip().split("=", 1) for line in lines if "=" in line)
    missing = [name for name in KEYS if not found.get(name)]
    if missing:
        raise PartError(f"standard input lacks {', '.join(missing)}; it is to be what `manage.py keys` prints.")
    return {name: found[name] for name in KEYS}


def write(folder: Path, keys: Mapping[str, str]) -> list[str]:
    """Write keys, passwords and the addresses they stand in; the names. PartError, and nothing written, where one is there already."""
    postgres, redis = secrets.token_hex(24), secrets.token_hex(24)
    files = {
        **keys,
        "POSTGRES_PASSWORD": postgres,
        "REDIS_PASSWORD": redis,
        "ESTIVA_DATABASE_URL": f"postgres://estiva:{postgres}@postgres:5432/estiva",
        "ESTIVA_REDIS_URL": f"redis://:{redis}@redis:6379/0",
    }
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise PartError(
            f"{folder} holds {', '.join(there)} already. What is sealed with a key can't be opened by another."
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, value in files.items():
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), 0o444)  # whatever the umask
            file.write(value)
    return sorted(files)
