"""Applications and Environments. Their names are part of containers' and images' names, so they are fixed once given.

`save_placement` and the variables' functions are here by import: all of an application's changes under one name.
"""

import re
from typing import Any, Final

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from deployments import audit, clock, queue
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory.placements import check_placement, save_placement
from deployments.inventory.variables import delete_variable, export_variables, import_variables, set_variable
from deployments.models import Application, Environment, Host, PlacementHost
from deployments.states import DEPLOYMENT_OPEN

__all__ = [
    "archive_application",
    "check_application",
    "check_placement",
    "create_application",
    "create_environment",
    "delete_variable",
    "export_variables",
    "import_variables",
    "save_placement",
    "set_variable",
    "update_application",
    "update_environment",
]

KEEP: Final = 0
"""No server has this id: the builder stays who it is."""

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RESERVED: Final = frozenset({"new", "edit", "paste"})  # addresses of pages


def create_environment(
    *,
    actor: Actor,
    name: str,
    is_production: bool = False,
    allows_terminal: bool = False,
    position: int | None = None,
) -> Environment:
    """A new Environment, last in order unless a position is given. FieldErrors."""
    name = _checked_name(name, Environment, 32)
    with transaction.atomic():
        if position is None:
            position = (Environment.objects.aggregate(last=Max("position"))["last"] or 0) + 1
        environment = Environment.objects.create(
            name=name, is_production=is_production, allows_terminal=allows_terminal, position=position
        )
        after = {"is_production": is_production, "position": position, "allows_terminal": allows_terminal}
        audit.record(actor, "environment.create", environment, after=after)
    return environment


def update_environment(
    *,
    actor: Actor,
    environment: Environment,
    is_production: bool | None = None,
    position: int | None = None,
    allows_terminal: bool | None = None,
    builder_id: int | None = KEEP,
) -> Environment:
    """Change its place in the order, whether changes in it ask twice, whether admins may open terminals in its containers, or
    which server builds for it (None: each first one)."""
    with transaction.atomic():
        environment = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
        before = _environment_shown(environment)
        environment.is_production = environment.is_production if is_production is None else is_production
        environment.position = environment.position if position is None else position
        if allows_terminal is not None:
            environment.allows_terminal = allows_terminal
        if builder_id != KEEP:
            environment.builder = _builder(builder_id) if builder_id is not None else None
        after = _environment_shown(environment)
        if before != after:
            environment.save(update_fields=("is_production", "position", "allows_terminal", "builder"))
            audit.record(actor, "environment.update", environment, before=before, after=after)
    return environment


def _environment_shown(environment: Environment) -> dict[str, Any]:
    shown = {
        "is_production": environment.is_production,
        "position": environment.position,
        "allows_terminal": environment.allows_terminal,
    }
    return {**shown, "builder": environment.builder.name} if environment.builder else shown


def _builder(host_id: int) -> Host:
    """Locked, so that it isn't retired while it's being chosen."""
    host = Host.objects.select_for_update(no_key=True).filter(pk=host_id, retired_at=None).first()
    if host is None:
        raise FieldErrors({"builder": [_("This server doesn't exist, or is retired.")]})
    return host


def create_application(*, actor: Actor, name: str, description: str = "") -> Application:
    """A new Application. FieldErrors."""
    name = _checked_name(name, Application, 40)
    description = _checked_description(description)
    with transaction.atomic():
        application = Application.objects.create(name=name, description=description)
        audit.record(actor, "application.create", application, after={"description": description})
    return application


def check_application(*, name: str, description: str = "") -> None:
    """Raise what `create_application` would, so that a form says everything at once. FieldErrors."""
    _checked_name(name, Application, 40)
    _checked_description(description)


def update_application(*, actor: Actor, application: Application, description: str) -> Application:
    """Change what is said about it."""
    description = _checked_description(description)
    with transaction.atomic():
        application = Application.objects.select_for_update(no_key=True).get(pk=application.pk)
        before = {"description": application.description}
        if application.description != description:
            application.description = description
            application.save(update_fields=("description",))
            audit.record(actor, "application.update", application, before=before, after={"description": description})
    return application


def archive_application(*, actor: Actor, application: Application) -> Application:
    """Put it away: no more Plans or Deployments; what runs keeps running and is named as Estiva's last state of it.

    Refused while a Deployment is open.
    """
    with transaction.atomic():
        application = Application.objects.select_for_update(no_key=True).get(pk=application.pk)
        if application.archived_at is not None:
            return application
        # Whoever asks for a Deployment holds this lock too, and looks at the application under it.
        placement_ids = [each.pk for each in application.placements.select_for_update(no_key=True).order_by("pk")]
        if application.placements.filter(deployments__status__in=DEPLOYMENT_OPEN).exists():
            raise Refused(_("A deployment of it is still open."), remedy=_("Wait for it, or cancel it."))
        running = PlacementHost.objects.filter(placement__application=application, running_release__isnull=False)
        names = sorted(set(running.values_list("host__name", flat=True)))
        application.archived_at = clock.now()
        application.save(update_fields=("archived_at",))
        for placement_id in placement_ids:
            queue.changed_on_commit("placement", placement_id, placement_id)
        audit.record(actor, "application.archive", application, after={"still_runs_on": names})
    return application


def _checked_name(name: str, model: type[Application] | type[Environment], longest: int) -> str:
    name = name.strip().lower()
    if not _NAME.fullmatch(name) or len(name) > longest or name in _RESERVED:
        raise FieldErrors(
            {
                "name": [
                    _("Use up to %(longest)s lowercase letters, digits and single dashes, such as billing-api.")
                    % {"longest": longest}
                ]
            }
        )
    if model._default_manager.filter(name=name).exists():
        raise FieldErrors({"name": [_("This name is taken.")]})
    return name


def _checked_description(description: str) -> str:
    description = description.strip()
    if len(description) > 200:
        raise FieldErrors({"description": [_("Use at most 200 characters.")]})
    return description
