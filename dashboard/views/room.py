"""The server room: what a server holds."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from dashboard.access import ACT, ADMINS, EVERYONE, FORM, Request, get_host, seen_by
from deployments import follows, permissions, room, room_images
from deployments.errors import Refused
from deployments.models import Host
from deployments.queries.room import RoomPage, removal, room_page

MOST = 1_000


@seen_by(*EVERYONE)
def index(request: Request, host: str) -> HttpResponse:
    """What runs there, as last listed; listed anew where that is a while ago."""
    row = get_host(request, host)
    is_fragment = request.GET.get("fragment") == "room"
    if not is_fragment:
        room.look_if_stale(actor=request.actor, host=row)
    usage = follows.watch_usage(actor=request.actor, host=row)
    template = "room/_room.html" if is_fragment else "room/index.html"
    return render(request, template, {"host": row, "page": page_of(request, row), "usage": usage})


@seen_by(*EVERYONE, methods=ACT)
def look(request: Request, host: str) -> HttpResponse:
    """List it again, now."""
    row = get_host(request, host)
    try:
        room.look_around(actor=request.actor, host=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("room", row.name)


@seen_by(*ADMINS, methods=FORM)
def images(request: Request, host: str) -> HttpResponse:
    """Which images of ours nothing needs any more, and how much they take; then exactly those go."""
    row = get_host(request, host)
    if request.method == "POST":
        try:
            room_images.request_removal(actor=request.actor, host=row, chosen=request.POST.getlist("image")[:MOST])
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("room_images", row.name)
    page = page_of(request, row)
    unused = room_images.unused(page.images)
    context = {"host": row, "page": page, "unused": unused, "bytes": sum(each.size for each in unused)}
    template = "room/_images.html" if request.GET.get("fragment") == "images" else "room/images.html"
    return render(request, template, {**context, "last": removal(row)})


def page_of(request: Request, host: Host) -> RoomPage:
    """As far as this person may see."""
    return room_page(
        host, permissions.visible_placements(request.user), everything=permissions.sees_everything(request.user)
    )
