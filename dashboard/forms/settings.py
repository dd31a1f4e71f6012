"""The forms of a container's, a build's and a Compose application's settings, drawn from the domain's own tables: a new row
there appears here by itself.

Names are dotted paths under `settings.`, `build.`, `compose.` or `rollout.` (`settings.ports.0.host_port`), the same that the domain's
refusals carry.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as part
from typing import Any, Final

from django.http import QueryDict

from deployments import build_settings, compose_settings, container_settings, rollout_settings
from deployments.container_options import SECTIONS
from deployments.setting_fields import Field
from deployments.setting_words import size_text

PREFIX: Final = "settings"
BUILD: Final = "build"
COMPOSE: Final = "compose"
ROLLOUT: Final = "rollout"
_TABLES: Final = {
    PREFIX: container_settings.FIELDS,
    BUILD: build_settings.FIELDS,
    COMPOSE: compose_settings.FIELDS,
    ROLLOUT: rollout_settings.FIELDS,
}
_SUGGESTED: Final = {"ref", "dockerfile", "variable"}
_UNUSUAL: Final = {"memory", "cpus", "deadline", "submodules", "lfs"}
_MOST_ROWS: Final = 100
_NUMBER = re.compile(r"\d{1,3}")
_LINE = re.compile(r"\D{0,20}(\d{1,6}):")

Errors = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Bound:
    """A field with what stands in it. `rows` are a table's rows, the last one a blank to copy; `columns` a group's fields."""

    field: Field
    path: str
    value: str = ""
    errors: tuple[str, ...] = ()
    columns: "list[Bound]" = part(default_factory=list)
    rows: "list[list[Bound]]" = part(default_factory=list)
    blank: "list[Bound]" = part(default_factory=list)

    @property
    def id(self) -> str:
        """For labels and descriptions."""
        return "id_" + self.path.replace(".", "_")

    @property
    def described_by(self) -> str:
        """The ids of what explains it."""
        parts = [f"{self.id}_help"] if self.field.help else []
        return " ".join([*parts, *([f"{self.id}_error"] if self.errors else [])])

    @property
    def when(self) -> str:
        """The kinds of health check that it matters to, separated by spaces; "" means always."""
        return " ".join(self.field.when)

    @property
    def has_errors(self) -> bool:
        """Something in it was refused."""
        inner = [*self.columns, *(cell for row in self.rows for cell in row)]
        return bool(self.errors) or any(each.has_errors for each in inner)

    @property
    def is_said(self) -> bool:
        """Something else stands in it than what goes without saying."""
        if self.field.kind == "rows":
            return bool(self.rows)
        return self.value not in {"", _as_typed(self.field, self.field.default)}

    @property
    def is_checked(self) -> bool:
        """For a toggle."""
        return self.value == "on"

    @property
    def suggestions(self) -> str:
        """The id of the page's list of what may be typed here; "" where there is none."""
        is_of_source = self.path.startswith((f"{BUILD}.", f"{COMPOSE}."))
        return f"known-{self.field.name}" if is_of_source and self.field.name in _SUGGESTED else ""

    @property
    def bad_lines(self) -> str:
        """The lines of a text that were refused, by number, separated by spaces."""
        return " ".join(found[1] for text in self.errors if (found := _LINE.match(text)))


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together, by their shapes, so that what is short stands side by side."""

    name: str
    title: str
    fields: list[Bound]

    @property
    def tables(self) -> list[Bound]:
        """Rows."""
        return [each for each in self.fields if each.field.kind == "rows"]

    @property
    def lines(self) -> list[Bound]:
        """Lists, one entry a line."""
        return [each for each in self.fields if each.field.kind == "lines"]

    @property
    def toggles(self) -> list[Bound]:
        """Yes or no."""
        return [each for each in self.fields if each.field.kind == "toggle"]

    @property
    def short(self) -> list[Bound]:
        """All others: one line each."""
        return [each for each in self.fields if each.field.kind not in {"rows", "lines", "toggle"}]

    @property
    def said(self) -> list[str]:
        """The labels of what was set."""
        return [str(each.field.label) for each in self.fields if each.is_said]

    @property
    def is_open(self) -> bool:
        """Something was set in it, or refused."""
        return bool(self.said) or any(each.has_errors for each in self.fields)


class SettingsForm:
    """`raw` is what was stored or typed; `errors` are the domain's, by dotted path; `prefix` says of which table."""

    def __init__(self, raw: Mapping[str, Any], errors: Errors | None = None, prefix: str = PREFIX) -> None:
        self.raw = raw
        self._errors = {path: tuple(map(str, each)) for path, each in (errors or {}).items()}
        fields = _TABLES[prefix]
        self._fields = {each.name: self._bind(each, raw.get(each.name, each.default), prefix) for each in fields}

    def __getitem__(self, name: str) -> Bound:
        """A field by its name, for templates."""
        return self._fields[name]

    def __iter__(self) -> Iterator[Bound]:
        """Every field in the domain's order."""
        return iter(self._fields.values())

    @property
    def has_errors(self) -> bool:
        """Something was refused."""
        return any(each.has_errors for each in self)

    @property
    def sections(self) -> list[Section]:
        """What stands folded in the form of a container: all but ports and health."""
        found = [
            Section(name, str(title), [each for each in self if each.field.section == name])
            for name, title in SECTIONS.items()
        ]
        return [each for each in found if each.name not in {"ports", "health"}]

    @property
    def has_unusual_errors(self) -> bool:
        """Something was refused among what is folded away: of Compose, what only matters to builds."""
        return any(each.has_errors for each in self if each.field.name in _UNUSUAL)

    def _bind(self, field: Field, value: Any, parent: str) -> Bound:
        path = f"{parent}.{field.name}"
        if field.kind == "rows":
            given = value if isinstance(value, list | tuple) else []
            rows = [self._bind_columns(field, row, f"{path}.{number}") for number, row in enumerate(given)]
            blank = self._bind_columns(field, {}, f"{path}.__")
            return Bound(field, path, errors=self._errors.get(path, ()), rows=rows, blank=blank)
        if field.kind == "group":
            group = value if isinstance(value, Mapping) else {}
            return Bound(field, path, errors=self._errors.get(path, ()), columns=self._bind_columns(field, group, path))
        return Bound(field, path, _as_typed(field, value), self._errors_of(field, path))

    def _bind_columns(self, field: Field, values: Mapping[str, Any], path: str) -> list[Bound]:
        return [self._bind(column, values.get(column.name, column.default), path) for column in field.columns]

    def _errors_of(self, field: Field, path: str) -> tuple[str, ...]:
        """Of a list typed as one text also those of its single entries."""
        own = self._errors.get(path, ())
        inner = [
            f"{int(key.rpartition('.')[2]) + 1}: {text}"
            for key, texts in self._errors.items()
            for text in texts
            if key.startswith(f"{path}.")
        ]
        return (*own, *inner)


def read(post: QueryDict, prefix: str = PREFIX) -> dict[str, Any]:
    """What was typed, in the shape that the domain reads: rows left wholly blank are gone, so that its paths are ours."""
    return {each.name: _read(each, post, f"{prefix}.{each.name}") for each in _TABLES[prefix]}


def _read(field: Field, post: QueryDict, path: str) -> Any:
    if field.kind == "rows":
        rows = (_read_columns(field, post, f"{path}.{number}") for number in _numbers(post, f"{path}."))
        return [row for row in rows if not _is_blank(field, row)]
    if field.kind == "group":
        return _read_columns(field, post, path)
    text = post.get(path, "")
    if field.kind == "toggle" and field.default and not text:
        return "off"  # an empty box would read as nothing said, hence as on
    is_list = field.kind == "lines" and not isinstance(field.default, str)
    return _read_lines(field, text) if is_list else text


def _read_columns(field: Field, post: QueryDict, path: str) -> dict[str, Any]:
    return {column.name: _read(column, post, f"{path}.{column.name}") for column in field.columns}


def _read_lines(field: Field, text: str) -> Any:
    """One entry a line, or a JSON list where an entry itself has several lines."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            return text
        if isinstance(found, list) and all(isinstance(each, str) for each in found):
            return found
    return text


def _numbers(post: QueryDict, prefix: str) -> list[int]:
    """The rows' numbers that occur, in order."""
    found = {key.removeprefix(prefix).partition(".")[0] for key in post if key.startswith(prefix)}
    return sorted(int(number) for number in found if _NUMBER.fullmatch(number))[:_MOST_ROWS]


def _is_blank(field: Field, row: Mapping[str, Any]) -> bool:
    """Nothing was typed that isn't there from the start."""
    return all(str(row[column.name]).strip() in {"", _as_typed(column, column.default)} for column in field.columns)


def _as_typed(field: Field, value: Any) -> str:
    """A stored or typed value as it stands in its field."""
    if value is None:
        return ""
    if field.kind == "size" and isinstance(value, int):
        return size_text(value)
    if field.kind == "toggle":
        return "on" if value in (True, "on") else ""
    if field.kind == "text" and isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if field.kind == "lines" and not isinstance(value, str):
        entries = [str(each) for each in value]
        needs_json = any("\n" in each or not each.strip() for each in entries) or "".join(entries[:1]).startswith("[")
        return json.dumps(entries, ensure_ascii=False) if needs_json else "\n".join(entries)
    return f"{value:g}" if isinstance(value, float) else str(value)
