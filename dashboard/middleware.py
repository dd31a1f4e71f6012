"""Who is asking, from where: `request.actor` for every change, the request's id for every line of our own log."""

import uuid
from collections.abc import Callable

import structlog
from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused

REQUEST_ID_HEADER = "X-Request-Id"


class PeopleMiddleware:
    """Sets `request.actor` and `request.id`, and turns a refusal of the domain that no view met into a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Bind, answer, unbind."""
        request.id = uuid.uuid4().hex[:12]  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request.id):  # type: ignore[attr-defined]
            if request.user.is_authenticated:
                request.actor = Actor.of(request.user, address=client_address(request))  # type: ignore[attr-defined]
            response = self.get_response(request)
        response.headers[REQUEST_ID_HEADER] = request.id  # type: ignore[attr-defined]
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A refusal is an answer, not an error: 409 with its sentence and its remedy."""
        if isinstance(exception, FieldErrors):
            return render(request, "errors/422.html", {"errors": exception.errors}, status=422)
        if isinstance(exception, Refused):
            return render(request, "errors/409.html", {"refused": exception}, status=409)
        return None


def client_address(request: HttpRequest) -> str:
    """The address of whoever asks, past the trusted proxies; "" when it can't be told."""
    return str(get_adapter().get_client_ip(request))
