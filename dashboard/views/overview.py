"""What runs where."""

from django.http import HttpResponse
from django.shortcuts import render

from dashboard.access import EVERYONE, Request, seen_by
from dashboard.paging import page_number
from deployments import permissions
from deployments.models import Host, Role
from deployments.models.host import TRUSTED
from deployments.queries.overview import overview


@seen_by(*EVERYONE)
def index(request: Request) -> HttpResponse:
    """The matrix, with what moves inside it; before anything was deployed, what to do first."""
    template = "overview/_board.html" if request.GET.get("fragment") == "board" else "overview/index.html"
    page = overview(request.user, page_number(request))
    context = {
        "page": page,
        "acts": request.user.role != Role.AUDITOR,
        "administers": permissions.may_administer(request.user),
        "begins": _begins(request) if not page.lately else None,
    }
    return render(request, template, context)


def _begins(request: Request) -> dict[str, bool]:
    """Which of the first steps are done, while nothing was deployed yet."""
    hosts = permissions.visible_hosts(request.user).filter(retired_at=None)
    states = set(hosts.values_list("state", flat=True))
    return {
        "servers": bool(states),
        "trusted": Host.objects.filter(TRUSTED, retired_at=None).exists(),
        "applications": permissions.visible_placements(request.user).exists(),
    }
