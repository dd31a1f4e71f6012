"""The server room: what a server holds."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from dashboard.access import ACT, EVERYONE, Request, get_host, seen_by
from deployments import permissions, room
from deployments.errors import Refused
from deployments.models import Host
from deployments.queries.room import RoomPage, room_page


@seen_by(*EVERYONE)
def index(request: Request, host: str) -> HttpResponse:
    """What runs there, as last listed; listed anew where that is a while ago."""
    row = get_host(request, host)
    if request.GET.get("fragment") == "room":
        return render(request, "room/_room.html", {"host": row, "page": page_of(request, row)})
    room.look_if_stale(actor=request.actor, host=row)
    return render(request, "room/index.html", {"host": row, "page": page_of(request, row)})


@seen_by(*EVERYONE, methods=ACT)
def look(request: Request, host: str) -> HttpResponse:
    """List it again, now."""
    row = get_host(request, host)
    try:
        room.look_around(actor=request.actor, host=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("room", row.name)


def page_of(request: Request, host: Host) -> RoomPage:
    """As far as this person may see."""
    return room_page(
        host, permissions.visible_placements(request.user), everything=permissions.sees_everything(request.user)
    )


def seen_in(request: Request) -> dict[str, Any]:
    """The same, as arguments."""
    return {
        "visible": permissions.visible_placements(request.user),
        "everything": permissions.sees_everything(request.user),
    }
