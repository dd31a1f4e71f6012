"""Who calls: a person's token, never a session; what it may do here, and what exists for it."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.core.cache import cache
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from ninja.security import HttpBearer

from dashboard.api.errors import NOTHING, ApiError
from dashboard.middleware import client_address
from deployments import actors, audit, permissions
from deployments.accounts import tokens
from deployments.accounts.reach import Reach
from deployments.actors import Actor
from deployments.models import (
    AccessToken,
    Application,
    Deployment,
    Environment,
    Host,
    Placement,
    Plan,
    Release,
    Role,
    User,
)

FAILURES_A_MINUTE: Final = 30  # from one address, until it is told to slow down
NOTED_A_MINUTE: Final = 5  # entries of the audit trail, of one token or address

_WHERE: Final = gettext_lazy("Send it as Authorization: Bearer estiva_…")
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token, how much of it counts today, and who the audit trail names."""

    token: AccessToken
    scope: AccessToken.Scope
    actor: Actor

    @property
    def user(self) -> User:
        """Whose token it is."""
        return self.token.user

    @property
    def sees_all(self) -> bool:
        """Every server exists for it."""
        return not self.token.is_narrowed and permissions.sees_everything(self.user)

    @property
    def reach(self) -> Reach:
        """What exists for it."""
        return Reach(self.token)


class Request(HttpRequest):
    """A request that `Bearer` let in."""

    auth: Caller


class Bearer(HttpBearer):
    """Lets tokens in whose scope is enough and whose person has one of these roles; `query` are the parameters there are."""

    def __init__(self, scope: str, *roles: Role, query: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.scope, self.roles, self.query = AccessToken.Scope(scope), roles or tuple(Role), frozenset(query)

    def __call__(self, request: HttpRequest) -> Caller:
        """The caller; ApiError where it isn't let in."""
        caller = _caller(request)
        if not tokens.holds(caller.scope, self.scope):
            raise _denied(
                request,
                caller,
                _("This token may not do that: it would need the scope “%(scope)s”.") % {"scope": self.scope},
            )
        if caller.user.role not in self.roles:
            raise _denied(request, caller, _("Your role may not do that."))
        unknown = sorted(set(request.GET) - self.query)
        if unknown:
            raise ApiError(422, _("There is no parameter of this name."), field=unknown[0][:100])
        return caller

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Not used: `__call__` says more than yes or no."""
        raise NotImplementedError


def refuse(request: Request, message: object) -> ApiError:
    """What a view raises where scope and role alone don't decide; recorded: `raise refuse(request, …)`."""
    return _denied(request, request.auth, str(message))


def get_application(request: Request, name: str) -> Application:
    """The Application of that name, if it exists for this token."""
    return _found(request, request.auth.reach.applications(), Application, name=name)


def get_environment(request: Request, name: str) -> Environment:
    """The Environment of that name."""
    return _found(request, request.auth.reach.environments(), Environment, name=name)


def get_host(request: Request, name: str) -> Host:
    """The server of that name."""
    return _found(request, request.auth.reach.hosts(), Host, name=name)


def get_placement(request: Request, application: str, environment: str) -> Placement:
    """The Placement of that Application in that Environment, with both at hand."""
    seen = request.auth.reach.placements().select_related("application", "environment")
    return _found(request, seen, Placement, application__name=application, environment__name=environment)


def get_release(request: Request, placement: Placement, number: int) -> Release:
    """A Release of a Placement that exists for this token."""
    return _found(request, Release.objects.filter(placement=placement), Release, number=number)


def get_plan(request: Request, plan: int) -> Plan:
    """A Plan, with its Placement and Operation at hand."""
    seen = request.auth.reach.plans()
    related = seen.select_related("placement__application", "placement__environment", "operation", "of_release")
    return _found(request, related, Plan, pk=plan)


def get_deployment(request: Request, deployment: int) -> Deployment:
    """A Deployment, with its Placement and Releases at hand."""
    seen = request.auth.reach.deployments()
    related = seen.select_related("placement__application", "placement__environment", "release", "previous_release")
    return _found(request, related, Deployment, pk=deployment)


def _caller(request: HttpRequest) -> Caller:
    kind, _space, text = request.headers.get("Authorization", "").partition(" ")
    address = client_address(request)
    if kind.lower() != "bearer" or not text.strip():
        raise ApiError(401, _("A token is needed."), remedy=_WHERE)
    token = tokens.find(text.strip())
    if token is None:
        raise _turned_away(address)
    if said := tokens.why_over(token):
        actor = actors.Actor(token.user_id, str(token.user), address)
        if _counted(f"over {token.pk}") <= NOTED_A_MINUTE:
            audit.denied(actor, "token.use", token, said)
        raise ApiError(401, said, remedy=_("Make another under Preferences, Access tokens."))
    tokens.note_use(token, address)
    return Caller(token, tokens.scope_now(token), tokens.actor_of(token, address))


def _turned_away(address: str) -> ApiError:
    """Nobody has such a token. Whoever shares an address with such a caller isn't shut out: their own token is found."""
    tries = _counted(f"stranger {address}")
    if tries <= NOTED_A_MINUTE:
        audit.denied(
            actors.unknown("unknown token", address), "token.use", ("accesstoken", "", ""), "There is no such token."
        )
    if tries > FAILURES_A_MINUTE:
        return ApiError(429, _("Too many wrong tokens came from this address. Wait a minute."))
    return ApiError(401, _("There is no such token."), remedy=_WHERE)


def _denied(request: HttpRequest, caller: Caller, message: str, status: int = 403) -> ApiError:
    _note(request, caller, ("page", request.path[:200], request.path[:200]))
    return ApiError(status, message)


def _found(request: Request, rows: QuerySet[_Row], model: type[_Row], **lookup: object) -> _Row:
    row = rows.filter(**lookup).first()
    if row is not None:
        return row
    foreign = model._default_manager.filter(**lookup).first() if model is not Release else None
    if foreign is not None:
        _note(request, request.auth, (model._meta.model_name or "", str(foreign.pk), str(foreign)[:200]))
    raise ApiError(404, NOTHING)


def _note(request: HttpRequest, caller: Caller, what: tuple[str, str, str]) -> None:
    """The entry of what was refused, a few a minute: a loop in a pipeline would bury all others."""
    if _counted(f"denied {caller.token.pk}") <= NOTED_A_MINUTE:
        method = "looked at" if request.method == "GET" else "tried to change"
        audit.denied(caller.actor, "access.refused", what, f"{method} {request.path}"[:500])


def _counted(what: str) -> int:
    """Count one more in this minute; how many there were with it."""
    key = f"api-{hashlib.sha256(what.encode()).hexdigest()[:32]}-{int(time.time() // 60)}"
    if cache.add(key, 1, 120):
        return 1
    try:
        return int(cache.incr(key))
    except ValueError:  # it was dropped between the two: then there is room
        return 1
