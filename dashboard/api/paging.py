"""Long lists in pages: `?limit=` and `?cursor=`, where the cursor is the `next` of the page before."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from dashboard.api.access import Request
from dashboard.api.errors import ApiError

QUERY: Final = ("limit", "cursor")
USUAL: Final = 50
MOST: Final = 200
SAID: Final[dict[str, Any]] = {
    "parameters": [
        {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": MOST, "default": USUAL}},
        {"in": "query", "name": "cursor", "schema": {"type": "string"}},
    ]
}
"""What the description says of both."""

_NUMBERS: Final = ("id", "number", "position")

_Row = TypeVar("_Row", bound=Model)


def paged(
    request: Request, rows: QuerySet[_Row], keys: Sequence[str], shown: Callable[[_Row], dict[str, Any]]
) -> dict[str, Any]:
    """One page of rows in the order of `keys` (`-id` for newest first), which together tell each row from all others."""
    limit = limit_of(request)
    after = _read_cursor(request.GET.get("cursor", ""), keys)
    page = rows.order_by(*keys)
    if after is not None:
        page = page.filter(_past(keys, after))
    found = list(page[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return {"items": [shown(row) for row in found], "next": _cursor(found[-1], keys) if more else None}


def limit_of(request: Request, usual: int = USUAL, most: int = MOST) -> int:
    """How many are asked for."""
    text = request.GET.get("limit", str(usual))
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
        raise ApiError(422, _("Use a number from 1 to %(most)s.") % {"most": most}, field="limit")
    return int(text)


def _past(keys: Sequence[str], after: Sequence[Any]) -> Q:
    """Rows that come after these values: greater in the first key, or the same there and after in the rest."""
    past, same = Q(pk__in=()), Q()
    for key, value in zip(keys, after, strict=True):
        name, compared = key.lstrip("-"), "lt" if key.startswith("-") else "gt"
        past |= same & Q(**{f"{name}__{compared}": value})
        same &= Q(**{name: value})
    return past


def _cursor(row: Model, keys: Sequence[str]) -> str:
    values = []
    for key in keys:
        value: Any = row
        for part in key.lstrip("-").split("__"):
            value = getattr(value, part)
        values.append(value)
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _read_cursor(text: str, keys: Sequence[str]) -> list[Any] | None:
    if not text:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        values = None
    if (
        not isinstance(values, list)
        or len(values) != len(keys)
        or not all(_fits(key, value) for key, value in zip(keys, values, strict=True))
    ):
        raise ApiError(422, _("This is no cursor: send the “next” of the page before."), field="cursor")
    return values


def _fits(key: str, value: Any) -> bool:
    if key.endswith(_NUMBERS):
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
    return isinstance(value, str) and len(value) <= 300 and value.isprintable()
