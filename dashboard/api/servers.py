"""Servers. Trusting one's host key stays a person's act, on its page: nothing is sent to it before."""

from typing import Any

from django.utils.translation import gettext as _
from ninja import Router

from dashboard.access import ADMINS
from dashboard.api import shown
from dashboard.api.access import Bearer, Request, get_host
from dashboard.api.asked import ChangedServer, NewServer
from dashboard.api.paging import QUERY, SAID, paged
from dashboard.api.shapes import Looking, Page, ServerShape
from deployments import draining
from deployments.errors import FieldErrors
from deployments.inventory import hosts as inventory
from deployments.inventory import jumping
from deployments.models import Host
from deployments.states import HostState

router = Router()


@router.get(
    "/servers", response=Page[ServerShape], auth=Bearer("read", query=QUERY), url_name="servers", openapi_extra=SAID
)
def list_servers(request: Request) -> dict[str, Any]:
    """The servers that exist for this token, retired ones too, by name."""
    rows = request.auth.reach.hosts().select_related("via")
    return paged(request, rows, ("name",), lambda row: shown.server(row, request.auth))


@router.post("/servers", response={201: Looking}, auth=Bearer("admin", *ADMINS), url_name="servers")
def register_server(request: Request, payload: NewServer) -> dict[str, Any]:
    """Register a server and get to know it: a person compares its host key on its page and trusts it there."""
    given = payload.model_dump()
    host, operation = inventory.register_host(actor=request.auth.actor, **{**given, "via": _via(None, given["via"])})
    return {"server": shown.server(host, request.auth), "operation": operation.pk}


@router.get("/servers/{server}", response=ServerShape, auth=Bearer("read"), url_name="server")
def get_server(request: Request, server: str) -> dict[str, Any]:
    """One server, as it was seen last."""
    return shown.server(get_host(request, server), request.auth)


@router.patch("/servers/{server}", response=Looking, auth=Bearer("admin", *ADMINS), url_name="server")
def change_server(request: Request, server: str, payload: ChangedServer) -> dict[str, Any]:
    """Change a server; another address clears trust and credential, and it has to be met again."""
    row = get_host(request, server)
    changes = payload.model_dump(exclude_unset=True)
    nulls = [name for name, value in changes.items() if value is None]
    if nulls:
        raise FieldErrors({name: [_("Leave it out, or say what it is to be.")] for name in nulls})
    if "via" in changes:
        changes["via"] = _via(row, changes["via"])
    row, operation = inventory.update_host(actor=request.auth.actor, host=row, **changes)
    return {"server": shown.server(row, request.auth), "operation": operation.pk if operation else None}


@router.post("/servers/{server}/check", response={202: Looking}, auth=Bearer("admin", *ADMINS), url_name="server_check")
def check_server(request: Request, server: str) -> dict[str, Any]:
    """Look at the server now; GET /servers/… says how it was found."""
    row = get_host(request, server)
    # A server that isn't trusted, or that showed another key, is met again: that sends no credential.
    met = not row.is_trusted or row.state == HostState.KEY_CHANGED
    operation = (inventory.meet if met else inventory.check)(actor=request.auth.actor, host=row)
    return {"server": shown.server(row, request.auth), "operation": operation.pk}


@router.post("/servers/{server}/drain", response=ServerShape, auth=Bearer("admin", *ADMINS), url_name="server_drain")
def drain_server(request: Request, server: str) -> dict[str, Any]:
    """From now on nothing new goes there; what runs goes on running."""
    row = draining.drain(actor=request.auth.actor, host=get_host(request, server))
    return shown.server(row, request.auth)


@router.post(
    "/servers/{server}/undrain", response=ServerShape, auth=Bearer("admin", *ADMINS), url_name="server_undrain"
)
def undrain_server(request: Request, server: str) -> dict[str, Any]:
    """Take it in use again."""
    row = draining.undrain(actor=request.auth.actor, host=get_host(request, server))
    return shown.server(row, request.auth)


def _via(host: Host | None, name: str) -> Host | None:
    """The server of this name that can be passed through; FieldErrors where there is none, None for ""."""
    if not name:
        return None
    found = jumping.choices(host).filter(name=name).first()
    if found is None:
        raise FieldErrors({"via": [_("There is no server of this name that could be passed through.")]})
    return found
