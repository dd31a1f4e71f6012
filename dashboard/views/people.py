"""People."""

from django.http import HttpResponse

from dashboard.access import ACT, ADMINS, FORM, READING_ALL, Request, seen_by


@seen_by(*READING_ALL)
def index(request: Request) -> HttpResponse:
    """x"""
    return HttpResponse("people")


@seen_by(*ADMINS, methods=FORM)
def invite(request: Request) -> HttpResponse:
    """x"""
    return HttpResponse("people")


@seen_by(*ADMINS, methods=ACT)
def revoke_link(request: Request, link: int) -> HttpResponse:
    """x"""
    return HttpResponse("people")


@seen_by(*READING_ALL, methods=FORM, changes=ADMINS)
def detail(request: Request, person: int) -> HttpResponse:
    """x"""
    return HttpResponse("people")


@seen_by(*ADMINS, methods=ACT)
def deactivate(request: Request, person: int) -> HttpResponse:
    """x"""
    return HttpResponse("people")


@seen_by(*ADMINS, methods=ACT)
def reactivate(request: Request, person: int) -> HttpResponse:
    """x"""
    return HttpResponse("people")
