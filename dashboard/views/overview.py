"""What runs where."""

from django.http import HttpResponse

from dashboard.access import EVERYONE, Request, seen_by


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """Placeholder until the page is there."""
    return HttpResponse("overview.index")
