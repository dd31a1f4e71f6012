"""Readers of the container options: what was typed, into what is stored. As `setting_fields`, whose readers they join."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import setting_fields as fields
from deployments import setting_words
from deployments.setting_fields import Errors, Field, Reader

MOST_LINES: Final = 100
MOST_PORTS: Final = 100
UNLIMITED: Final = -1

_RANGE: Final = re.compile(r"(\d{1,5})\s*-\s*(\d{1,5})")
_IN_HOSTS: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_GPUS: Final = re.compile(r"all|[1-9]\d{0,2}|device=[A-Za-z0-9_./:-]{1,80}(,[A-Za-z0-9_./:-]{1,80}){0,31}")
_NETWORK: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_OWN_LABELS: Final = ("estiva.", "com.docker.", "io.docker.", "org.dockerproject.")
_BUILT_IN: Final = frozenset({"bridge", "container", "default", "host", "none"})

Check = Callable[[str, str, Errors], str]
"""(text, path, errors) → the text as it is kept; refusals go to their path."""


def port_numbers(value: int | str) -> range:
    """The ports that a stored `80` or `8000-8010` stands for."""
    first, _dash, last = str(value).partition("-")
    return range(int(first), int(last or first) + 1)


def port(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """One port, or a range such as 8000-8010, which stays a text."""
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return fields.whole(1, 65535)(value, path, field, errors)
    low, high = int(found[1]), int(found[2])
    if not 1 <= low <= high <= 65535:
        fields.refuse(errors, path, _("Ports go from 1 to 65535, ranges from the lower to the higher."))
    elif high - low >= MOST_PORTS:
        fields.refuse(errors, path, _t("A range holds at most %(most)s ports.") % {"most": MOST_PORTS})
    else:
        return low if low == high else f"{low}-{high}"
    return field.default


def pattern(expression: str, message: Any) -> Reader:
    """A text of this shape."""
    shape = re.compile(expression)

    def read(value: Any, path: str, field: Field, errors: Errors) -> Any:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not shape.fullmatch(text):
            fields.refuse(errors, path, message)
            return field.default
        return text

    return read


def size_or_unlimited(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A size, or -1 for no limit."""
    if str(value).strip().lower() in {"-1", "unlimited"}:
        return UNLIMITED
    return fields.size(1)(value, path, field, errors)


def between(least: int, most: int) -> Reader:
    """A whole number that may be negative."""

    def read(value: Any, path: str, field: Field, errors: Errors) -> Any:
        number = int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}", value) else value
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            said = _t("Write a whole number from %(least)s to %(most)s.") % {"least": least, "most": most}
            fields.refuse(errors, path, said)
            return field.default
        return number

    return read


def lines(check: Check, *, canonical: Callable[[str], str] = str) -> Reader:
    """Entries, one a line; each once. `canonical` comes before the check."""

    def read(value: Any, path: str, field: Field, errors: Errors) -> Any:
        if value is None:
            return field.default
        given = re.split(r"\r?\n", value) if isinstance(value, str) else value
        if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
            fields.refuse(errors, path, _("Write a list, one a line."))
            return field.default
        if len(given) > MOST_LINES:
            fields.refuse(errors, path, _t("Write at most %(most)s.") % {"most": MOST_LINES})
            return field.default
        kept = [
            check(canonical(each.strip()), f"{path}.{number}", errors)
            for number, each in enumerate(given)
            if each.strip()
        ]
        return list(dict.fromkeys(kept)) or field.default

    return read


def shaped(expression: str, message: Any) -> Check:
    """An entry of this shape."""
    shape = re.compile(expression)

    def check(text: str, path: str, errors: Errors) -> str:
        if not shape.fullmatch(text):
            fields.refuse(errors, path, message)
        return text

    return check


def pair(expression: str, message: Any) -> Check:
    """`NAME=value`, the name of this shape; the value is any text of one line, empty where there is no sign."""
    shape = re.compile(expression)

    def check(text: str, path: str, errors: Errors) -> str:
        name, _equals, value = text.partition("=")
        if not shape.fullmatch(name) or not value.isprintable():
            fields.refuse(errors, path, message)
        return f"{name}={value}"

    return check


def label(text: str, path: str, errors: Errors) -> str:
    """`NAME=value`; Estiva's and Docker's own names are refused, since they say whose a container is."""
    found = pair(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,254})", _("Write NAME=value, such as com.example.team=web."))(
        text, path, errors
    )
    if found.lower().startswith(_OWN_LABELS):
        said = _("Names that begin with estiva. or com.docker. are Estiva's and Docker's own.")
        fields.refuse(errors, path, said)
    return found


def extra_host(text: str, path: str, errors: Errors) -> str:
    """`name:address`, also `name=address`; kept with a colon."""
    sign = "=" if "=" in text else ":"
    name, _sign, given = text.partition(sign)
    if not _IN_HOSTS.fullmatch(name) or not _is_target(given):
        said = _("Write name:address, such as db.internal:10.0.0.5, or host-gateway instead of the address.")
        fields.refuse(errors, path, said)
        return text
    return f"{name}:{given.strip('[]')}"


def _is_target(text: str) -> bool:
    return text == "host-gateway" or _is_address(text.strip("[]"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def address(text: str, path: str, errors: Errors) -> str:
    """An IPv4 or IPv6 address."""
    if not _is_address(text):
        fields.refuse(errors, path, _("Write an address, such as 10.0.0.53."))
    return text


def path_line(text: str, path: str, errors: Errors) -> str:
    """A folder in the container."""
    return str(fields.container_path(text, path, _PATH, errors))


def version(number: int) -> Reader:
    """An address of this IP version."""

    def read(value: Any, path: str, field: Field, errors: Errors) -> Any:
        try:
            found = ipaddress.ip_address(value if isinstance(value, str) and "%" not in value else "")
        except ValueError:
            found = None
        if found is None or found.version != number:
            fields.refuse(errors, path, _t("Write an IPv%(version)s address.") % {"version": number})
            return field.default
        return str(found)

    return read


def network(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """The name of a network of the server's own, as it is called there."""
    if not isinstance(value, str) or not _NETWORK.fullmatch(value) or value in _BUILT_IN:
        said = _("Write a network's name as the server calls it; host and none are another setting.")
        fields.refuse(errors, path, said)
    return value


def words(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """Names separated by commas or blanks, kept as one text."""
    inner: Errors = {}
    found = fields.names(value, path, field, inner)
    for texts in inner.values():
        for text in texts:
            fields.refuse(errors, path, text)
    return ", ".join(map(str, found))


def server_path(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A folder, file or device of the server: full, without `..`, and nothing that would be read as more than a path."""
    text = str(value)
    parts = text.split("/")
    if not text.startswith("/") or not text.isprintable() or ":" in text or {"..", "."} & set(parts):
        fields.refuse(errors, path, _("Write a full path of the server, such as /srv/data, without “..” and “:”."))
        return value
    return "/" + "/".join(part for part in parts if part)


def gpus(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """`all`, a number, or `device=` with ids or numbers."""
    text = str(value).replace(" ", "")
    if not _GPUS.fullmatch(text):
        fields.refuse(errors, path, _("Write all, a number such as 2, or device=0,1."))
    return text


def limit(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A ulimit's number; -1 or “unlimited” is none."""
    if str(value).strip().lower() == "unlimited":
        return UNLIMITED
    return between(UNLIMITED, 2**53)(value, path, field, errors)


def pairs_of(entries: Any) -> dict[str, str]:
    """Stored `NAME=value` entries by name."""
    return {name: value for name, _equals, value in (each.partition("=") for each in entries or ())}


def tmpfs_text(rows: Any) -> str:
    """`/run 64m 1777`, one after another."""
    return ", ".join(" ".join(_tmpfs_words(row)) for row in rows or ())


def _tmpfs_words(row: Mapping[str, Any]) -> list[str]:
    size = [setting_words.size_text(row["size"])] if row.get("size") else []
    return [row["path"], *size, *([row["mode"]] if row.get("mode") else []), *(["exec"] if row.get("exec") else [])]


_PATH: Final = Field("path", "text", "", read=fields.container_path)
