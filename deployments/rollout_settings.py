"""In which order a deploy reaches the servers, and when it stops: which settings there are, as `build_settings` has a build's."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import setting_fields as fields
from deployments import setting_words
from deployments.errors import FieldErrors
from deployments.setting_fields import Errors, Field

Gate = Literal["", "person", "minutes"]
T = TypeVar("T")

_SEVERAL: Final = ("batches", "canary")
_OF_WAVES: Final = {"size", "gate", "minutes", "stop_after", "then"}

_SIZE: Final = re.compile(r"(?P<number>[0-9]{1,4})\s*(?P<percent>%?)")


def _size(value: Any, path: str, field: Field, errors: Errors) -> Any:
    match = _SIZE.fullmatch(str(value).strip())
    number = int(match["number"]) if match else 0
    if match is None or number < 1 or (match["percent"] and number > 100):
        fields.refuse(errors, path, _("Write a number of servers, such as 2, or a share of them, such as 25 %."))
        return field.default
    return f"{number}{match['percent']}"


FIELDS: Final = (
    Field("kind", "choice", _("Order"), "", "all", fields.choice, choices=(
        ("all", _("All servers at once")),
        ("batches", _("In batches")),
        ("canary", _("A few first, then the others")),
    )),
    Field("size", "text", _("Servers at a time, or first"), _("A number such as 2, or a share such as 25 %."), "1", _size, when=_SEVERAL),
    Field("gate", "choice", _("Before the next ones"), "", "person", fields.choice, choices=(
        ("none", _("Go on at once")),
        ("person", _("Wait for a person")),
        ("minutes", _("Wait, and see them healthy")),
    ), when=_SEVERAL),
    Field("minutes", "integer", _("Minutes to wait"), "", 10, fields.whole(1, 24 * 60), when=_SEVERAL),
    Field("stop_after", "integer", _("Stop after failures"), _("Failed servers; 0: never."), 1, fields.whole(0, 1000), when=_SEVERAL),
    Field("then", "choice", _("Servers switched by then"), "", "leave", fields.choice, choices=(
        ("leave", _("Stay as they are")),
        ("restore", _("Get back what served before")),
    ), when=_SEVERAL),
    Field("away", "choice", _("A server that is away"), "", "fail", fields.choice, choices=(
        ("fail", _("Holds the deploy up, or fails")),
        ("skip", _("Is left out, and is behind then")),
        ("wait", _("Is waited for")),
    )),
    Field("catch_up", "choice", _("A server that is behind"), _("Once it is back."), "click", fields.choice, choices=(
        ("click", _("Waits for a click")),
        ("auto", _("Gets what it missed by itself")),
    )),
    Field("newer", "choice", _("A newer deploy"), _("What becomes of one that waits, when another is asked for."), "wait", fields.choice, choices=(
        ("wait", _("Waits its turn")),
        ("replace", _("Replaces those that wait")),
    )),
)  # fmt: skip


def defaults() -> dict[str, Any]:
    """The settings about which nothing was said: all at once."""
    return normalise({})


def normalise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read settings given as text or numbers; whatever this returns it takes again unchanged. Raises FieldErrors."""
    errors: Errors = {}
    settings = fields.read_all(FIELDS, raw, "", errors)
    if errors:
        raise FieldErrors(errors)
    return settings


def describe(settings: Mapping[str, Any]) -> dict[str, str]:
    """What matters of it, by its label, in words."""
    kind, gate = settings.get("kind", "all"), settings.get("gate", "person")
    unsaid = _OF_WAVES if kind == "all" else {"minutes"} if gate != "minutes" else set()
    return setting_words.describe([each for each in FIELDS if each.name not in unsaid], settings)


def waves(settings: Mapping[str, Any], several: Sequence[T]) -> list[list[T]]:
    """These servers in the groups that are deployed to one after another; at least one group where there is a server."""
    kind, found = settings.get("kind", "all"), list(several)
    size = _at_a_time(str(settings.get("size", "1")), len(found))
    if kind == "batches":
        return [found[begin : begin + size] for begin in range(0, len(found), size)]
    if kind == "canary" and size < len(found):
        return [found[:size], found[size:]]
    return [found] if found else []


def gate_after(settings: Mapping[str, Any], wave: int) -> Gate:
    """What the servers after this wave (counted from 0) wait for, besides its end."""
    gate = settings.get("gate", "person")
    if gate == "none" or settings.get("kind", "all") == "all":
        return ""
    return "minutes" if gate == "minutes" else "person"


def _at_a_time(size: str, count: int) -> int:
    number = int(size.rstrip("%"))
    return max(1, number * count // 100) if size.endswith("%") else number


def first_words(names: Sequence[str], most: int = 3) -> str:
    """`web-1, web-2 and 5 more`."""
    if len(names) <= most:
        return ", ".join(names)
    return _t("%(names)s and %(n)s more") % {"names": ", ".join(names[:most]), "n": len(names) - most}
