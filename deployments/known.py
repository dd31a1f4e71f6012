"""What this version of Estiva knows how to do. The rest it leaves alone, for a worker of another version to take.

While an installation is upgraded a worker of the version before may still be at work, on another machine for one. What was asked
for by then may be of a kind that it has no code for, or set in a way that it would pass over in silence. Half a deploy is
worse than one that waits: so it claims only what it knows all of, and ends nothing else either.

What is known is read off the code that knows it: choices, and the settings that there are. A setting or a choice that goes out of
use has to stay known: a Release that bears it is rolled back to.
"""

import functools
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from django.conf import settings as configured
from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from deployments import build_settings, compose_settings, container_settings, hooks, rollout_settings, sources
from deployments.models import Deployment, Host, Operation, Placement, Registry, Release, Target
from deployments.setting_fields import Field

log = logging.getLogger(__name__)

OPERATIONS: Final = Q(kind__in=Operation.Kind.values)
"""Of Operations: those of a kind that there is; how any other one ends is for those to say who know it."""
TARGETS: Final = Q(role__in=Target.Role.values)
"""As `OPERATIONS`, of Targets."""
_ROLLOUT: Final = frozenset({hooks.LEADS, hooks.CATCHES_UP})  # what `Deployment.rollout` has besides the settings
_VARIABLE: Final = frozenset({"name", "value", "secret", "number", "set"})


def odd_role() -> Subquery:
    """Of a Target: the role of another one of its Deployment that this version doesn't know, which it may have to wait for."""
    beside = Target.objects.filter(deployment=OuterRef("deployment_id")).exclude(TARGETS)
    return Subquery(beside.values("role")[:1])


def unknown_in_deployment(deployment: Deployment, roles: Iterable[str] = (), way: str = Host.Way.SSH) -> str:
    """What of it this version doesn't know, in words; "" where it knows everything.

    `roles` are those of its Targets, `way` is how the server in question is reached.
    """
    release = deployment.release
    return (
        next((_("the role “%s”") % each for each in roles if each not in Target.Role.values), "")
        or _choice(_("deployments of the kind “%s”"), deployment.kind, Deployment.Kind.values)
        or _choice(_("servers reached by “%s”"), way, Host.Way.values)
        or unknown_in_content(release.source, release.settings, release.variables)
        or _unknown_in_rollout(deployment.rollout)
    )


def unknown_in_operation(operation_id: int, kinds: Collection[str]) -> str:
    """What of an Operation a worker doesn't know that carries out these kinds; "" where it knows everything, and where there is none."""
    row = (
        Operation.objects.filter(pk=operation_id)
        .values(
            *("kind", "host__way", "registry__kind", "placement__source", "placement__rollout"),
            *("plan__source", "plan__settings", "plan__variables"),
            *(f"one_off__release__{each}" for each in ("source", "settings", "variables")),
        )
        .first()
    )
    if row is None:
        return ""
    is_plan = row["kind"] == Operation.Kind.PLAN
    return (
        _choice(_("operations of the kind “%s”"), row["kind"], kinds)
        or _choice(_("servers reached by “%s”"), row["host__way"], Host.Way.values)
        or _choice(_("registries of the kind “%s”"), row["registry__kind"], Registry.Kind.values)
        or _choice(_("the source “%s”"), row["placement__source"], Placement.Source.values)
        or (_unknown_in_rollout(row["placement__rollout"] or {}) if is_plan else "")
        or _content_of(row, "plan__")
        or _content_of(row, "one_off__release__")
    )


def reads(release: Release) -> bool:
    """This version knows all of what a Release says."""
    return not unknown_in_content(release.source, release.settings, release.variables)


def unknown_in_content(
    source: Mapping[str, Any], settings: Mapping[str, Any], variables: Sequence[Mapping[str, Any]]
) -> str:
    """What this version doesn't know of a Release's content, or a Plan's."""
    return (
        ("" if sources.is_known(source) else _("the source “%s”") % source.get("kind"))
        or next((_("what “%s” says of a source") % name for name in source if name not in sources.NAMES), "")
        or _setting(build_settings.FIELDS, source.get("build", {}), "build.")
        or _setting(compose_settings.FIELDS, source.get("compose", {}), "compose.")
        or _setting(container_settings.FIELDS, settings, "")
        or next((_("what “%s” says of a variable") % key for each in variables for key in set(each) - _VARIABLE), "")
    )


@functools.lru_cache(maxsize=1000)
def leave(noun: str, object_id: int, unknown: str) -> None:
    """Tell the log that this process doesn't take it; once, since it is offered again every few seconds."""
    told = {noun: object_id, "unknown": unknown, "version": configured.VERSION}
    log.warning("left for a worker that knows it", extra=told)


def waiting_reason(unknown: str) -> str:
    """Why nobody takes it, where this version itself doesn't know what that would be."""
    return _("Waits for a worker that knows %(what)s; this version of Estiva does not.") % {"what": unknown}


def _choice(said: str, value: str | None, choices: Collection[str]) -> str:
    return "" if value is None or value in choices else said % value


def _content_of(row: Mapping[str, Any], prefix: str) -> str:
    source, settings, variables = (row[f"{prefix}{each}"] for each in ("source", "settings", "variables"))
    return unknown_in_content(source or {}, settings or {}, variables or [])


def _unknown_in_rollout(rollout: Mapping[str, Any]) -> str:
    said = {name: value for name, value in rollout.items() if name not in _ROLLOUT}
    return _setting(rollout_settings.FIELDS, said, "rollout.")


def _setting(fields: Sequence[Field], given: Mapping[str, Any], prefix: str) -> str:
    """The first of these that there is no such setting for, or no such choice; groups and rows are looked through."""
    by_name = {field.name: field for field in fields}
    for name, value in given.items():
        field = by_name.get(name)
        if field is None:
            return _("the setting “%s”") % f"{prefix}{name}"
        is_choice = field.kind == "choice" and value not in (None, field.default)
        if is_choice and value not in [each for each, _words in field.choices]:
            return _("“%(value)s” as the setting “%(name)s”") % {"value": value, "name": f"{prefix}{name}"}
        rows = [value] if field.kind == "group" else value if field.kind == "rows" else ()
        for row in rows or ():
            if isinstance(row, Mapping) and (found := _setting(field.columns, row, f"{prefix}{name}.")):
                return found
    return ""
