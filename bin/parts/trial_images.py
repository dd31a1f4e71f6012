"""Stand-ins for the public images of docker-compose.yml and Dockerfile, on machines that reach no public registry.

Debian 12's own Python 3.11, PostgreSQL 15, Redis 7.0 and Caddy 2.6 in one small Debian, each image with the users, folders and
start of the public one it stands in for. The wheels that `pip install` asks for lie in the Python image. The base is made once, in
~/.cache/estiva.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import re
import shutil
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parts import packages
from parts.debian import cached, mirror
from parts.processes import PartError, run
from parts.registry import Registry
from parts.stand_in import PATH, PIP_SETTINGS, PLATFORMS, _config, push_image

RELEASE = "bookworm"
PACKAGES = ("ca-certificates", "git", "openssh-client", "python3", "postgresql-15", "redis-server", "caddy")
PIP = "pip==24.0"
BEFORE_3_11_3 = "async-timeout==5.0.1"  # what redis needs on Debian 12's Python, not on the public image's
RECIPE = 1  # raise it when the base is to be made anew though nothing above has changed
NEEDLESS = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/lib/postgresql/15/lib/llvmjit.so",
    "usr/lib/postgresql/15/lib/bitcode",
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/lib/python3.11/EXTERNALLY-MANAGED",
)
SCRATCH = ("dev", "proc", "sys", "run", "tmp")
DATA_OWNER = 999  # of PostgreSQL's and of Redis' files, as in the public images
POSTGRES_PROGRAMS = "/usr/lib/postgresql/15/bin"
POSTGRES_START = """#!/bin/sh
# What docker-compose.yml asks of the public image's start, and no more
set -eu
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    # shellcheck disable=SC2086 # several words, as the public image takes them
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 \\
        --encoding=UTF8 --locale=C.UTF-8 $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    pg_ctl -w -o "-c listen_addresses=" start
    createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl -w -m fast stop
fi
exec "$@"
"""


@dataclass(frozen=True)
class Entry:
    """A file, a link or (neither) a folder of an image's own layer."""

    content: str | bytes | None = None
    link: str = ""
    mode: int = 0o755
    owner: int = 0


@dataclass(frozen=True)
class StandIn:
    """What one public image is on top of the base."""

    settings: Mapping[str, object]
    entries: Mapping[str, Entry] = field(default_factory=dict)


IMAGES = {
    "python": StandIn(
        {"Env": [f"PATH={PATH}", "LANG=C.UTF-8"], "Cmd": ["python3"]},
        {
            "usr/local/bin/python": Entry(link="/usr/bin/python3.11"),
            "etc/pip.conf": Entry(PIP_SETTINGS, mode=0o644),
        },
    ),
    "postgres": StandIn(
        {
            "Env": [f"PATH={POSTGRES_PROGRAMS}:{PATH}", "LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data"],
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "StopSignal": "SIGINT",
            "Volumes": {"/var/lib/postgresql/data": {}},
        },
        {
            "usr/local/bin/docker-entrypoint.sh": Entry(POSTGRES_START),
            "var/lib/postgresql": Entry(owner=DATA_OWNER),
            "var/lib/postgresql/data": Entry(mode=0o700, owner=DATA_OWNER),
        },
    ),
    "redis": StandIn(
        {"Env": [f"PATH={PATH}"], "WorkingDir": "/data", "Cmd": ["redis-server"], "Volumes": {"/data": {}}},
        {"data": Entry(owner=DATA_OWNER)},
    ),
    "caddy": StandIn(
        {
            "Env": [f"PATH={PATH}", "XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"],
            "WorkingDir": "/srv",
            "Cmd": ["caddy", "run"],
        },
        {"data": Entry(), "config": Entry()},
    ),
}
NAMED = re.compile(rf"(?:image:|FROM)\s+({'|'.join(IMAGES)}):([\w.-]+)")


def push(registry: Registry, sources: Iterable[Path]) -> dict[str, str]:
    """Put a stand-in into the registry for each public image that these source trees name; name:tag and what stands in for it."""
    base, versions = _base(), {}
    wanted = {named for tree in sources for named in _named(tree)}
    layer = _wheels(sorted({(tree / "requirements.txt").read_text() for tree in sources}))
    for name, tag in sorted(wanted):
        image = IMAGES[name]
        layers = [base, _layer(image.entries), *([layer] if name == "python" else [])]
        diff_ids = [f"sha256:{hashlib.sha256(gzip.decompress(layer)).hexdigest()}" for layer in layers]
        push_image(registry, f"library/{name}", tag, _config(diff_ids, dict(image.settings)), layers)
        versions[f"{name}:{tag}"] = f"Debian {RELEASE}'s {name}"
    return versions


def _named(tree: Path) -> list[tuple[str, str]]:
    text = "".join((tree / name).read_text() for name in ("docker-compose.yml", "Dockerfile"))
    return [(match[1], match[2]) for match in NAMED.finditer(text)]


def _base() -> bytes:
    """The packed layer that all stand-ins begin with."""
    folder = cached("trial-base", (RECIPE, RELEASE, PACKAGES, PIP, NEEDLESS, platform.machine()), _make_base)
    return (folder / "base.tar.gz").read_bytes()


def _make_base(into: Path) -> None:
    if os.geteuid() != 0:
        raise PartError("stand-ins for the public images can be made only by root")
    if shutil.which("debootstrap", path=packages.SYSTEM_PATH) is None:
        packages.install(["debootstrap"])
    root = into / "root"
    included = f"--include={','.join(PACKAGES)}"
    run(["debootstrap", "--variant=minbase", included, RELEASE, str(root), mirror()], timeout=900)
    for path in (*(root / name for name in NEEDLESS), *root.glob("usr/lib/*/libLLVM-*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    (root / "etc/apt/sources.list").write_text("")  # all that Dockerfile installs is here, and no archive is near
    for name in ("passwd", "group"):
        _give_data_owner(root / "etc" / name)
    _install_pip(root)
    left_out = [f"--exclude=./{name}/*" for name in SCRATCH]
    run(
        ["tar", "-C", str(root), "--numeric-owner", *left_out, "-I", "gzip -3", "-cf", str(into / "base.tar.gz"), "."],
        timeout=300,
    )
    shutil.rmtree(root)


def _give_data_owner(file: Path) -> None:
    """PostgreSQL's and Redis' users under the number that they have in the public images."""
    names = ("postgres", "redis")
    lines = [line for line in file.read_text().splitlines() if line.split(":")[0] not in (*names, "caddy")]
    rest = {"passwd": f":x:{DATA_OWNER}:{DATA_OWNER}::/:/bin/sh", "group": f":x:{DATA_OWNER}:"}[file.name]
    file.write_text("\n".join([*lines, *(f"{name}{rest}" for name in names)]) + "\n")


def _install_pip(root: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    run([*pip, f"--dest={root / 'opt'}", PIP], timeout=120)
    wheel = next((root / "opt").glob("pip-*.whl"))
    # This machine's own settings of pip are not the image's.
    inside = ["env", "-i", f"PATH={PATH}", "chroot", str(root), "/usr/bin/python3.11"]
    given = ["install", "--no-index", "--root-user-action=ignore", f"/opt/{wheel.name}"]
    run([*inside, f"/opt/{wheel.name}/pip", *given], timeout=120)
    wheel.unlink()


def wheels(requirements: list[str]) -> Path:
    """The folder with the wheels of these requirements, downloaded once."""
    recipe = (requirements, BEFORE_3_11_3, platform.machine())
    return cached("trial-wheels", recipe, lambda into: _download(requirements, into))


def _wheels(requirements: list[str]) -> bytes:
    """They as a packed layer; pip finds them as PIP_SETTINGS says."""
    files = sorted(wheels(requirements).glob("*.whl"))
    return _layer({f"usr/share/wheels/{file.name}": Entry(file.read_bytes(), mode=0o644) for file in files})


def _download(requirements: list[str], into: Path) -> None:
    target = ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none", "--no-deps"]
    target += [f"--platform={PLATFORMS.get(platform.machine(), 'any')}"]
    target += [f"--platform=manylinux_2_{minor}_{platform.machine()}" for minor in range(36, 16, -1)]
    for number, text in enumerate(requirements):
        listed = into / f"requirements-{number}.txt"
        listed.write_text(f"{text}\n{BEFORE_3_11_3}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", *target]
        run([*pip, "--only-binary=:all:", f"--dest={into}", "--requirement", str(listed)], timeout=600)


def _layer(entries: Mapping[str, Entry]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, entry in sorted(entries.items()):
            info = tarfile.TarInfo(path)
            info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
            content = entry.content.encode() if isinstance(entry.content, str) else entry.content
            if entry.link:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            elif content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if content is not None else None)
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)
