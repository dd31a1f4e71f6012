"""Environments."""

from django.http import HttpResponse

from dashboard.access import ADMINS, FORM, READING_ALL, Request, seen_by


@seen_by(*READING_ALL)
def index(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("environments.index")


@seen_by(*ADMINS, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("environments.new")


@seen_by(*ADMINS, methods=FORM)
def edit(request: Request, environment: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("environments.edit")
