"""Reading JSON: what no database and no program of ours could hold is refused here, once for all fields."""

import json
import math
from typing import Any, Final, NoReturn

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.parser import Parser

from dashboard.api.errors import ApiError

MOST_DEPTH: Final = 20
MOST_NUMBER: Final = 2**63 - 1


class BodyParser(Parser):
    """JSON objects of sound text and numbers."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The object; ApiError where it is none."""
        try:
            found = json.loads(request.body, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, _("The body is no JSON object.")) from error
        if not isinstance(found, dict):
            raise ApiError(400, _("The body is no JSON object."))
        _check(found, "", 0)
        return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _check(value: Any, path: str, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise ApiError(422, _("This is nested too deeply."), field=path)
    if isinstance(value, dict):
        for name, each in value.items():
            _check(name, path, depth)
            _check(each, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check(each, f"{path}.{number}", depth + 1)
    elif isinstance(value, str):
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise ApiError(422, _("Null characters and halves of characters can't be kept."), field=path)
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and abs(value) > MOST_NUMBER
    ):
        raise ApiError(422, _("This number is too large."), field=path)
