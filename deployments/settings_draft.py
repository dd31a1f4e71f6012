"""Settings that come together piece by piece from what somebody has, acceptable at any time."""

from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _t

from deployments import container_settings
from deployments.errors import FieldErrors

_MOST_EFFORT: Final = 60_000  # in units of about ten microseconds
_A_TRY: Final = 12
_GROUPS: Final = (
    ("ports", "network_aliases", "networks", "mac_address", "network_mode"),
    ("health", "network_mode"),
    ("hostname", "domainname", "uts_mode"),
    ("volumes", "binds", "tmpfs", "anonymous_volumes"),
    ("memory", "memory_swap", "memory_reservation"),
    ("cpus", "cpu_quota", "cpu_period"),
    ("log_driver", "log_options"),
)
_TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    name: tuple({other for group in _GROUPS if name in group for other in group} - {name})
    for name in {each for group in _GROUPS for each in group}
}
"""Settings that are judged together: what was taken of the others counts when one is tried."""


@dataclass(slots=True)
class Effort:
    """What may still be spent on trying settings, by all drafts of one pasted text: rows are checked against each other."""

    left: int = _MOST_EFFORT

    def spend(self, rows: int) -> bool:
        """Whether another try with so many rows is still within it."""
        self.left = max(0, self.left - _A_TRY - rows - rows * rows // 10)
        return self.left > 0


class SettingsDraft:
    """`settings` always is what `container_settings.normalise` takes, and holds only what was said."""

    def __init__(self, effort: Effort | None = None) -> None:
        self.settings: dict[str, Any] = {}
        self.effort = effort or Effort()

    def accept(self, name: str, value: Any) -> str | None:
        """Take one setting; returns the sentence why it can't be, None where it was taken."""
        others: dict[str, Any] = {
            each: self.settings[each] for each in _TOGETHER.get(name, ()) if each in self.settings
        }
        if not self.effort.spend(
            sum(min(len(each), 100) for each in (value, *others.values()) if isinstance(each, list))
        ):
            return _t("There is too much in this text, so no setting was taken from here on. Paste less at once.")
        try:
            container_settings.normalise({**others, name: value})
        except FieldErrors as refused:
            return " ".join(dict.fromkeys(str(text) for texts in refused.errors.values() for text in texts))
        self.settings[name] = value
        return None

    def add(self, name: str, rows: list[Any]) -> str | None:
        """Take rows of one setting, apart from those that are there already; as `accept`."""
        known = self.settings.get(name, []) if self.effort.left else []
        return self.accept(name, [*known, *(row for row in rows if row not in known)])
