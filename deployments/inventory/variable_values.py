"""Names and values of variables, of a Placement or of a shared set: checked, stored, sealed, destroyed. Needs the owner's lock."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from deployments import clock, dotenv
from deployments.errors import Refused
from deployments.models import Placement, Release, SecretVersion, SharedVariable, Variable, VariableSet
from deployments.sealing import seal

LONGEST_NAME: Final = 200
LONGEST_VALUE: Final = 128 * 1024  # what Linux takes for one variable
_CHANGED: Final = "changed"
_HIDDEN: Final = "a secret value"
_PLAIN: Final = "a plain value"

Owner = Placement | VariableSet


def put(owner: Owner, name: str, value: str, is_secret: bool) -> bool:
    """Add or change one variable; whether that changed anything. Refused at `name`, `value` or `is_secret`."""
    _check(name, value)
    variable = owner.variables.filter(name=name).first()
    if variable is None:
        last = owner.variables.aggregate(last=Max("position"))["last"] or 0
        variable = _new(owner, name, last + 1)
    elif variable.is_secret and not is_secret:
        raise Refused(
            _("%(name)s is a secret and can't be made plain.") % {"name": name},
            "is_secret",
            _("Delete it first, then add it as a plain variable."),
        )
    elif not is_secret and variable.value == value:
        return False
    variable.is_secret = is_secret
    variable.value = "" if is_secret else value
    variable.secret_version = _new_version(owner, name, value) if is_secret else None
    variable.save()
    return True


def put_all(owner: Owner, text: str, secret_names: Collection[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Every variable of a `.env` text, all or none: those that changed, before and after, for the record. Refused at `text`."""
    try:
        pairs = dotenv.parse(text)
    except dotenv.DotenvError as error:
        raise Refused(error.message, "text") from error
    old = {variable.name: variable for variable in owner.variables.all()}
    secret = set(secret_names) | {name for name, variable in old.items() if variable.is_secret}
    values = {name: value for name, value in pairs if put(owner, name, value, name in secret)}
    before = {name: before_of(old.get(name), hidden=name in secret).get("value") for name in values}
    return before, {name: _CHANGED if name in secret else value for name, value in values.items()}


def destroy(owner: Owner, names: Collection[str], releases: QuerySet[Release]) -> list[Release]:
    """Destroy every version of these secrets; of the `releases` those that used one are marked and returned."""
    versions = owner.secret_versions.filter(name__in=names, sealed__isnull=False)
    destroyed = dict(versions.values_list("pk", "name"))
    versions.update(sealed=None, destroyed_at=clock.now())
    marked = []
    for release in releases.order_by("placement_id", "number"):
        used = {destroyed[each["secret"]] for each in release.variables if each.get("secret") in destroyed}
        lost = sorted(used - set(release.lost_secrets))
        if lost:
            release.lost_secrets = [*release.lost_secrets, *lost]
            release.save(update_fields=("lost_secrets",))
            marked.append(release)
    return marked


def before_of(variable: Variable | SharedVariable | None, *, hidden: bool) -> dict[str, Any]:
    """A variable before a change, for the record. `hidden` where it becomes a secret: then its plain value is one, too."""
    if variable is None:
        return {}
    value = _HIDDEN if variable.is_secret else _PLAIN if hidden else variable.value
    return {"name": variable.name, "secret": variable.is_secret, "value": value}


def after_of(name: str, value: str, is_secret: bool) -> dict[str, Any]:
    """A variable after a change, for the record."""
    return {"name": name, "secret": is_secret, "value": _CHANGED if is_secret else value}


def exported(variables: Iterable[Variable | SharedVariable]) -> str:
    """As `.env` text; of secrets only the names, as comments."""
    rows = list(variables)
    secret = [f"# {each.name} is a secret; its value is not exported\n" for each in rows if each.is_secret]
    return dotenv.dump((each.name, each.value) for each in rows if not each.is_secret) + "".join(secret)


def _new(owner: Owner, name: str, position: int) -> Variable | SharedVariable:
    if isinstance(owner, VariableSet):
        return SharedVariable(variable_set=owner, name=name, position=position)
    return Variable(placement=owner, name=name, position=position)


def _new_version(owner: Owner, name: str, value: str) -> SecretVersion:
    """Its number means this value for ever, also once it is destroyed."""
    number = (owner.secret_versions.filter(name=name).aggregate(last=Max("number"))["last"] or 0) + 1
    return owner.secret_versions.create(name=name, number=number, sealed=seal(value))


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
