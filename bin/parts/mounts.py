"""What is mounted below a folder: engines mount there, and one that was killed leaves it so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from parts.processes import run

MOUNTS = Path("/proc/self/mounts")
_ESCAPES = {"\\040": " ", "\\011": "\t", "\\134": "\\"}


def below(*folders: Path) -> Iterator[str]:
    """The mount points below any of them, the last one mounted first."""
    roots = tuple(f"{folder}/" for folder in folders)
    points = [_unescaped(line.split()[1]) for line in MOUNTS.read_text().splitlines()]
    return (point for point in reversed(points) if point.startswith(roots))


def release(*folders: Path) -> None:
    """Unmount all of it; what still uses a file there keeps it until it ends."""
    for point in below(*folders):
        run(["umount", "--lazy", point])


def _unescaped(point: str) -> str:
    for written, meant in _ESCAPES.items():
        point = point.replace(written, meant)
    return point
