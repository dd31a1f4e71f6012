"""What the flags of one container come to, as they are read."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _t

from deployments.run_line.ledger import Ledger
from deployments.run_line.parsing import Flag
from deployments.run_line.result import Variable
from deployments.run_line.shell import Word
from deployments.settings_draft import SettingsDraft

_SHOWN: Final = 200  # characters of a value in a hint


class Draft(SettingsDraft):
    """What the flags of one container come to."""

    def __init__(self, ledger: Ledger, shell_variables: Mapping[str, str]) -> None:
        super().__init__()
        self.ledger = ledger
        self.shell_variables = shell_variables
        self.variables: dict[str, Variable] = {}
        self.name = ""

    def needs_value(self, unresolved: tuple[str, ...]) -> str:
        """Why something with a shell's variable in it was not taken, and what is known about it."""
        known = [
            f"{each} = {self.shell_variables[name][:_SHOWN]}"
            for each in unresolved
            if (name := _bare(each)) in self.shell_variables
        ]
        said = _t("Nothing is replaced here: write your own value for %(what)s.") % {
            "what": ", ".join(dict.fromkeys(unresolved))
        }
        return (
            said
            if not known
            else f"{said} {_t('Set further up: %(known)s.') % {'known': ', '.join(dict.fromkeys(known))}}"
        )

    def set(self, flag: Flag, name: str, value: Any) -> None:
        """One setting, if the domain takes it."""
        self._told(flag, self.accept(name, value))

    def put(self, flag: Flag, name: str, rows: list[Any]) -> None:
        """Rows more of one setting, if the domain takes them."""
        self._told(flag, self.add(name, rows))

    def _told(self, flag: Flag, refusal: str | None) -> None:
        if refusal is None:
            self.ledger.use(flag.words)
        else:
            self.ledger.puzzle(flag.words, refusal, flag.text)

    def command(self, words: list[Word]) -> None:
        """What follows the image; a shell's variables in it stay as written, and are named."""
        if not words:
            return
        refusal = self.accept("command", [word.value for word in words])
        if refusal is not None:
            self.ledger.puzzle(words, refusal)
            return
        self.ledger.use(words)
        if unresolved := tuple(each for word in words for each in word.unresolved):
            remark = _t("It is in the command as written; change it there.")
            self.ledger.puzzle(words, f"{self.needs_value(unresolved)} {remark}")


def _bare(written: str) -> str:
    """`NAME` of `$NAME` and `${NAME}`."""
    return written.strip("${}%")
