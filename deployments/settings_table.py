"""The settings of a container as the table that docs/settings.md holds; `bin/settings_table` writes it there."""

from collections.abc import Iterable
from typing import Final

from deployments.container_options import SECTIONS
from deployments.container_settings import FIELDS
from deployments.setting_fields import Field

BEGIN: Final = "<!-- from here on written by bin/settings_table -->"


def markdown() -> str:
    """Every setting by its section: its name, what it is, who sets it."""
    parts = []
    for section, title in SECTIONS.items():
        rows = [_row(each) for each in FIELDS if each.section == section]
        parts.append("\n".join([f"## {title}", "", "| name | what | who |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts)


def _row(field: Field) -> str:
    words = [f"{field.label}.", str(field.help), _choices(field)]
    if field.columns:
        words.append(("For each: " if field.kind == "rows" else "") + _columns(field.columns))
    elif field.default not in (None, "", ()) and field.kind != "toggle":
        words.append(f"Otherwise `{field.default}`.")
    who = "an admin" if field.privileged else ""
    return f"| `{field.name}` | {' '.join(word for word in words if word).replace('|', ',')} | {who} |"


def _choices(field: Field) -> str:
    names = [f"`{name}`" for name, _label in field.choices if name]
    return f"One of {', '.join(names)}." if names else ""


def _columns(columns: Iterable[Field]) -> str:
    return "; ".join(_column(each) for each in columns) + "."


def _column(column: Field) -> str:
    words = [str(column.label), str(column.help).rstrip("."), _choices(column).rstrip(".")]
    when = f" (for {', '.join(f'`{kind}`' for kind in column.when)})" if column.when else ""
    return f"`{column.name}`{when} " + ", ".join(word for word in words if word)
