"""Placements: what is set about an Application in an Environment, its variables and its Releases."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _
from ninja import Router

from dashboard.access import ACTING
from dashboard.api import shown
from dashboard.api.access import (
    Bearer,
    Request,
    get_application,
    get_environment,
    get_placement,
    get_release,
    refuse,
)
from dashboard.api.asked import ChangedPlacement, NewPlacement, SetVariable
from dashboard.api.errors import ApiError, may_not
from dashboard.api.paging import QUERY, SAID, paged
from dashboard.api.shapes import Page, PlacementShape, ReleaseShape, VariableShape, WholeRelease
from deployments import deployable
from deployments.errors import FieldErrors
from deployments.inventory import applications as inventory
from deployments.models import Host, Placement, PlacementHost

router = Router()
PLACE = "/placements/{slug:application}/{slug:environment}"
_MERGED = ("settings", "build", "compose", "rollout")


@router.get(
    "/placements",
    response=Page[PlacementShape],
    auth=Bearer("read", query=QUERY),
    url_name="placements",
    openapi_extra=SAID,
)
def list_placements(request: Request) -> dict[str, Any]:
    """The Placements that exist for this token, by Application, then by Environment."""
    keys = ("application__name", "environment__position", "id")
    return paged(request, _whole(request.auth.reach.placements()), keys, shown.placement)


@router.post("/placements", response={201: PlacementShape}, auth=Bearer("deploy", *ACTING), url_name="placements")
def create_placement(request: Request, payload: NewPlacement) -> dict[str, Any]:
    """Put an Application in an Environment. Nothing runs yet: deploy it."""
    if not request.auth.reach.may_create():
        raise refuse(request, may_not())
    given = payload.model_dump()
    application = get_application(request, given.pop("application"))
    environment = get_environment(request, given.pop("environment"))
    row = inventory.save_placement(
        actor=request.auth.actor,
        placement=None,
        application=application,
        environment=environment,
        host_ids=_hosts(request, None, given.pop("servers")),
        **given,
    )
    return _shown(row)


@router.get(PLACE, response=PlacementShape, auth=Bearer("read"), url_name="placement")
def get_one_placement(request: Request, application: str, environment: str) -> dict[str, Any]:
    """One Placement, and what runs of it on each of its servers."""
    return _shown(get_placement(request, application, environment))


@router.patch(PLACE, response=PlacementShape, auth=Bearer("deploy", *ACTING), url_name="placement")
def change_placement(request: Request, application: str, environment: str, payload: ChangedPlacement) -> dict[str, Any]:
    """Change what is set; what runs stays as it is until the next deploy. What gives power over a server needs an admin."""
    row = get_placement(request, application, environment)
    deployable.check_in_use(row)
    given = payload.model_dump(exclude_unset=True)
    values = {name: given.get(name, getattr(row, name)) for name in ("source", "image", "url", "keep_releases")}
    merged: dict[str, Any] = {name: _laid_over(getattr(row, name), given.get(name)) for name in _MERGED}
    names, version = given.get("servers"), given.get("version")
    seated = list(row.seats.filter(is_active=True).values_list("host_id", flat=True))
    saved = inventory.save_placement(
        actor=request.auth.actor,
        placement=row,
        application=row.application,
        environment=row.environment,
        host_ids=seated if names is None else _hosts(request, row, names),
        version=row.version if version is None else version,  # else what was saved since it was read would be undone
        **_no_nulls(values),
        **{**merged, "rollout": merged["rollout"] or None},
    )
    return _shown(saved)


@router.get(f"{PLACE}/variables", response=list[VariableShape], auth=Bearer("read"), url_name="variables")
def list_variables(request: Request, application: str, environment: str) -> list[dict[str, Any]]:
    """Its own variables; a secret's value is never shown."""
    row = get_placement(request, application, environment)
    return [shown.variable(each) for each in row.variables.select_related("secret_version")]


@router.put(f"{PLACE}/variables", response=VariableShape, auth=Bearer("deploy", *ACTING), url_name="variables")
def set_variable(request: Request, application: str, environment: str, payload: SetVariable) -> dict[str, Any]:
    """Add or change one; the next deploy brings it."""
    row = get_placement(request, application, environment)
    return shown.variable(inventory.set_variable(actor=request.auth.actor, placement=row, **payload.model_dump()))


@router.delete(
    f"{PLACE}/variables",
    response={204: None},
    auth=Bearer("deploy", *ACTING, query=("name",)),
    url_name="variables",
)
def delete_variable(request: Request, application: str, environment: str, name: str) -> None:
    """Remove the one of this name (`?name=`, since a name may hold a slash); a secret's values are destroyed."""
    row = get_placement(request, application, environment)
    if not row.variables.filter(name=name).exists():
        raise ApiError(404, _("There is no variable %(name)s.") % {"name": name[:200]}, field="name")
    inventory.delete_variable(actor=request.auth.actor, placement=row, name=name)


@router.get(
    f"{PLACE}/releases",
    response=Page[ReleaseShape],
    auth=Bearer("read", query=QUERY),
    url_name="releases",
    openapi_extra=SAID,
)
def list_releases(request: Request, application: str, environment: str) -> dict[str, Any]:
    """Its Releases, newest first."""
    row = get_placement(request, application, environment)
    rows = row.releases.select_related("placement__application", "placement__environment")
    return paged(request, rows, ("-number",), shown.release)


@router.get(f"{PLACE}/releases/{{int:number}}", response=WholeRelease, auth=Bearer("read"), url_name="release")
def get_one_release(request: Request, application: str, environment: str, number: int) -> dict[str, Any]:
    """One Release with all that it holds."""
    place = get_placement(request, application, environment)
    row = get_release(request, place, number)
    row.placement = place
    return shown.whole_release(row)


def _whole(rows: QuerySet[Placement]) -> QuerySet[Placement]:
    seats = PlacementHost.objects.select_related("host", "running_release", "owed")
    return rows.select_related("application", "environment").prefetch_related(Prefetch("seats", queryset=seats))


def _shown(row: Placement) -> dict[str, Any]:
    return shown.placement(_whole(Placement.objects.all()).get(pk=row.pk))


def _hosts(request: Request, row: Placement | None, names: list[str]) -> list[int]:
    """The ids of these servers: such as exist for the token, and those it is on already. FieldErrors at `servers`."""
    seen = dict(request.auth.reach.hosts().filter(name__in=names).values_list("name", "pk"))
    if row is not None:
        here = Host.objects.filter(seats__placement=row, seats__is_active=True, name__in=names)
        seen |= dict(here.values_list("name", "pk"))
    missing = [name for name in names if name not in seen]
    if missing:
        said = _("There is no server %(name)s, or none that you may see.") % {"name": missing[0][:100]}
        raise FieldErrors({"servers": [said]})
    return [seen[name] for name in dict.fromkeys(names)]


def _laid_over(kept: Mapping[str, Any], said: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was said over what is kept; of a group only what was said."""
    merged = dict(kept)
    for name, value in (said or {}).items():
        before = merged.get(name)
        merged[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _no_nulls(values: dict[str, Any]) -> dict[str, Any]:
    nulls = [name for name, value in values.items() if value is None]
    if nulls:
        raise FieldErrors({name: [_("Leave it out, or say what it is to be.")] for name in nulls})
    return values
