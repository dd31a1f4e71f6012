"""Plans."""

from django.http import HttpResponse

from dashboard.access import ACT, ACTING, EVERYONE, Request, seen_by


@seen_by(*ACTING, methods=ACT)
def new(request: Request, application: str, environment: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("plans.new")


@seen_by(*EVERYONE)
def detail(request: Request, plan: int) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("plans.detail")


@seen_by(*ACTING, methods=ACT)
def deploy(request: Request, plan: int) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("plans.deploy")
