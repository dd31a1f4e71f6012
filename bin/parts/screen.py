"""Lines on the terminal: each with the name of who says it, in a colour of its own where the terminal shows colours."""

from __future__ import annotations

import os
import sys
import threading
import zlib

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)
NAME_WIDTH = 10
_one_at_a_time = threading.Lock()


def coloured() -> bool:
    """Whether to use colours: a terminal, and nobody asked for none."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def say(name: str, line: str) -> None:
    """Print one line after its speaker's name."""
    prefix = f"{name:<{NAME_WIDTH}} │"
    if coloured():
        prefix = f"\x1b[{COLOURS[zlib.crc32(name.encode()) % len(COLOURS)]}m{prefix}\x1b[0m"
    with _one_at_a_time:
        print(f"{prefix} {line}", flush=True)


def strong(text: str) -> str:
    """The text in bold, where the terminal can."""
    return f"\x1b[1m{text}\x1b[0m" if coloured() else text
