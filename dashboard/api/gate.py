"""In front of the API: no session, no token in an address, bodies of a known and small size; after it: every error is JSON."""

import re
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from dashboard.api.errors import NOTHING, answer

PREFIX: Final = "/api/"
BODY_LIMIT: Final = 1_000_000

_TOKEN: Final = re.compile(r"estiva_[A-Za-z0-9]{20}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ApiMiddleware:
    """Only for addresses below /api/."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Look, pass on, and see that whatever went wrong is said as JSON."""
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        request.COOKIES = {}  # a session counts for pages only: so nothing here can be asked for by another site
        response = _refused(request) or self.get_response(request)
        if response.status_code >= 400 and not response.headers.get("Content-Type", "").startswith("application/json"):
            response = _as_json(request, response)
        response.headers["Cache-Control"] = "no-store, private"
        return response


def _refused(request: HttpRequest) -> HttpResponse | None:
    address = request.get_full_path()
    if _TOKEN.search(address):
        said = _("There is a token in this address: addresses are kept in logs. It counts as known to others.")
        return answer(400, said, remedy=_("Revoke it, and send the next one as Authorization: Bearer."))
    if "\x00" in request.path_info or any(
        "\x00" in text for pair in request.GET.lists() for text in (pair[0], *pair[1])
    ):
        return answer(404, NOTHING)
    if request.method not in _WITH_BODY:
        return None
    length = request.headers.get("Content-Length", "")
    if not length and "Transfer-Encoding" in request.headers:
        return answer(411, _("Say how long the body is (Content-Length)."))
    if length and (not length.isdecimal() or len(length) > 12 or int(length) > BODY_LIMIT):
        return answer(413, _("The body is larger than 1 MB."))
    return None


def _as_json(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """A page that says what went wrong, as the API says it."""
    status = response.status_code
    said = {
        404: NOTHING,
        405: _("This address doesn't take %(method)s.") % {"method": (request.method or "")[:20]},
        500: _("Something went wrong in Estiva; its log has it under request %(id)s.")
        % {"id": getattr(request, "id", "")},
        503: _("Estiva's database doesn't answer just now. Try again in a moment."),
    }
    changed = answer(status, said.get(status, _("This request can't be taken.")))
    for name in ("Allow", "Retry-After", "X-Request-Id"):
        if name in response.headers:
            changed.headers[name] = response.headers[name]
    return changed
