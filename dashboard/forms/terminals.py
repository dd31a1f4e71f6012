"""Opening a terminal, and what is typed into one."""

import json
import re
from typing import Any, Final, NamedTuple

from django import forms
from django.utils.translation import gettext_lazy as _

from dashboard.forms.variables import ExactText
from deployments import one_offs
from deployments.terminal_keys import MOST_CHARACTERS, MOST_TAB, Keys

MOST_BODY: Final = 8 * MOST_CHARACTERS
MOST_COUNT: Final = 1_000_000_000
_TAB: Final = re.compile(rf"[0-9a-zA-Z-]{{1,{MOST_TAB}}}")


class TerminalForm(forms.Form):
    """What is run."""

    command = ExactText(
        label=_("Program"),
        rows=2,
        max_length=one_offs.MOST_CHARACTERS + one_offs.MOST_WORDS,
        initial="/bin/sh",
        help_text=_("One argument a line, the program first; no shell reads it. It is on record: no secrets here."),
    )

    def clean_command(self) -> list[str]:
        """Word by word."""
        words = one_offs.words_of(self.cleaned_data["command"])
        if not words or not words[0].strip():
            raise forms.ValidationError(_("Say what is to be run: the program stands in the first line."))
        return words


class Typed(NamedTuple):
    """One entry of a tab's."""

    tab: str
    number: int
    keys: Keys


def read_typed(body: bytes) -> Typed | None:
    """`{"tab", "number", "text", "columns", "rows"}`, the last two where the size changed; None for anything else."""
    if len(body) > MOST_BODY:
        return None
    try:
        given: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    tab, number, text = given.get("tab"), given.get("number"), given.get("text")
    if not (isinstance(tab, str) and _TAB.fullmatch(tab) and isinstance(text, str) and len(text) <= MOST_CHARACTERS):
        return None
    entry, columns, rows = _count(number), _count(given.get("columns")), _count(given.get("rows"))
    if entry is None or not (text or columns):
        return None
    return Typed(tab, entry, Keys(text, (columns, rows) if columns and rows else None))


def _count(value: object) -> int | None:
    """A whole number from 1 on; None for anything else."""
    good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value < MOST_COUNT
    return value if isinstance(value, int) and good else None
