"""Docker's short ways to write the container options (`/run:size=64m`, `nofile=1024:2048`, `/dev/x:/dev/y:rw`), read into settings.

As `short_forms`: each reader returns what `container_settings` takes, or raises ShortFormError with a sentence for the person.
"""

import re
from typing import Any, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from deployments.short_forms import ShortFormError

_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(h|ms|us|ns|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000_001, "ns": 0.000_000_001}
_PATIENCE: Final = 60.0
_PLAIN_TMPFS: Final = frozenset({"", "rw", "nosuid", "nodev", "noexec"})


def read_tmpfs(text: str) -> dict[str, Any]:
    """`/run` or `/run:size=64m,mode=1777,exec`."""
    path, _colon, options = text.partition(":")
    row: dict[str, Any] = {"path": path}
    lost = []
    for option in options.split(","):
        name, _equals, value = option.partition("=")
        if name in {"size", "mode"} and value:
            row[name] = value.removeprefix("0") if name == "mode" and len(value) == 5 else value
        elif option == "exec":
            row["exec"] = "on"
        elif option not in _PLAIN_TMPFS:
            lost.append(option)
    if lost:
        said = _("Estiva has no such option of a folder in memory: {options}.")
        raise ShortFormError(format_lazy(said, options=", ".join(lost)))
    return row


def read_ulimit(text: str) -> dict[str, Any]:
    """`nofile=1024` or `nofile=1024:2048`."""
    name, equals, limits = text.partition("=")
    soft, colon, hard = limits.partition(":")
    if not equals or not soft or (colon and not hard):
        raise ShortFormError(_("Write a limit such as nofile=1024:2048."))
    return {"name": name, "soft": soft, "hard": hard or soft}


def read_device(text: str) -> dict[str, Any]:
    """`/dev/x`, `/dev/x:/dev/y` or `/dev/x:/dev/y:rw`."""
    source, *rest = text.split(":")
    if len(rest) > 2 or "=" in source:
        raise ShortFormError(_("Write a device such as /dev/ttyUSB0:/dev/ttyUSB0:rw."))
    if len(rest) == 1 and not rest[0].startswith("/"):
        return {"source": source, "permissions": rest[0]}
    return {"source": source, "path": rest[0] if rest else "", "permissions": rest[1] if len(rest) == 2 else "rwm"}


def read_gpus(text: str) -> str:
    """`all`, `2`, `device=0,1`, also with the quotes that Docker asks for around several."""
    plain = text.strip("\"' ")
    return plain.removeprefix("count=")


def read_duration(text: str) -> float:
    """Seconds of `1m30s`, `500ms` and the like."""
    at, seconds = 0, 0.0
    while (found := _PART.match(text, at)) is not None:
        at, seconds = found.end(), seconds + float(found[1]) * _SECONDS[found[2]]
    if not text or at != len(text):
        raise ShortFormError(_("Write a time such as 30s or 1m30s."))
    return seconds


def patient(health: dict[str, Any]) -> dict[str, Any]:
    """The check with a deadline behind the seconds it may start in, where those are many: Docker itself has none."""
    start = health.get("start_period", 0.0)
    return {**health, "deadline": start + _PATIENCE} if start >= _PATIENCE else health


def check_words(text: str) -> list[str]:
    """A health command as Docker runs it that is written as one text: by the shell of the image."""
    return ["/bin/sh", "-c", text]
