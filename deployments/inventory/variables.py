"""A Placement's environment variables. A secret is written once and never shown again; each of its values is a sealed version."""

from collections.abc import Collection
from typing import Any, Final

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from deployments import audit, clock, dotenv
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.inventory.placements import touch
from deployments.leases import lock_placement
from deployments.models import Placement, Release, SecretVersion, Variable
from deployments.sealing import seal

LONGEST_NAME: Final = 200
LONGEST_VALUE: Final = 128 * 1024  # what Linux takes for one variable
_CHANGED: Final = "changed"
_HIDDEN: Final = "a secret value"
_PLAIN: Final = "a plain value"


def set_variable(*, actor: Actor, placement: Placement, name: str, value: str, is_secret: bool) -> Variable:
    """Add or change one variable. A secret's new value is a new version; Refused at `name` or `value`.

    A secret never becomes plain by this: its value couldn't be shown. A plain one may become a secret.
    """
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        before = _shown(placement.variables.filter(name=name).first(), hidden=is_secret)
        variable, changed = _set(placement, name, value, is_secret)
        if changed:
            touch(placement)
            after = {"name": name, "secret": is_secret, "value": _CHANGED if is_secret else value}
            audit.record(actor, "variable.set", placement, before=before, after=after)
    return variable


def delete_variable(*, actor: Actor, placement: Placement, name: str) -> None:
    """Remove one variable. A secret's values are destroyed, all of them, and the Releases that used them say so."""
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        variable = placement.variables.filter(name=name).first()
        if variable is None:
            raise Refused(_("There is no variable %(name)s.") % {"name": name}, "name")
        was_secret, before = variable.is_secret, _shown(variable, hidden=False)
        variable.delete()
        marked = _destroy(placement, name) if was_secret else []
        touch(placement)
        after = {"name": name, "secret": was_secret, "releases_that_lost_it": marked}
        audit.record(actor, "variable.delete", placement, before=before, after=after)


def import_variables(*, actor: Actor, placement: Placement, text: str, secret_names: Collection[str] = ()) -> list[str]:
    """Set every variable of a `.env` text, all or none; returns the names that changed. Refused at `text`.

    What isn't in the text stays. A variable that is a secret already stays one.
    """
    try:
        pairs = dotenv.parse(text)
    except dotenv.DotenvError as error:
        raise Refused(error.message, "text") from error
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        secret = set(secret_names) | set(placement.variables.filter(is_secret=True).values_list("name", flat=True))
        old = {variable.name: variable for variable in placement.variables.all()}
        values = {name: value for name, value in pairs if _set(placement, name, value, name in secret)[1]}
        changed = list(values)
        if changed:
            touch(placement)
            before = {name: _shown(old.get(name), hidden=name in secret).get("value") for name in changed}
            after = {name: _CHANGED if name in secret else values[name] for name in changed}
            audit.record(actor, "variable.import", placement, before=before, after=after)
    return changed


def export_variables(*, actor: Actor, placement: Placement) -> str:
    """The variables as `.env` text; of secrets only the names, as comments. That they were taken is recorded."""
    variables = list(placement.variables.all())
    secret = [
        f"# {variable.name} is a secret; its value is not exported\n" for variable in variables if variable.is_secret
    ]
    audit.record(actor, "variable.export", placement, after={"names": [each.name for each in variables]})
    return dotenv.dump((each.name, each.value) for each in variables if not each.is_secret) + "".join(secret)


def _shown(variable: Variable | None, *, hidden: bool) -> dict[str, Any]:
    """A variable before a change, for the record. `hidden` where it becomes a secret: then its plain value is one, too."""
    if variable is None:
        return {}
    value = _HIDDEN if variable.is_secret else _PLAIN if hidden else variable.value
    return {"name": variable.name, "secret": variable.is_secret, "value": value}


def _set(placement: Placement, name: str, value: str, is_secret: bool) -> tuple[Variable, bool]:
    """The variable and whether it changed; needs the Placement's lock."""
    _check(name, value)
    variable = placement.variables.filter(name=name).first()
    if variable is None:
        last = placement.variables.aggregate(last=Max("position"))["last"] or 0
        variable = Variable(placement=placement, name=name, position=last + 1)
    elif variable.is_secret and not is_secret:
        raise Refused(
            _("%(name)s is a secret and can't be made plain.") % {"name": name},
            "is_secret",
            _("Delete it first, then add it as a plain variable."),
        )
    elif not is_secret and variable.value == value:
        return variable, False
    variable.is_secret = is_secret
    variable.value = "" if is_secret else value
    variable.secret_version = _new_version(placement, name, value) if is_secret else None
    variable.save()
    return variable, True


def _new_version(placement: Placement, name: str, value: str) -> SecretVersion:
    versions = SecretVersion.objects.filter(placement=placement, name=name)
    number = (versions.aggregate(last=Max("number"))["last"] or 0) + 1
    return SecretVersion.objects.create(placement=placement, name=name, number=number, sealed=seal(value))


def _destroy(placement: Placement, name: str) -> list[int]:
    """Destroy every version of a secret and mark the Releases that used one; returns their numbers."""
    versions = SecretVersion.objects.filter(placement=placement, name=name, sealed__isnull=False)
    destroyed = set(versions.values_list("pk", flat=True))
    versions.update(sealed=None, destroyed_at=clock.now())
    marked = []
    for release in Release.objects.filter(placement=placement):
        used = any(variable.get("secret") in destroyed for variable in release.variables)
        if used and name not in release.lost_secrets:
            release.lost_secrets = [*release.lost_secrets, name]
            release.save(update_fields=("lost_secrets",))
            marked.append(release.number)
    return sorted(marked)


def _check(name: str, value: str) -> None:
    try:
        dotenv.check_name(name)
    except dotenv.DotenvError as error:
        raise Refused(error.message, "name") from error
    if len(name) > LONGEST_NAME:
        raise Refused(_("Use at most %(most)s characters.") % {"most": LONGEST_NAME}, "name")
    try:
        dotenv.check_value(value)
    except dotenv.DotenvError as error:
        raise Refused(error.message, "value") from error
    if len(value.encode()) + len(name.encode()) > LONGEST_VALUE:
        raise Refused(_("Linux takes at most 128 KB for one variable."), "value")
