"""Single settings, and readers from what was typed to what is stored (`setting_words` goes on to words).

A reader takes (value, path, field, errors), returns the stored value and puts refusals at their path. What a person leaves
empty is the default.
"""

import ipaddress
import math
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import setting_words

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Errors = dict[str, "list[str | StrPromise]"]
Reader = Callable[[Any, str, "Field", Errors], Any]

_VOLUME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)*")
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_TRUE: Final = frozenset({"1", "true", "on", "yes"})
_FALSE: Final = frozenset({"", "0", "false", "off", "no"})
_MOST_ROWS: Final = 100


def _as_given(value: Any, path: str, field: "Field", errors: Errors) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Field:
    """One setting. `kind` says how a form shows it: text, lines, integer, decimal, size, choice, toggle, rows, group.

    `privileged`: an admin sets it, or some values of it (`deployments.power` says which). `when`: the kinds of health check
    it matters to. `columns`: of rows and groups. `sparse`: kept only where something was said, so that what Docker does by
    itself stays its own affair, and a Release from before there was such a setting is not another one for it. `section` is
    where a form shows it.
    """

    name: str
    kind: str
    label: "str | StrPromise"
    help: "str | StrPromise" = ""
    default: Any = None
    read: Reader = _as_given
    required: bool = False
    privileged: bool = False
    choices: "Sequence[tuple[str, str | StrPromise]]" = ()
    columns: tuple["Field", ...] = ()
    when: tuple[str, ...] = ()
    show: Callable[[Any], str] | None = None
    sparse: bool = False
    section: str = ""


def refuse(errors: Errors, path: str, message: "str | StrPromise") -> None:
    """Put a refusal at its path."""
    errors.setdefault(path, []).append(message)


def read_all(fields: Iterable[Field], raw: Any, prefix: str, errors: Errors) -> dict[str, Any]:
    """Each field's stored value; names that no field has are refused, so that a typing error doesn't pass for a setting."""
    fields = tuple(fields)
    if not isinstance(raw, Mapping):
        refuse(errors, prefix.rstrip("."), _("This is not a group of settings."))
        return {field.name: field.default for field in fields}
    for unknown in sorted(set(map(str, raw)) - {field.name for field in fields}):
        refuse(errors, f"{prefix}{unknown}", _("There is no such setting."))
    values = {field.name: _read_one(field, raw.get(field.name), f"{prefix}{field.name}", errors) for field in fields}
    return {field.name: values[field.name] for field in fields if not _goes_without_saying(field, values[field.name])}


def _goes_without_saying(field: Field, value: Any) -> bool:
    return field.sparse and (value == field.default or (field.kind == "rows" and not value))


def _read_one(field: Field, value: Any, path: str, errors: Errors) -> Any:
    if isinstance(value, str) and field.kind != "lines":
        value = value.strip()
    if value is None or value == "":
        if field.required:
            refuse(errors, path, _("This is needed."))
        if field.kind in {"rows", "group", "lines"}:
            return field.read(
                [] if field.kind == "rows" else {} if field.kind == "group" else field.default, path, field, errors
            )
        return field.default
    return field.read(value, path, field, errors)


def whole(least: int, most: int) -> Reader:
    """A whole number between two bounds."""

    def read(value: Any, path: str, field: Field, errors: Errors) -> Any:
        number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,12}", value) else value
        if isinstance(number, bool) or not isinstance(number, int):
            refuse(
                errors, path, _t("Write a whole number from %(least)s to %(most)s.") % {"least": least, "most": most}
            )
        elif not least <= number <= most:
            refuse(errors, path, _t("Use a number from %(least)s to %(most)s.") % {"least": least, "most": most})
        else:
            return number
        return field.default

    return read


def decimal(least: float, most: float) -> Reader:
    """A number, fractions allowed, between two bounds."""

    def read(value: Any, path: str, field: Field, errors: Errors) -> Any:
        try:
            number = float(value.replace(",", ".")) if isinstance(value, str) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if isinstance(value, bool) or not least <= number <= most:  # nan is in no range
            refuse(errors, path, _t("Write a number from %(least)s to %(most)s.") % {"least": least, "most": most})
            return field.default
        return number

    return read


def size(least: int) -> Reader:
    """A size in bytes, typed as a number with a unit (binary, as Docker reads it)."""

    def read(value: Any, path: str, field: Field, errors: Errors) -> Any:
        found = _SIZE.fullmatch(str(value))
        if found is None or isinstance(value, bool):
            refuse(errors, path, _("Write a size such as 512m or 2g."))
            return field.default
        number = int(float(found[1]) * setting_words.UNITS[found[2].lower()])
        if not least <= number < 2**63:
            refuse(errors, path, _t("Docker takes no less than %(least)s.") % {"least": setting_words.size_text(least)})
            return field.default
        return number

    return read


def choice(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """One of the field's choices."""
    names = [name for name, _label in field.choices]
    if value not in names:
        refuse(errors, path, _t("Choose one of: %(names)s.") % {"names": ", ".join(names)})
        return field.default
    return value


def toggle(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """Yes or no, as a form or a program says it."""
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        refuse(errors, path, _("Say yes or no."))
    return text in _TRUE


def address(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """An IPv4 or IPv6 address."""
    try:
        return str(ipaddress.ip_address(value.strip("[]") if isinstance(value, str) else value))
    except ValueError:
        refuse(errors, path, _("Write an address of the server, such as 0.0.0.0 or 127.0.0.1; names don't work here."))
        return field.default


def volume_name(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A named volume; folders of the server are another setting."""
    if isinstance(value, str) and _VOLUME.fullmatch(value):
        return value
    if isinstance(value, str) and value.startswith(("/", ".", "~")):
        refuse(errors, path, _("This is a folder of the server. Only named volumes can be used, such as “data”."))
    else:
        refuse(errors, path, _("Use 2 to 128 letters, digits, “_”, “.” or “-”, beginning with a letter or digit."))
    return value


def container_path(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A folder in the container, made canonical."""
    text = str(value)
    if not text.startswith("/") or not text.isprintable() or ":" in text:
        refuse(errors, path, _("Write a full path in the container, such as /data."))
        return value
    canonical = "/" + posixpath.normpath(text).lstrip("/")
    if canonical == "/":
        refuse(errors, path, _("A volume can't take the place of the whole container."))
    return canonical


def url_path(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """What follows the address in an HTTP request, query included."""
    text = str(value)
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or " " in text or len(text) > 500:
        refuse(errors, path, _("Write a path that begins with “/”, such as /healthz; other letters as %XX."))
    return text


def user(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """`name`, `1000`, `name:group` or `1000:1000`."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _USER.fullmatch(value):
        refuse(errors, path, _("Write a name or number, such as app, 1000 or 1000:1000."))
    return value


def arguments(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A list of arguments; a text is one argument a line. Nothing splits or expands them. Empty: None."""
    if value is None:
        return None
    given = value.replace("\r\n", "\n").strip("\n").split("\n") if isinstance(value, str) else value
    if isinstance(value, str) and not value.strip():
        return None
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        refuse(errors, path, _("Write a list of arguments."))
        return None
    if any("\x00" in each or not _is_text(each) for each in given):
        refuse(errors, path, _("An argument can't contain a NUL character or half a character."))
    return list(given) or None


def names(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """Names in a network: a list, or a text with one a line."""
    given = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        refuse(errors, path, _("Write a list of names."))
        return []
    kept: list[str] = []
    for number, name in enumerate(given):
        if name == "" or name in kept:
            continue
        if not isinstance(name, str) or len(name) > 253 or not _NAME.fullmatch(name):
            refuse(
                errors, f"{path}.{number}", _("Use lowercase letters, digits and dashes, such as db or api.internal.")
            )
        kept.append(name)
    return kept


def rows(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A list of groups; rows that were left wholly empty are dropped."""
    if not isinstance(value, list | tuple) or len(value) > _MOST_ROWS:
        refuse(errors, path, _t("Write a list of at most %(most)s rows.") % {"most": _MOST_ROWS})
        return []
    needed = [column.name for column in field.columns if column.required]
    return [
        read_all(field.columns, row, f"{path}.{number}.", errors)
        for number, row in enumerate(value)
        if not isinstance(row, Mapping) or any(row.get(name) not in (None, "") for name in (*needed, "host_port"))
    ]


def group(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A nested group of fields."""
    return read_all(field.columns, value, f"{path}.", errors)


def _is_text(text: str) -> bool:
    """Nothing that UTF-8 can't hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
