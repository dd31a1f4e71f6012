"""A pasted `docker run` line, or the shell snippet or job around it, read into what the form of a new application holds.

Nothing is ever run, replaced or looked up, and nothing is lost: what comes to no setting is listed with a reason.
"""

from django.utils.translation import gettext as _t

from deployments.run_line import around, reading
from deployments.run_line.result import (
    MOST_CHARACTERS,
    Accounted,
    Build,
    Note,
    Repository,
    RunLine,
    Variable,
)

__all__ = ["MOST_CHARACTERS", "Accounted", "Build", "Note", "Repository", "RunLine", "Variable", "read_run_line"]


def read_run_line(text: str) -> RunLine:
    """Read any text; never raises. Line ends may be of any kind; the account's places count them as one character."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MOST_CHARACTERS:
        why = _t(str(around.TOO_LONG)) % {"most": MOST_CHARACTERS}
        note = Note(f"{text[:100]}…", why, 1)
        return RunLine(not_understood=(note,), account=(Accounted(0, len(text), "not_understood"),))
    return reading.read(text)
