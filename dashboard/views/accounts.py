"""One's own account, and the one-time links that let people in."""

from django.http import HttpRequest, HttpResponse

from dashboard.access import EVERYONE, FORM, Request, open_to_all, seen_by


@seen_by(*EVERYONE, methods=FORM)
def change_password(request: Request) -> HttpResponse:
    """x"""
    return HttpResponse("password")


@seen_by(*EVERYONE, methods=FORM)
def preferences(request: Request) -> HttpResponse:
    """x"""
    return HttpResponse("preferences")


@open_to_all(methods=FORM)
def link(request: HttpRequest, token: str) -> HttpResponse:
    """x"""
    return HttpResponse("link")
