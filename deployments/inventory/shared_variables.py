"""Sets of variables that the Applications of an Environment share, and which Placement uses which, in which order.

A change of a set is a change of every Placement that uses it: their versions rise, so that no Plan shows what isn't so.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from deployments import audit, queue
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory.placements import touch
from deployments.inventory.variable_values import after_of, before_of, destroy, exported, put, put_all
from deployments.leases import lock_placement
from deployments.models import Environment, Placement, PlacementSet, Release, SharedVariable, VariableSet

MOST: Final = 50
_LONGEST_NAME: Final = 40
_PLACEMENT: Final = ("placement__application", "placement__environment")  # what a Placement is called by
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def create_set(*, actor: Actor, environment: Environment, name: str) -> VariableSet:
    """A new, empty set. FieldErrors at `name`."""
    name = _checked_name(name)
    with transaction.atomic():
        Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)  # so that they are counted
        names = set(environment.variable_sets.values_list("name", flat=True))
        if name in names:
            raise FieldErrors({"name": [_("%(environment)s has a set of this name.") % {"environment": environment}]})
        if len(names) >= MOST:
            raise Refused(_("There are %(most)s sets here already; delete one first.") % {"most": MOST})
        row = VariableSet.objects.create(environment=environment, name=name)
        audit.record(actor, "variable_set.create", row)
    return row


def rename_set(*, actor: Actor, variable_set: VariableSet, name: str) -> VariableSet:
    """Call it otherwise. Nothing of its variables changes, so nothing is to be deployed for it. FieldErrors at `name`."""
    name = _checked_name(name)
    with transaction.atomic():
        row = _locked(variable_set)
        if row.name == name:
            return row
        if VariableSet.objects.filter(environment=row.environment, name=name).exists():
            said = _("%(environment)s has a set of this name.") % {"environment": row.environment}
            raise FieldErrors({"name": [said]})
        before, row.name = row.name, name
        row.save(update_fields=("name",))
        for placement in _lock_users(row):
            queue.changed_on_commit("placement", placement.pk, placement.pk)
        audit.record(actor, "variable_set.rename", row, before={"name": before}, after={"name": name})
    return row


def delete_set(*, actor: Actor, variable_set: VariableSet) -> None:
    """Remove a set that nothing uses; its secrets are destroyed, and the Releases that had used them say so. Refused."""
    with transaction.atomic():
        row = _locked(variable_set)
        users = [str(use.placement) for use in row.uses.select_related(*_PLACEMENT)]
        if users:
            raise Refused(
                _("%(name)s is in use by %(users)s.") % {"name": row.name, "users": ", ".join(users)},
                remedy=_("Take it out of their variables first."),
            )
        _lock_all(row)
        names = list(row.variables.values_list("name", flat=True))
        marked = _destroyed(row, list(row.variables.filter(is_secret=True).values_list("name", flat=True)))
        described = ("variableset", row.pk, str(row))
        row.variables.all().delete()
        row.delete()
        after = {"names": names, "releases_that_lost_it": marked}
        audit.record(actor, "variable_set.delete", described, after=after)


def set_shared_variable(
    *, actor: Actor, variable_set: VariableSet, name: str, value: str, is_secret: bool
) -> SharedVariable:
    """Add or change one variable of a set, by the rules of a Placement's. Refused at `name`, `value` or `is_secret`."""
    with transaction.atomic():
        row = _locked(variable_set)
        users = _lock_users(row)
        before = before_of(row.variables.filter(name=name).first(), hidden=is_secret)
        if put(row, name, value, is_secret):
            _changed(row, users)
            after = {**after_of(name, value, is_secret), "used_by": _names(users)}
            audit.record(actor, "shared_variable.set", row, before=before, after=after)
        return row.variables.get(name=name)


def delete_shared_variable(*, actor: Actor, variable_set: VariableSet, name: str) -> None:
    """Remove one. A secret's values are destroyed, and every Release of any Placement that used one says so. Refused."""
    with transaction.atomic():
        row = _locked(variable_set)
        everyone = _lock_all(row)
        used_by = set(row.uses.values_list("placement_id", flat=True))
        users = [each for each in everyone if each.pk in used_by]
        variable = row.variables.filter(name=name).first()
        if variable is None:
            raise Refused(_("There is no variable %(name)s.") % {"name": name}, "name")
        was_secret, before = variable.is_secret, before_of(variable, hidden=False)
        variable.delete()
        marked = _destroyed(row, [name]) if was_secret else []
        _changed(row, users)
        after = {"name": name, "secret": was_secret, "releases_that_lost_it": marked, "used_by": _names(users)}
        audit.record(actor, "shared_variable.delete", row, before=before, after=after)


def import_shared_variables(
    *, actor: Actor, variable_set: VariableSet, text: str, secret_names: Collection[str] = ()
) -> list[str]:
    """Set every variable of a `.env` text, all or none; returns the names that changed. Refused at `text`."""
    with transaction.atomic():
        row = _locked(variable_set)
        users = _lock_users(row)
        before, after = put_all(row, text, secret_names)
        if after:
            _changed(row, users)
            audit.record(actor, "shared_variable.import", row, before=before, after=after)
    return list(after)


def export_shared_variables(*, actor: Actor, variable_set: VariableSet) -> str:
    """The set as `.env` text; of secrets only the names. That it was taken is recorded."""
    variables = list(variable_set.variables.all())
    audit.record(actor, "shared_variable.export", variable_set, after={"names": [each.name for each in variables]})
    return exported(variables)


def use_sets(*, actor: Actor, placement: Placement, set_ids: Sequence[int]) -> None:
    """Which sets a Placement uses, the weakest first: of two the later wins, its own variables win over all. Refused."""
    wanted = list(dict.fromkeys(set_ids))
    with transaction.atomic():
        sets = VariableSet.objects.select_for_update(no_key=True).filter(environment=placement.environment_id)
        known = {row.pk: row for row in sets.order_by("pk")}
        placement = lock_placement(placement.pk)
        if placement.application.archived_at is not None:
            raise Refused(_("%(name)s is archived.") % {"name": placement.application.name})
        if not set(wanted) <= known.keys():
            raise Refused(_("One of these sets isn't there any more."), remedy=_("Look again, and choose once more."))
        before = list(placement.set_uses.values_list("variable_set_id", flat=True))
        if before == wanted:
            return
        placement.set_uses.all().delete()
        PlacementSet.objects.bulk_create(
            PlacementSet(placement=placement, variable_set=known[each], position=place)
            for place, each in enumerate(wanted, 1)
        )
        touch(placement)
        names = [[known[each].name for each in ids] for ids in (before, wanted)]
        audit.record(actor, "variable_set.use", placement, before={"sets": names[0]}, after={"sets": names[1]})


def _checked_name(name: str) -> str:
    name = name.strip().lower()
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        hint = _("Use up to %(longest)s lowercase letters, digits and single dashes, such as mail.")
        raise FieldErrors({"name": [hint % {"longest": _LONGEST_NAME}]})
    return name


def _locked(variable_set: VariableSet) -> VariableSet:
    """The set, so that nothing begins or ceases to use it meanwhile. Refused when it is gone."""
    rows = VariableSet.objects.select_for_update(no_key=True, of=("self",)).select_related("environment")
    row = rows.filter(pk=variable_set.pk).first()
    if row is None:
        raise Refused(_("The set %(name)s isn't there any more.") % {"name": variable_set.name})
    return row


def _lock_users(row: VariableSet) -> list[Placement]:
    """The Placements that use it."""
    users = row.uses.order_by("placement_id").values_list("placement_id", flat=True)
    return [lock_placement(placement_id) for placement_id in users]


def _lock_all(row: VariableSet) -> list[Placement]:
    """Every Placement that may ever have used it: one that went back to such a Release just now must be seen."""
    placements = Placement.objects.filter(environment=row.environment_id).order_by("pk")
    return [lock_placement(placement_id) for placement_id in placements.values_list("pk", flat=True)]


def _changed(row: VariableSet, users: Collection[Placement]) -> None:
    VariableSet.objects.filter(pk=row.pk).update(version=F("version") + 1)
    Placement.objects.filter(pk__in=[each.pk for each in users]).update(version=F("version") + 1)
    for placement in users:
        queue.changed_on_commit("placement", placement.pk, placement.pk)


def _destroyed(row: VariableSet, names: Collection[str]) -> list[str]:
    """The Releases that lost a secret by it, in words."""
    releases = Release.objects.filter(placement__environment=row.environment_id)
    lost = destroy(row, names, releases.select_related(*_PLACEMENT))
    return [f"{release.placement} {release}" for release in lost]


def _names(placements: Collection[Placement]) -> list[str]:
    return sorted(placement.application.name for placement in placements)
