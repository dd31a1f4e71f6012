"""Environment variables of a placement."""

from django.http import HttpResponse

from dashboard.access import ACT, ACTING, EVERYONE, FORM, Request, seen_by


@seen_by(*EVERYONE, methods=FORM)
def index(request: Request, application: str, environment: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("variables.index")


@seen_by(*ACTING, methods=FORM)
def import_text(request: Request, application: str, environment: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("variables.import_text")


@seen_by(*EVERYONE)
def export_text(request: Request, application: str, environment: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("variables.export_text")


@seen_by(*ACTING, methods=ACT)
def delete(request: Request, application: str, environment: str, name: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("variables.delete")
