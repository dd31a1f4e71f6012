"""What became of every word: nothing that was pasted is lost without being named."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _t

from deployments.run_line.result import Accounted, Fate, Note
from deployments.run_line.shell import Script, Word

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_LONGEST = 200


class Ledger:
    """Each word gets a fate; those that were given none are named as not understood at the end."""

    def __init__(self, script: Script, first_line: int = 1) -> None:
        self._script = script
        self._line_ends = [at for at, character in enumerate(script.text) if character == "\n"]
        self._first_line = first_line
        self._fates: dict[int, Fate] = {}
        self.not_understood: list[Note] = []
        self.left_out: list[Note] = []

    def use(self, words: Iterable[Word]) -> None:
        """These are in the result."""
        self._mark(words, "used")

    def shell(self, words: Iterable[Word]) -> None:
        """These are the shell's own: `sudo`, `then`, `2>&1`."""
        self._mark(words, "shell")

    def leave(self, words: Sequence[Word], why: "str | StrPromise", text: str | None = None) -> None:
        """These aren't needed."""
        self._mark(words, "left_out")
        self.left_out.append(self.note(words, why, text))

    def puzzle(self, words: Sequence[Word], why: "str | StrPromise", text: str | None = None) -> None:
        """These a person has to see to."""
        self._mark(words, "not_understood")
        self.not_understood.append(self.note(words, why, text))

    def note(self, words: Sequence[Word], why: "str | StrPromise", text: str | None = None) -> Note:
        """A note about words; `text` where it isn't just as written."""
        written = " ".join(word.raw for word in words) if text is None else text
        shown = written if len(written) <= _LONGEST else f"{written[: _LONGEST - 1]}…"
        return Note(shown, str(why), self.line(words[0]) if words else 0)

    def close(self) -> tuple[Accounted, ...]:
        """Name what is left over, and give the account of the whole text."""
        for command in self._script.commands:
            over = [word for word in command.words if word.start not in self._fates]
            if over:
                self.puzzle(over, _t("Nothing here says what to make of this."))
        words = [
            Accounted(word.start, word.end, self._fates[word.start])
            for command in self._script.commands
            for word in command.words
        ]
        asides = [Accounted(aside.start, aside.end, "shell") for aside in self._script.asides]
        return tuple(sorted([*words, *asides], key=lambda each: each.start))

    def _mark(self, words: Iterable[Word], fate: Fate) -> None:
        for word in words:
            if self._fates.get(word.start) != "not_understood":
                self._fates[word.start] = fate

    def line(self, word: Word) -> int:
        """Its line in the whole of what was pasted."""
        return bisect_left(self._line_ends, word.start) + self._first_line
