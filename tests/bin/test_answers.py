"""A process that is asked for a line of JSON: its answer, its failure, and that nobody who is interrupted waits for it."""

from __future__ import annotations

import os
import time

import pytest

from parts import answers
from parts.processes import process_ids
from parts.supervisor import Interrupted


def ask(code: str, given: str = "") -> tuple[int, dict[str, object] | None, list[str]]:
    """Exit code, answer, and what it said."""
    said: list[str] = []
    ended, result = answers.ask(["-c", code], os.environ, given, said.append)
    return ended, result, said


def test_it_answers_what_it_was_given() -> None:
    code = "import sys; print('looking'); print('RESULT {\"given\": ' + sys.stdin.read() + '}')"
    assert ask(code, "7") == (0, {"given": 7}, ["looking"])


def test_what_fails_has_no_answer() -> None:
    assert ask("raise SystemExit('it broke')") == (1, None, ["it broke"])


def test_whoever_is_interrupted_does_not_wait_for_it() -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    seen: list[int] = []

    def interrupt(line: str) -> None:
        seen.append(int(line))
        raise Interrupted(15)

    begun = time.monotonic()
    with pytest.raises(Interrupted):
        answers.ask(["-c", code], os.environ, "", interrupt)

    assert time.monotonic() - begun < 60
    assert not set(seen) & set(process_ids())
