"""Everything that goes wrong, in one shape: `{"error": {"code", "message", "field"?, "remedy"?, …}}`, in the words of the pages."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from deployments.called import OtherRequest
from deployments.errors import FieldErrors, PlanChanged, Refused

NOTHING: Final = gettext_lazy("There is nothing here, or nothing that you may see.")
CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    409: "refused",
    411: "length_required",
    413: "too_large",
    422: "invalid",
    429: "too_many",
    500: "internal",
    503: "unavailable",
}


class ApiError(Exception):
    """An answer with a status of its own."""

    def __init__(self, status: int, message: object, *, field: str = "", remedy: object = "", code: str = "") -> None:
        super().__init__(str(message))
        self.status, self.field, self.remedy = status, field, str(remedy)
        self.code = code or CODES[status]


def answer(
    status: int, message: object, *, code: str = "", field: str = "", remedy: object = "", **more: Any
) -> HttpResponse:
    """The one shape; what is empty is left out."""
    said = {"field": field, "remedy": str(remedy), **more}
    error = {"code": code or CODES.get(status, "refused"), "message": str(message)}
    return JsonResponse({"error": {**error, **{name: value for name, value in said.items() if value}}}, status=status)


def may_not() -> str:
    """What somebody is told whose role, or whose token's narrowness, doesn't allow it."""
    return _("Your role may not do that, or this token was narrowed to what is there already.")


def add_handlers(api: NinjaAPI) -> None:
    """Let the domain's refusals and wrong requests answer so; what nobody thought of goes on to Django's own pages."""
    api.add_exception_handler(ApiError, _api_error)
    api.add_exception_handler(FieldErrors, _field_errors)
    api.add_exception_handler(PlanChanged, _plan_changed)
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(ValidationError, _wrong_body)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(Http404, lambda request, error: answer(404, NOTHING))
    api.add_exception_handler(Exception, _unknown)


def _api_error(request: HttpRequest, error: Any) -> HttpResponse:
    response = answer(error.status, error, code=error.code, field=error.field, remedy=error.remedy)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="estiva"'
    if error.status == 429:
        response.headers["Retry-After"] = "60"
    return response


def _field_errors(request: HttpRequest, error: Any) -> HttpResponse:
    return _fields({path: [str(text) for text in texts] for path, texts in error.errors.items()})


def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, OtherRequest):
        return answer(422, error.message, code="key_used", field="Idempotency-Key", remedy=error.remedy)
    status = 422 if error.field else 409
    return answer(status, error.message, field=error.field or "", remedy=error.remedy)


def _plan_changed(request: HttpRequest, error: Any) -> HttpResponse:
    return answer(409, error.message, code="plan_changed", remedy=_("Ask for a new plan."), changes=error.changes)


def _wrong_body(request: HttpRequest, error: Any) -> HttpResponse:
    found: dict[str, list[str]] = {}
    for each in error.errors:
        found.setdefault(_path(each["loc"]), []).append(_said(each))
    return _fields(found)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error.__cause__, ApiError):  # said by the parser of bodies
        return _api_error(request, error.__cause__)
    if error.status_code == 400:
        return answer(400, _("The body is no JSON object."))
    return answer(error.status_code, str(error))


def _unknown(request: HttpRequest, error: Any) -> HttpResponse:
    raise error


def _fields(found: Mapping[str, Sequence[str]]) -> HttpResponse:
    """All that is wrong by its field, and the first of it where a program looks first."""
    field, texts = next(iter(found.items()), ("", [_("That can't be.")]))
    return answer(422, " ".join(texts), field=field, fields={path: list(each) for path, each in found.items()})


def _path(loc: Sequence[Any]) -> str:
    """`("body", "payload", "settings", "ports", 0)` as `settings.ports.0`: the names that the body has."""
    parts = [str(part) for part in loc]
    if parts[:1] == ["body"]:
        parts = parts[2:]
    elif parts[:1] in (["query"], ["path"]):
        parts = parts[-1:]
    return ".".join(parts)


def _said(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return _("There is no field of this name.")
    if error["type"] == "missing":
        return _("This is needed.")
    return f"{error['msg']}."
