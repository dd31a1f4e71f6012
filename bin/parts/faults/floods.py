"""The floods of row 19: how each is made, and what a log that lost nothing and told nothing twice has to hold of it.

Each has lines that can be told apart, or one whose length is known, so that a gap and a repeat show in the text and not in the numbers alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from parts.faults.images import START, Images, Pushed

LOADED: Final = 10_000
BROKEN: Final = 200
LONG: Final = 50_000_000
FLOOD: Final = 1_200_000  # of these lines are more than 100 MB
FLOODS: Final = f"""seq 1 {FLOOD} | sed 's/.*/page: line & of a flood, which says nothing new and never ends, as such lines are/'
"""
TALKED: Final = 3_000
TALK: Final = f"""n=0
while [ $n -lt {TALKED} ]; do
  seq $((n + 1)) $((n + 50)) | sed 's/.*/page: line & of a talk/'
  n=$((n + 50))
  sleep 0.1
done
"""  # six seconds, so that who is dropped and comes back meets the middle of it
_NUMBERED: Final = re.compile(r"page: (?:loaded record|line) (\d+) of ")
_CUT: Final = re.compile(r"… \[cut: (\d+) bytes\]$")


@dataclass(frozen=True)
class Flood:
    """`wrong` says what a log's lines hold too little or too much of; "" where nothing."""

    kind: str
    more: dict[str, Any]
    wrong: Callable[[Sequence[str]], str]
    full: bool = False  # only with --full

    def image(self, images: Images) -> Pushed:
        """A version of the page that begins with it."""
        return images.page(f"log-{self.kind}", self.kind, **self.more)


def of(times: int) -> tuple[Flood, ...]:
    """All of them; the line without an end goes on for `times` twentieths of a second."""
    flood = ("/bin/busybox", "sh", "-c", FLOODS + START)
    return (
        Flood("chatty", {"variables": {"SAMPLE_LINES": str(LOADED)}}, lambda text: numbered(text, LOADED)),
        Flood(
            "binary",
            {},
            lambda text: exactly(text, [f"page: broken \ufffd\ufffd \ufffd line {each}" for each in range(BROKEN)]),
        ),
        Flood("no_newline", {"variables": {"SAMPLE_TIMES": str(times)}}, lambda text: one_line(text, still(times))),
        Flood("long_line", {}, lambda text: one_line(text, "x" * LONG), full=True),
        Flood("floods", {"entrypoint": flood, "variables": {"SAMPLE_BEHAVIOUR": "plain"}}, numbered, full=True),
    )


def talk(images: Images) -> Pushed:
    """A version that talks for a while before it is ready."""
    return images.page("log-talk", entrypoint=("/bin/busybox", "sh", "-c", TALK + START))


def still(times: int) -> str:
    """The line that takes so long."""
    return "".join(f"page: still {each} " for each in range(times))


def numbered(text: Sequence[str], count: int = 0) -> str:
    """Each number once, from 1 on without a gap; `count` of them, or as many as came until the deploy had ended, at least a thousand."""
    numbers = [int(found[1]) for line in text if (found := _NUMBERED.match(line))]
    due = next((at for at, each in enumerate(numbers, 1) if at != each), None)
    if due is not None:
        return f"line {numbers[due - 1]} came where {due} was due"
    if len(numbers) != count if count else len(numbers) < LOADED // 10:
        return f"{len(numbers)} lines came, of {count or FLOOD}"
    return ""


def exactly(text: Sequence[str], wanted: Sequence[str]) -> str:
    """These lines among the others, each once, in this order."""
    start = wanted[0].split()[:2]
    came = [line for line in text if line.split()[:2] == start]
    for at, (one, other) in enumerate(itertools.zip_longest(came, wanted)):
        if one != other:
            return f"{one!r} came where {other!r} was due, at {at} of {len(wanted)}"
    return ""


def one_line(text: Sequence[str], whole: str) -> str:
    """This line once, whole or cut; where it is cut the bytes that are missing are counted rightly."""
    came = [line for line in text if line.startswith(whole[:16])]
    if len(came) != 1:
        return f"{len(came)} lines came, of one"
    cut = _CUT.search(came[0])
    kept, missing = (came[0][: cut.start()], int(cut[1])) if cut else (came[0], 0)
    if not whole.startswith(kept) or len(kept) + missing != len(whole):
        return f"{len(kept)} bytes are there and {missing} are said to be cut, of {len(whole)}"
    return ""
