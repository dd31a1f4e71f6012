"""History and one deployment's page."""

from django.http import HttpResponse

from dashboard.access import ACT, ACTING, EVERYONE, Request, seen_by


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("deployments.index")


@seen_by(*EVERYONE)
def detail(request: Request, deployment: int) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("deployments.detail")


@seen_by(*EVERYONE)
def lines(request: Request, deployment: int) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("deployments.lines")


@seen_by(*EVERYONE)
def raw(request: Request, deployment: int) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("deployments.raw")


@seen_by(*ACTING, methods=ACT)
def cancel(request: Request, deployment: int) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("deployments.cancel")
