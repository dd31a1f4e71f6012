"""Applications."""

from django.http import HttpResponse

from dashboard.access import ADMINS, EVERYONE, FORM, Request, seen_by


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("applications.index")


@seen_by(*ADMINS, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("applications.new")


@seen_by(*EVERYONE)
def detail(request: Request, application: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("applications.detail")


@seen_by(*ADMINS, methods=FORM)
def edit(request: Request, application: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("applications.edit")


@seen_by(*ADMINS, methods=FORM)
def archive(request: Request, application: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("applications.archive")
