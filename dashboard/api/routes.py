"""The API as one thing, and its addresses."""

import functools
import json
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.operation import Operation

from dashboard.access import open_to_all
from dashboard.api import attention, deploys, placements, servers, things
from dashboard.api.bodies import BodyParser
from dashboard.api.errors import NOTHING, add_handlers, answer
from dashboard.api.shapes import Failed

PREFIX: Final = "api/v1/"

_DESCRIPTION: Final = (
    "Everything that the pages do, for programs: by a person's access token, with the same rules and the same words. "
    "docs/api.md tells more."
)


class _Api(NinjaAPI):
    """Operations are called by their functions, which are all different."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """`deploy`, not where its function lies."""
        return operation.view_func.__name__


def _api() -> NinjaAPI:
    api = _Api(
        title="Estiva", version="1", description=_DESCRIPTION, docs_url=None, openapi_url=None, parser=BodyParser()
    )
    add_handlers(api)
    for each in (things, servers, placements, deploys, attention):
        api.add_router("", each.router)
    return api


api: Final = _api()


@open_to_all(methods=("GET",))
def openapi(request: HttpRequest) -> HttpResponse:
    """What this API takes and gives, for programs that write clients."""
    return JsonResponse(_described())


@functools.cache
def _described() -> dict[str, Any]:
    """The description, with the shape of every error."""
    said: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix=f"/{PREFIX}"), default=str))
    shape = Failed.model_json_schema(ref_template="#/components/schemas/{model}")
    said["components"]["schemas"] |= {**shape.pop("$defs"), "Failed": shape}
    failed = {"schema": {"$ref": "#/components/schemas/Failed"}}
    for methods in said["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = {
                "description": "What went wrong",
                "content": {"application/json": failed},
            }
    return said


@csrf_exempt
@open_to_all(methods=("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any other address."""
    return answer(404, NOTHING)


def patterns() -> list[URLPattern]:
    """One route an address, named `api_…`; what is below the prefix and no address of ours is answered as JSON too."""
    found: dict[str, URLPattern] = {}
    for each in api.urls[0]:
        route = str(each.pattern)
        if route and isinstance(each, URLPattern) and route not in found:
            found[route] = path(f"{PREFIX}{route}", each.callback, name=f"api_{each.name}")
    return [
        path(f"{PREFIX}openapi.json", openapi, name="api_openapi"),
        *found.values(),
        path("api/<path:rest>", nothing, name="api_nothing"),
    ]
