"""A module that is run as a process of its own and answers with a line of JSON: what needs other settings than whoever asks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parts.environment import ROOT

RESULT = "RESULT "  # begins the line that is the answer


def ask(
    words: Sequence[str], environment: Mapping[str, str], given: str, say: Callable[[str], None]
) -> tuple[int, dict[str, Any] | None]:
    """Run Python with these words to its end, `given` on its standard input, each line that it writes to `say`; its exit code, and the
    answer where it gave one. Whoever interrupts this doesn't wait for it: it is killed."""
    result = None
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        try:
            if child.stdin is not None:
                child.stdin.write(given)
                child.stdin.close()
            for line in child.stdout or ():
                if line.startswith(RESULT):
                    result = dict(json.loads(line.removeprefix(RESULT)))
                else:
                    say(line.rstrip())
        except BaseException:
            child.kill()
            raise
    return child.returncode, result
