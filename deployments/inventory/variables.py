"""A Placement's environment variables. A secret is written once and never shown again; each of its values is a sealed version."""

from collections.abc import Collection

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.inventory.placements import touch
from deployments.inventory.variable_values import after_of, before_of, destroy, exported, put, put_all
from deployments.leases import lock_placement
from deployments.models import Placement, Release, Variable


def set_variable(*, actor: Actor, placement: Placement, name: str, value: str, is_secret: bool) -> Variable:
    """Add or change one variable. A secret's new value is a new version; Refused at `name` or `value`.

    A secret never becomes plain by this: its value couldn't be shown. A plain one may become a secret.
    """
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        before = before_of(placement.variables.filter(name=name).first(), hidden=is_secret)
        changed = put(placement, name, value, is_secret)
        if changed:
            touch(placement)
            audit.record(actor, "variable.set", placement, before=before, after=after_of(name, value, is_secret))
        return placement.variables.get(name=name)


def delete_variable(*, actor: Actor, placement: Placement, name: str) -> None:
    """Remove one variable. A secret's values are destroyed, all of them, and the Releases that used them say so."""
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        variable = placement.variables.filter(name=name).first()
        if variable is None:
            raise Refused(_("There is no variable %(name)s.") % {"name": name}, "name")
        was_secret, before = variable.is_secret, before_of(variable, hidden=False)
        variable.delete()
        lost = destroy(placement, [name], Release.objects.filter(placement=placement)) if was_secret else []
        marked = [release.number for release in lost]
        touch(placement)
        after = {"name": name, "secret": was_secret, "releases_that_lost_it": marked}
        audit.record(actor, "variable.delete", placement, before=before, after=after)


def import_variables(*, actor: Actor, placement: Placement, text: str, secret_names: Collection[str] = ()) -> list[str]:
    """Set every variable of a `.env` text, all or none; returns the names that changed. Refused at `text`.

    What isn't in the text stays. A variable that is a secret already stays one.
    """
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        before, after = put_all(placement, text, secret_names)
        if after:
            touch(placement)
            audit.record(actor, "variable.import", placement, before=before, after=after)
    return list(after)


def export_variables(*, actor: Actor, placement: Placement) -> str:
    """The variables as `.env` text; of secrets only the names, as comments. That they were taken is recorded."""
    variables = list(placement.variables.all())
    audit.record(actor, "variable.export", placement, after={"names": [each.name for each in variables]})
    return exported(variables)
