"""Settings in words, for people: pages, the audit trail, what a Plan changes."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _t

if TYPE_CHECKING:
    from deployments.setting_fields import Field

UNITS: Final = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
"""What a letter behind a size stands for, as Docker reads it."""


def describe(fields: Iterable["Field"], settings: Mapping[str, Any]) -> dict[str, str]:
    """Label to text, groups as `Health: Path`; only what matters to the chosen kind of check."""
    texts: dict[str, str] = {}
    for field in fields:
        value = settings.get(field.name, field.default)
        if field.kind == "group":
            kind = (value or {}).get("kind")
            shown = [
                column
                for column in field.columns
                if (not column.when or kind in column.when) and (not column.sparse or (value or {}).get(column.name))
            ]
            inner = describe(shown, value or {})
            texts.update({f"{field.label}: {label}": text for label, text in inner.items()})
        else:
            texts[str(field.label)] = _show(field, value)
    return texts


def _show(field: "Field", value: Any) -> str:
    if field.show is not None:
        return field.show(value)
    if value is None or value == "":
        return ""
    if field.choices:
        return str(dict(field.choices).get(value, value))
    if isinstance(value, bool):
        return _t("yes") if value else _t("no")
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def ports_text(ports: Any) -> str:
    """`0.0.0.0:8080 → 5000/tcp`, one after another."""
    return ", ".join(f"{_host_side(port)} → {port['container_port']}/{port['protocol']}" for port in ports or ())


def _host_side(port: Mapping[str, Any]) -> str:
    host = f"[{port['host_address']}]" if ":" in port["host_address"] else port["host_address"]
    return f"{host}:{port['host_port'] or '*'}"


def volumes_text(volumes: Any) -> str:
    """`data at /data`, one after another."""
    return ", ".join(
        f"{each['name']} → {each['path']}" + (" (read only)" if each["read_only"] else "") for each in volumes or ()
    )


def arguments_text(given: Any) -> str:
    """The arguments as a JSON list, so that spaces within them show."""
    return "" if given is None else json.dumps(list(given), ensure_ascii=False)


def size_text(number: Any) -> str:
    """The largest unit that leaves a whole number: `512m`."""
    if number is None:
        return ""
    for unit in ("t", "g", "m", "k"):
        if number % UNITS[unit] == 0:
            return f"{number // UNITS[unit]}{unit}"
    return f"{number}b"
