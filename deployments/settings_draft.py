"""Settings that come together piece by piece from what somebody has, acceptable at any time."""

from typing import Any, Final

from django.utils.translation import gettext as _t

from deployments import container_settings
from deployments.errors import FieldErrors

_MOST_TRIES: Final = 300


class SettingsDraft:
    """`settings` always is what `container_settings.normalise` takes, and holds only what was said."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self._tries = 0

    def accept(self, name: str, value: Any) -> str | None:
        """Take one setting; returns the sentence why it can't be, None where it was taken."""
        self._tries += 1
        if self._tries > _MOST_TRIES:
            return _t("There is too much of this.")
        try:
            container_settings.normalise({name: value})
        except FieldErrors as refused:
            return " ".join(dict.fromkeys(str(text) for texts in refused.errors.values() for text in texts))
        self.settings[name] = value
        return None
