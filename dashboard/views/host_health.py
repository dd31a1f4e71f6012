"""A server's health over time."""

from django.http import HttpResponse
from django.shortcuts import render

from dashboard.access import EVERYONE, Request, get_host, seen_by
from deployments.queries.health import health_page


@seen_by(*EVERYONE)
def detail(request: Request, host: str) -> HttpResponse:
    """Two days in stretches of five minutes, or sixty in stretches of an hour."""
    row = get_host(request, host)
    page = health_page(row, is_long=request.GET.get("span") == "60d")
    template = "room/_health.html" if request.GET.get("fragment") == "health" else "room/health.html"
    return render(request, template, {"host": row, "page": page})
