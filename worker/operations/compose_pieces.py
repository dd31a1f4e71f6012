"""What somebody changed by hand on a container of a Compose application, piece by piece in words. Pure.

No variable's value is known here, and of a setting only what can hardly hold a secret: see `engine.compose.left`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from deployments import container_settings
from worker.engine.compose.left import Changed, is_hashed
from worker.engine.found import ENGINE

Change = dict[str, str]

_OF_VARIABLE: Final = {
    "changed": "{name} has another value in {whom}",
    "added": "{name} was added in {whom}",
    "removed": "{name} is not set in {whom}",
}
_OF_NETWORK: Final = {
    "changed": "other names or addresses in network {name}",
    "added": "joined network {name}",
    "removed": "left network {name}",
}
_VALUES: Final = {"changed": ("as it was left", "another value"), "added": ("", "a value"), "removed": ("a value", "")}
_PLACES: Final = {
    "changed": ("as it was left", "other names or addresses"),
    "added": ("", "joined"),
    "removed": ("joined", ""),
}


def said_of(whom: str, differs: Changed) -> list[str]:
    """A few words for each kind of piece."""
    said = []
    if differs.recreated:
        how = ", from another definition" if differs.redefined else ""
        said.append(f"{whom} was recreated by hand{how}")
    if differs.name:
        said.append(f"{whom} was renamed to {differs.name}")
    short = [_in_short(each) for each in _settings(differs)]
    short += [_OF_NETWORK[how].format(name=name) for name, how in differs.networks.items()]
    if short:
        said.append(f"{whom} was changed by hand: {', '.join(short)}")
    return said + [_OF_VARIABLE[how].format(name=name, whom=whom) for name, how in differs.variables.items()]


def pieces(whom: str, differs: Changed) -> list[Change]:
    """As a Plan's changes."""
    found = []
    if differs.recreated:
        after = "recreated from another definition" if differs.redefined else "recreated"
        found.append(_change("Container", ("as it was left", after)))
    if differs.name:
        found.append(_change("Container name", ("as it was left", differs.name)))
    found += _settings(differs)
    found += [_change(f"Network {name}", _PLACES[how]) for name, how in differs.networks.items()]
    found += [_change(name, _VALUES[how], "variable") for name, how in differs.variables.items()]
    return [{**each, "name": f"{whom}: {each['name']}"} for each in found]


def _settings(differs: Changed) -> list[Change]:
    return [each for name, (before, now) in differs.settings.items() for each in _setting(name, before, now)]


def _setting(name: str, before: Any, now: Any) -> Iterable[Change]:
    """In the words of the settings where it is one, and where its values are known."""
    plain = name.removeprefix(ENGINE)
    if not (is_hashed(before) or is_hashed(now)):
        as_setting = container_settings.differences(_given(name, before), _given(name, now))
        return as_setting or [_change(plain, ("" if before is None else str(before), "" if now is None else str(now)))]
    how = "added" if before is None else "removed" if now is None else "changed"
    return [_change(container_settings.label(plain), _VALUES[how])]


def _given(name: str, value: Any) -> Mapping[str, Any]:
    return {} if value is None else {name: value}


def _change(name: str, values: tuple[str, str], kind: str = "setting") -> Change:
    return {"kind": kind, "name": name, "before": values[0], "after": values[1]}


def _in_short(change: Change) -> str:
    return f"{change['name']} {change['after'] or 'not set'}"
