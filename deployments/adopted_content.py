"""What a Release would say of a container that was changed by hand: its settings and variables with the difference laid over. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from deployments import container_settings

ENGINE: Final = "engine:"


def hidden(difference: Mapping[str, Any]) -> list[str]:
    """The variables whose values there are not read back."""
    return [each["name"] for each in difference.get("variables", []) if each.get("hidden")]


def settings_after(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with what was changed laid over them; FieldErrors where that can't be."""
    defaults = container_settings.defaults()
    after = dict(settings)
    for name, value in changes.items():
        if name.startswith(ENGINE):
            continue
        if value is None:
            after.pop(name, None)
            after.update({name: defaults[name]} if name in defaults else {})
        else:
            after[name] = _networks(settings, value) if name == "networks" else value
    return container_settings.normalise(after)


def variables_after(recorded: list[dict[str, Any]], changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is hidden stays as it was on record."""
    seen = {each["name"]: each for each in changes if not each.get("hidden")}
    kept = []
    for each in recorded:
        change = seen.pop(each["name"], None)
        if change is None:
            kept.append(dict(each))
        elif change["how"] != "removed":
            kept.append({"name": each["name"], "value": change["value"]})
    return [*kept, *({"name": each["name"], "value": each["value"]} for each in seen.values())]


def _networks(settings: Mapping[str, Any], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that were set so keep the words in which they were."""
    set_before = {row["name"]: row for row in settings.get("networks") or ()}
    return [
        next((old for old in [set_before.get(row["name"])] if old and _says(old) == _says(row)), row) for row in found
    ]


def _says(network: Mapping[str, Any]) -> tuple[set[str], str, str]:
    return set(network["aliases"].replace(",", " ").split()), network["ipv4"], network["ipv6"]
