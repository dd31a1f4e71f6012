"""Servers."""

from django.http import HttpResponse

from dashboard.access import ACT, ADMINS, EVERYONE, FORM, Request, seen_by


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.index")


@seen_by(*ADMINS, methods=FORM)
def new(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.new")


@seen_by(*EVERYONE)
def detail(request: Request, host: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.detail")


@seen_by(*ADMINS, methods=FORM)
def edit(request: Request, host: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.edit")


@seen_by(*ADMINS, methods=FORM)
def trust(request: Request, host: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.trust")


@seen_by(*ADMINS, methods=ACT)
def refuse(request: Request, host: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.refuse")


@seen_by(*ADMINS, methods=ACT)
def check(request: Request, host: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.check")


@seen_by(*ADMINS, methods=FORM)
def retire(request: Request, host: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.retire")


@seen_by(*EVERYONE)
def at(request: Request, host: str) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("hosts.at")
