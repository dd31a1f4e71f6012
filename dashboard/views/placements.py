"""An application in an environment."""

from django.http import HttpResponse

from dashboard.access import ACTING, ADMINS, EVERYONE, FORM, Request, seen_by


@seen_by(*ADMINS, methods=FORM)
def new(request: Request, application: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("placements.new")


@seen_by(*EVERYONE)
def detail(request: Request, application: str, environment: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("placements.detail")


@seen_by(*ACTING, methods=FORM)
def settings(request: Request, application: str, environment: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("placements.settings")


@seen_by(*EVERYONE)
def release(request: Request, application: str, environment: str, number: int) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("placements.release")
