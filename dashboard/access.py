"""The first line of every view: who may be here, and the object fetched through that check.

`@seen_by(...)` names the roles. What a person may not know of answers 404, what their role may not do answers 403;
both are entries of the audit trail.
"""

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from deployments import audit, permissions
from deployments.actors import Actor
from deployments.models import (
    AccessToken,
    Application,
    Deployment,
    Environment,
    Host,
    OneOffRun,
    Operation,
    Placement,
    Plan,
    Release,
    Role,
    Terminal,
    User,
)

READ: Final = ("GET", "HEAD")
FORM: Final = ("GET", "HEAD", "POST")
ACT: Final = ("POST",)

EVERYONE: Final = (Role.ADMIN, Role.DEPLOYER, Role.AUDITOR)
ACTING: Final = (Role.ADMIN, Role.DEPLOYER)
READING_ALL: Final = (Role.ADMIN, Role.AUDITOR)
ADMINS: Final = (Role.ADMIN,)


class Request(HttpRequest):
    """A request of somebody who is signed in; `actor` is who the audit trail names."""

    user: User  # once `seen_by` has let them in
    actor: Actor


_View = Callable[..., HttpResponseBase]
_Row = TypeVar("_Row", bound=Model)


def seen_by(*roles: Role, methods: tuple[str, ...] = READ, changes: tuple[Role, ...] = ()) -> Callable[[_View], _View]:
    """Let only these roles in, with these methods; `changes` names fewer roles for POST where looking is for more."""

    def decorate(view: _View) -> _View:
        @functools.wraps(view)
        def guarded(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not _is_signed_in(request):
                return signed_out(request)
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            allowed = changes if changes and request.method == "POST" else roles
            if request.user.role not in allowed:
                raise denial(request)
            response = view(request, *args, **kwargs)
            response.headers.setdefault("Cache-Control", "no-store, private")
            return response

        guarded.seen_by = roles  # type: ignore[attr-defined] # the table of routes reads it
        return guarded

    return decorate


def _is_signed_in(request: HttpRequest) -> bool:
    return request.user.is_authenticated


def denial(request: Request) -> PermissionDenied:
    """What a view raises where the role alone doesn't decide; the attempt is recorded: `raise denial(request)`."""
    _deny(request, "page", request.resolver_match.view_name if request.resolver_match else "", request.path)
    return PermissionDenied()


def open_to_all(*, methods: tuple[str, ...] = READ) -> Callable[[_View], _View]:
    """For the few pages that need no sign-in (links, health): says so, and holds the methods."""

    def decorate(view: _View) -> _View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            response = view(request, *args, **kwargs)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        guarded.seen_by = ()  # type: ignore[attr-defined]
        return guarded

    return decorate


def signed_out(request: HttpRequest) -> HttpResponseBase:
    """To the sign-in page and back, or a bare 401 where a script asks for a part of a page."""
    if "HX-Request" in request.headers or "fragment" in request.GET or request.method not in READ:
        return render(request, "errors/401.html", status=401)
    return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': request.get_full_path()})}")


def get_application(request: Request, name: str) -> Application:
    """The Application of that name, if this person may know of it."""
    return _visible(request, permissions.visible_applications(request.user), Application, name=name)


def get_placement(request: Request, application: str, environment: str) -> Placement:
    """The Placement of that Application in that Environment, with both at hand."""
    visible = permissions.visible_placements(request.user).select_related("application", "environment")
    return _visible(request, visible, Placement, application__name=application, environment__name=environment)


def get_release(request: Request, application: str, environment: str, number: int) -> Release:
    """A Release of a Placement that this person may know of."""
    placement = get_placement(request, application, environment)
    release = Release.objects.filter(placement=placement, number=number).first()
    if release is None:
        raise Http404(_("There is no release %(number)s here.") % {"number": number})
    release.placement = placement
    return release


def get_plan(request: Request, plan: int) -> Plan:
    """A Plan, through its Placement."""
    visible = permissions.visible_plans(request.user)
    related = visible.select_related("placement__application", "placement__environment", "operation", "of_release")
    return _visible(request, related, Plan, pk=plan)


def get_deployment(request: Request, deployment: int) -> Deployment:
    """A Deployment, with its Placement and Release at hand."""
    visible = permissions.visible_deployments(request.user)
    related = visible.select_related(
        "placement__application", "placement__environment", "release", "previous_release", "requested_by"
    )
    return _visible(request, related, Deployment, pk=deployment)


def get_host(request: Request, name: str) -> Host:
    """A Host by its name."""
    return _visible(request, permissions.visible_hosts(request.user), Host, name=name)


def get_operation(request: Request, operation: int) -> Operation:
    """An Operation."""
    return _visible(request, permissions.visible_operations(request.user), Operation, pk=operation)


def get_follow(request: Request, follow: int) -> Operation:
    """A follow of a container, or of what a server's take."""
    return _visible(request, permissions.visible_follows(request.user), Operation, pk=follow)


def get_run(request: Request, run: int) -> OneOffRun:
    """A one-off run, with its Operation, Release and Placement at hand."""
    visible = permissions.visible_runs(request.user)
    related = visible.select_related("operation", "release__placement__application", "release__placement__environment")
    return _visible(request, related, OneOffRun, pk=run)


def get_terminal(request: Request, terminal: int) -> Terminal:
    """A terminal, with its Operation, Release and Placement at hand."""
    visible = permissions.visible_terminals(request.user)
    related = visible.select_related("operation", "release__placement__application", "release__placement__environment")
    return _visible(request, related, Terminal, pk=terminal)


def get_environment(request: Request, name: str) -> Environment:
    """An Environment; only admins have pages for them."""
    return _visible(request, Environment.objects.all(), Environment, name=name)


def get_person(request: Request, person: int) -> User:
    """Somebody; only those who may see people have pages for them."""
    return _visible(request, User.objects.all(), User, pk=person)


def get_token(request: Request, owner: User, token: int) -> AccessToken:
    """An access token of this person's."""
    return _visible(request, AccessToken.objects.filter(user=owner), AccessToken, pk=token)


def _visible(request: Request, rows: QuerySet[_Row], model: type[_Row], **lookup: object) -> _Row:
    row = rows.filter(**lookup).first()
    if row is not None:
        return row
    foreign = model._default_manager.filter(**lookup).first()
    if foreign is not None:
        _deny(request, model._meta.model_name or "", str(foreign.pk), str(foreign))
    raise Http404(_("There is nothing here, or nothing that you may see."))


def _deny(request: Request, kind: str, key: str, name: str) -> None:
    method = "looked at" if request.method in READ else "tried to change"
    audit.denied(request.actor, "access.refused", (kind, key, name[:200]), f"{method} {request.path}"[:500])
