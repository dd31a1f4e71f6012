"""One container of a server: how it is, and what is done with it by hand."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACTING, EVERYONE, FORM, Request, denial, get_host, seen_by
from dashboard.forms.containers import ActForm
from deployments import audit, follows, permissions, room_acts, terminals
from deployments.errors import Refused
from deployments.models import Host, Operation
from deployments.queries.room import SHORT, ContainerPage, container_page
from deployments.queries.terminals import terminals_of
from deployments.room_acts import Act


@seen_by(*EVERYONE)
def detail(request: Request, host: str, container: str) -> HttpResponse:
    """How it was when it was last listed, and what may be done with it."""
    row = get_host(request, host)
    page = get_container(request, row, container)
    template = "room/_container.html" if request.GET.get("fragment") == "container" else "room/container.html"
    context = {
        "host": row,
        "page": page,
        "acts": _acts(request, page),
        "log": _log(request, page),
        "usage": follows.watch_usage(actor=request.actor, host=row),
        "tails": follows.TAILS,
        **_terminals(request, page),
    }
    return render(request, template, context)


@seen_by(*ACTING, methods=FORM)
def act(request: Request, host: str, container: str, act: str) -> HttpResponse:
    """Say what will happen, and do it."""
    row = get_host(request, host)
    page = get_container(request, row, container)
    wanted = next((each for each in Act if each == act), None)
    if wanted is None:
        raise Http404(_("There is nothing of that name to do with a container."))
    if wanted not in room_acts.acts_for(request.user, page.placement):
        raise denial(request)
    form = ActForm(request.POST if request.method == "POST" else None, page=page, act=wanted)
    if request.method == "POST" and form.is_valid():
        try:
            room_acts.request_act(actor=request.actor, host=row, container=page.row, act=wanted)
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("container", row.name, page.row["key"])
    context = {"host": row, "page": page, "act": wanted, "form": form}
    return render(request, "room/act.html", context, status=422 if form.is_bound else 200)


def get_container(request: Request, host: Host, key: str) -> ContainerPage:
    """The container, if this person may know of it; 404, recorded where it is somebody else's."""
    visible = permissions.visible_placements(request.user)
    page = container_page(host, key, visible, everything=permissions.sees_everything(request.user))
    if page is not None:
        return page
    if container_page(host, key, visible, everything=True) is not None:
        audit.denied(request.actor, "access.refused", ("container", key[:SHORT], ""), f"tried {request.path}"[:500])
    raise Http404(_("There is no such container there, or none that you may see. Look at the server again."))


def _log(request: Request, page: ContainerPage) -> Operation | None:
    """The follow that the address names, if it is of this container."""
    number = request.GET.get("log", "")
    if not number.isdecimal() or len(number) > 18:
        return None
    row = permissions.visible_follows(request.user).filter(pk=int(number)).first()
    return row if row is not None and row.request.get("id") == page.row["id"] else None


def _terminals(request: Request, page: ContainerPage) -> dict[str, object]:
    """Those that were opened into it, for whoever may see them; and whether an admin may open one now."""
    if page.placement is None or not permissions.may_audit(request.user):
        return {}
    may_open = request.user.is_admin and not terminals.why_not(page.placement, page.row)
    return {"may_open_terminal": may_open, "terminals": terminals_of(page.placement, page.row["id"])}


def _acts(request: Request, page: ContainerPage) -> list[Act]:
    """What fits and is allowed."""
    if not page.row["ours"]:
        return []
    allowed = room_acts.acts_for(request.user, page.placement)
    return [each for each in room_acts.fitting(page.row) if each in allowed]
