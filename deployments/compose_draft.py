"""What the keys of one compose service come to, as they are read."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _t

from deployments.run_line.result import Build, Note, Variable
from deployments.settings_draft import Effort, SettingsDraft
from deployments.yaml_lines import Node

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_REPLACED: Final = re.compile(r"(?<!\$)(?:\$\$)*(\$\{[^}]{0,300}\}|\$[A-Za-z_]\w*)")
_LONGEST: Final = 200


class ServiceDraft(SettingsDraft):
    """What the keys of one service come to. `volumes` says what a volume of the file is called on the server."""

    def __init__(self, volumes: Callable[[str], str], effort: Effort) -> None:
        super().__init__(effort)
        self.volumes = volumes
        self.image = ""
        self.build: Build | None = None
        self.variables: dict[str, Variable] = {}
        self.not_understood: list[Note] = []
        self.left_out: list[Note] = []

    def puzzle(self, text: str, why: "str | StrPromise", line: int) -> None:
        """What a person has to see to."""
        self.not_understood.append(Note(short(text), str(why), line))

    def set(self, text: str, node: Node, name: str, value: Any) -> None:
        """One setting, if the domain takes it and nothing in it would be replaced."""
        if missing := replaced(str(value)):
            self.puzzle(text, missing, node.line)
        elif (refusal := self.accept(name, unescaped(value))) is not None:
            self.puzzle(text, refusal, node.line)

    def put(self, text: str, node: Node, name: str, rows: list[Any]) -> None:
        """Rows more of one setting, by the same rule."""
        if missing := replaced(str(rows)):
            self.puzzle(text, missing, node.line)
        elif (refusal := self.add(name, unescaped(rows))) is not None:
            self.puzzle(text, refusal, node.line)


def replaced(text: str) -> str | None:
    """Why a text with `${NAME}` can't be taken, None where there is none."""
    found = list(dict.fromkeys(_REPLACED.findall(text)))
    if not found:
        return None
    return _t("Nothing is replaced here: write your own value for %(what)s.") % {"what": ", ".join(found)}


def unescaped(value: Any) -> Any:
    """`$$` stands for one dollar sign."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    return [unescaped(each) for each in value] if isinstance(value, list) else value


def written(key: str, node: Node) -> str:
    """A key as it stands, with its value where that is short and plain."""
    return f"{key}: {node.text}" if node.is_scalar else key


def short(text: str) -> str:
    """For a note."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
