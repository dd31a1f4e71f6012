"""The files of a small Linux system in a folder, and a folder as an image's layer."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

from parts.processes import run
from parts.sample_image import static_busybox

MERGED = ("bin", "sbin", "lib", "lib64")
FOLDERS = ("etc", "root", "home", "dev", "proc", "sys", "run", "var/tmp", "usr/local/bin", "usr/share")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Stand-in made from Debian 12"\n',
}
NEEDLESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/python3")


def add_busybox(root: Path) -> None:
    """The folders of an empty system, its shell and small commands, all one busybox."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    for name, content in FILES.items():
        (root / name).write_text(content)
    busybox = root / "usr/bin/busybox"
    shutil.copyfile(static_busybox(), busybox)
    busybox.chmod(0o755)
    for applet in run([str(static_busybox()), "--list"]).split():
        if applet != "busybox":
            (root / "usr/bin" / applet).symlink_to("busybox")


def prune(root: Path) -> None:
    """Remove what only people read, and character sets nobody asks for."""
    for path in [*(root / name for name in NEEDLESS), *(root / "usr/lib").glob("*/gconv")]:
        shutil.rmtree(path, ignore_errors=True)


def tree(root: Path) -> set[str]:
    """All paths below a folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def tar_of(root: Path, paths: set[str]) -> bytes:
    """These paths as a layer: root's, without dates, so that equal content gives equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(paths):
            entry = tar.gettarinfo(root / path, path)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = 0
            if entry.isreg():
                with (root / path).open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)
    return packed.getvalue()
