"""Who am I; Applications and Environments."""

from typing import Any

from ninja import Router

from dashboard.access import ACTING, ADMINS
from dashboard.api import shown
from dashboard.api.access import Bearer, Request, get_application, get_environment, refuse
from dashboard.api.asked import ChangedApplication, ChangedEnvironment, NewApplication, NewEnvironment
from dashboard.api.errors import may_not
from dashboard.api.paging import QUERY, SAID, paged
from dashboard.api.shapes import ApplicationShape, EnvironmentShape, Me, Page
from deployments.inventory import applications as inventory

router = Router()


@router.get("/me", response=Me, auth=Bearer("read"), url_name="me")
def me(request: Request) -> dict[str, Any]:
    """Whose token this is, and what it is good for today."""
    token, user = request.auth.token, request.auth.user
    narrowed = token.placements.select_related("application", "environment").order_by("pk")
    names = [f"{each.application.name}/{each.environment.name}" for each in narrowed] if token.is_narrowed else None
    said = {
        "name": token.name,
        "scope": str(request.auth.scope),
        "expires_at": token.expires_at,
        "placements": names,
    }
    return {"name": user.name, "email": user.email, "role": user.role, "token": said}


@router.get(
    "/applications",
    response=Page[ApplicationShape],
    auth=Bearer("read", query=QUERY),
    url_name="applications",
    openapi_extra=SAID,
)
def list_applications(request: Request) -> dict[str, Any]:
    """The Applications that exist for this token, by name."""
    return paged(request, request.auth.reach.applications(), ("name",), shown.application)


@router.post("/applications", response={201: ApplicationShape}, auth=Bearer("deploy", *ACTING), url_name="applications")
def create_application(request: Request, payload: NewApplication) -> dict[str, Any]:
    """A new Application; POST /placements puts it in an Environment."""
    if not request.auth.reach.may_create():
        raise refuse(request, may_not())
    return shown.application(inventory.create_application(actor=request.auth.actor, **payload.model_dump()))


@router.get("/applications/{slug:application}", response=ApplicationShape, auth=Bearer("read"), url_name="application")
def get_one_application(request: Request, application: str) -> dict[str, Any]:
    """One Application."""
    return shown.application(get_application(request, application))


@router.patch(
    "/applications/{slug:application}", response=ApplicationShape, auth=Bearer("admin", *ADMINS), url_name="application"
)
def change_application(request: Request, application: str, payload: ChangedApplication) -> dict[str, Any]:
    """What is said about it; its name stays, since containers carry it."""
    row = get_application(request, application)
    return shown.application(
        inventory.update_application(actor=request.auth.actor, application=row, description=payload.description)
    )


@router.get(
    "/environments",
    response=Page[EnvironmentShape],
    auth=Bearer("read", query=QUERY),
    url_name="environments",
    openapi_extra=SAID,
)
def list_environments(request: Request) -> dict[str, Any]:
    """The Environments that exist for this token, in their order."""
    rows = request.auth.reach.environments().select_related("builder")
    return paged(request, rows, ("position", "id"), lambda row: shown.environment(row, request.auth))


@router.post("/environments", response={201: EnvironmentShape}, auth=Bearer("admin", *ADMINS), url_name="environments")
def create_environment(request: Request, payload: NewEnvironment) -> dict[str, Any]:
    """A new Environment."""
    row = inventory.create_environment(actor=request.auth.actor, **payload.model_dump())
    return shown.environment(row, request.auth)


@router.get("/environments/{slug:environment}", response=EnvironmentShape, auth=Bearer("read"), url_name="environment")
def get_one_environment(request: Request, environment: str) -> dict[str, Any]:
    """One Environment."""
    return shown.environment(get_environment(request, environment), request.auth)


@router.patch(
    "/environments/{slug:environment}", response=EnvironmentShape, auth=Bearer("admin", *ADMINS), url_name="environment"
)
def change_environment(request: Request, environment: str, payload: ChangedEnvironment) -> dict[str, Any]:
    """Its place in the order, and whether it is production."""
    row = get_environment(request, environment)
    changes = payload.model_dump(exclude_unset=True)
    row = inventory.update_environment(actor=request.auth.actor, environment=row, **changes)
    return shown.environment(row, request.auth)
