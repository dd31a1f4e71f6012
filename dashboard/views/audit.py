"""The audit trail."""

from django.http import HttpResponse

from dashboard.access import READING_ALL, Request, seen_by


@seen_by(*READING_ALL)
def index(request: Request) -> HttpResponse:
    """x"""
    return HttpResponse("audit")


@seen_by(*READING_ALL)
def export_csv(request: Request) -> HttpResponse:
    """x"""
    return HttpResponse("audit")


@seen_by(*READING_ALL)
def export_ndjson(request: Request) -> HttpResponse:
    """x"""
    return HttpResponse("audit")
