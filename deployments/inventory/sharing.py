"""What Placements could take from one another on a server: volumes by name, and names in an Environment's network.

Docker knows no owners, so the first Placement that names one has it. Only an admin lets another one share it; what a
Placement has by then it keeps. What Compose makes for an application begins with its project's name, and is its own.
Volumes that Estiva never made are nobody's here: who may see those is not known to it.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deployments import permissions, releases
from deployments.actors import ESTIVA, Actor
from deployments.errors import FieldErrors
from deployments.models import Environment, Placement, Release

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    Rows = QuerySet[Placement] | QuerySet[Release]


def check_sharing(
    *, actor: Actor, placement: Placement | None, environment: Environment, settings: Mapping[str, Any]
) -> None:
    """FieldErrors, with dotted paths, where these settings name what is another Placement's.

    Needs the servers' locks: two that share none can't meet.
    """
    if actor == ESTIVA or permissions.acts_as_admin(actor):
        return
    own = placement.pk if placement else 0
    others, kept = Placement.objects.exclude(pk=own), Release.objects.exclude(placement=own)
    near = {"environment": placement.environment_id if placement else environment.pk}
    volumes = sorted(
        {*_foreign("volumes", placement, settings, others, kept), *_of_projects(settings, placement, others)}
    )
    aliases = _foreign(
        "network_aliases",
        placement,
        settings,
        others.filter(**near),
        kept.filter(**{f"placement__{name}": value for name, value in near.items()}),
    )
    errors: dict[str, list[str | StrPromise]] = {}
    for number in volumes:
        errors[f"settings.volumes.{number}.name"] = [
            _("Another placement has a volume of this name. Choose another name, or ask an admin.")
        ]
    for number in aliases:
        errors[f"settings.network_aliases.{number}"] = [
            _("Another placement of this environment has this name. Choose another, or ask an admin.")
        ]
    if errors:
        raise FieldErrors(errors)


def volumes_of_others(placement_id: int, names: Collection[str]) -> set[str]:
    """Those of the names that other Placements' settings have, or that begin as a Compose application's own do."""
    others, kept = Placement.objects.exclude(pk=placement_id), Release.objects.exclude(placement=placement_id)
    composed = others.filter(source=Placement.Source.COMPOSE).select_related("application", "environment")
    projects = tuple(f"{releases.project_name(each)}_" for each in composed)
    used = _used("volumes", others, kept) if names else set()
    return {each for each in names if each in used or each.startswith(projects)}


def _foreign(field: str, placement: Placement | None, settings: Mapping[str, Any], *others: "Rows") -> list[int]:
    """The positions of the names that are others' and weren't this Placement's before."""
    wanted = _names(settings.get(field))
    new = (
        set(wanted) - _used(field, Placement.objects.filter(pk=placement.pk), placement.releases.all())
        if placement
        else set(wanted)
    )
    if not new:
        return []
    foreign = new & _used(field, *others)
    return [number for number, name in enumerate(wanted) if name in foreign]


def _of_projects(settings: Mapping[str, Any], placement: Placement | None, others: "QuerySet[Placement]") -> list[int]:
    """The positions of the volumes that are named as Compose names those of another application."""
    composed = others.filter(source=Placement.Source.COMPOSE).select_related("application", "environment")
    projects = tuple(f"{releases.project_name(each)}_" for each in composed)
    had = set(_names(placement.settings.get("volumes"))) if placement else set()
    wanted = _names(settings.get("volumes"))
    return [number for number, name in enumerate(wanted) if name.startswith(projects) and name not in had]


def _used(field: str, *rows: "Rows") -> set[str]:
    """Every name that these rows' settings hold there."""
    found: set[str] = set()
    for each in rows:
        for value in each.order_by().values_list(f"settings__{field}", flat=True).distinct():
            found.update(_names(value))
    return found


def _names(value: Any) -> list[str]:
    return [each["name"] if isinstance(each, Mapping) else each for each in value or ()]
