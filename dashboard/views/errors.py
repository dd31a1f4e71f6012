"""Pages for what went wrong: never a traceback, always an id to find it by in the log."""

import logging
import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

from deployments.database import is_away

log = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: a request that no page of ours sends."""
    return HttpResponse(render_to_string("errors/400.html", _bare(request)), status=400)


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: this person's role may not do that."""
    return render(request, "errors/403.html", status=403)


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: nothing there, or nothing this person may know of."""
    return render(request, "errors/404.html", status=404)


def too_many(request: HttpRequest) -> HttpResponse:
    """429: too many attempts to sign in."""
    page = render_to_string("errors/429.html", _bare(request))
    return HttpResponse(page, status=429, headers={"Retry-After": "60"})


def server_error(request: HttpRequest) -> HttpResponse:
    """500; or 503 where the database doesn't answer. Needs neither database nor session, since they may be what is broken."""
    error = sys.exc_info()[1]
    if is_away(error):
        log.error("the database doesn't answer", extra={"path": request.path, "error": str(error)})
        page = render_to_string("errors/503.html", _bare(request))
        return HttpResponse(page, status=503, headers={"Retry-After": "5"})
    return HttpResponse(render_to_string("errors/500.html", _bare(request)), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose token is missing or old: usually a page left open while the session ended."""
    log.warning("form refused", extra={"path": request.path, "reason": reason})
    return HttpResponse(render_to_string("errors/csrf.html", _bare(request)), status=403)


def _bare(request: HttpRequest) -> dict[str, object]:
    return {"request_id": getattr(request, "id", ""), "path": request.path, "static_url": settings.STATIC_URL}
