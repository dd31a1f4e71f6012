"""An Application's Git repository: its address, how Estiva logs in, the Git server's trusted key."""

from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, clock, fingerprints, git_url, queue
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory import ssh_keys
from deployments.models import Application, Operation, Placement, Repository
from deployments.operations import request_operation
from deployments.sealing import seal
from deployments.states import RepositoryState

LOOK_SECONDS: Final = 120.0
_MOST_TOKEN: Final = 4096


def save_repository(
    *,
    actor: Actor,
    application: Application,
    url: str,
    credential: str = Repository.Credential.NONE,
    username: str = "",
    token: str = "",
) -> tuple[Repository, Operation]:
    """Name an Application's repository, or change it, and look at it (the Operation).

    Another address is another server: credential and trust are cleared, a deploy key is made anew. An empty `token` keeps
    the one there is. Raises FieldErrors.
    """
    url = _checked_url(url)
    _check_credential(url, credential, username, token)
    with transaction.atomic():
        application = Application.objects.select_for_update(no_key=True).get(pk=application.pk)
        row = Repository.objects.select_for_update(no_key=True).filter(application=application).first()
        before = _shown(row) if row else {}
        if row is None:
            row = Repository(application=application, url=url)
        elif row.url != url:
            _forget(row)
            row.state = RepositoryState.NEW
        row.url, row.credential, row.username = url, credential, username.strip()
        _set_secret(row, token)
        if row.state != RepositoryState.KEY_CHANGED:  # the alarm ends when somebody trusts the key, not otherwise
            row.state, row.state_text = RepositoryState.NEW, ""
        row.save()
        operation = _look(actor, row)
        _announce(row)
        after = {**_shown(row), **({"token": "replaced"} if token else {})}
        audit.record(actor, "repository.save", _named(row), before=before, after=after)
    return row, operation


def remove_repository(*, actor: Actor, repository: Repository) -> None:
    """Forget a repository and destroy its credential. Refused while a Placement is built from it."""
    with transaction.atomic():
        row = Repository.objects.select_for_update(no_key=True).get(pk=repository.pk)
        users = Placement.objects.filter(application=row.application_id, source=Placement.Source.GIT)
        if users.exists():
            names = ", ".join(str(each.environment) for each in users.select_related("environment"))
            raise Refused(
                _("%(names)s are still built from it.") % {"names": names},
                remedy=_("Choose another source there first."),
            )
        audit.record(actor, "repository.remove", _named(row), before=_shown(row))
        row.delete()


def trust_repository(*, actor: Actor, repository: Repository, key: str, pasted: str = "") -> Operation:
    """Pin the key that the Git server offered, also after it changed; `key` is the one that the person saw.

    Refused when it has offered another one since, and when `pasted` (see `fingerprints`) speaks of another.
    """
    with transaction.atomic():
        row = Repository.objects.select_for_update(no_key=True).get(pk=repository.pk)
        offered = row.offered_key
        if not offered or key.strip() not in {offered, fingerprints.fingerprint(offered)}:
            raise Refused(
                _("The Git server shows another key now than the one you confirmed."),
                remedy=_("Look at the key it shows now, and compare it again."),
            )
        if pasted.strip():
            found = fingerprints.matches(pasted, row.offered_key_type, offered)
            if isinstance(found, fingerprints.Mismatch):
                raise Refused(found.reason, "pasted")
        before = {"key": fingerprints.fingerprint(row.host_key)} if row.host_key else {}
        row.host_key_type, row.host_key = row.offered_key_type, offered
        row.offered_key_type = row.offered_key = ""
        row.trusted_at, row.trusted_by_name = clock.now(), actor.name
        row.state, row.state_text = RepositoryState.NEW, _("Trusted; being looked at.")
        row.save()
        operation = _look(actor, row)
        _announce(row)
        after = {
            "key": f"{row.host_key_type} {fingerprints.fingerprint(row.host_key)}",
            "compared": bool(pasted.strip()),
        }
        audit.record(actor, "repository.trust", _named(row), before=before, after=after)
    return operation


def look(*, actor: Actor, repository: Repository, ref: str = "", subdirectory: str = "") -> Operation:
    """Look at it again: branches and tags; with a `ref` its commits, its Dockerfiles and what kind of project it is."""
    return _look(actor, repository, ref, subdirectory)


def _look(actor: Actor, row: Repository, ref: str = "", subdirectory: str = "") -> Operation:
    """The request says where to look: what is seen counts for that address only."""
    return request_operation(
        actor=actor,
        kind=Operation.Kind.REPOSITORY,
        repository=row,
        request={"url": row.url, "ref": ref, "subdirectory": subdirectory},
        deadline_seconds=LOOK_SECONDS,
    )


def _checked_url(url: str) -> str:
    try:
        return git_url.check_url(url)
    except ValueError as error:
        raise FieldErrors({"url": [str(error)]}) from error


def _check_credential(url: str, credential: str, username: str, token: str) -> None:
    over_ssh = url.startswith("ssh://")
    if credential not in Repository.Credential.values:
        raise FieldErrors({"credential": [_("Choose how Estiva logs in.")]})
    if over_ssh and credential != Repository.Credential.KEY:
        raise FieldErrors({"credential": [_("Over ssh Estiva logs in with a deploy key.")]})
    if not over_ssh and credential == Repository.Credential.KEY:
        raise FieldErrors({"credential": [_("A deploy key needs the repository's ssh address.")]})
    errors: dict[str, Any] = {}
    for field, value, most in (("username", username, 100), ("token", token, _MOST_TOKEN)):
        if len(value) > most or not value.isprintable():
            errors[field] = [_("This can't be one.")]
    if ":" in username:
        errors["username"] = [_("A user name has no colon.")]
    if errors:
        raise FieldErrors(errors)


def _set_secret(row: Repository, token: str) -> None:
    match row.credential:
        case Repository.Credential.TOKEN:
            if token:
                row.token = seal(token)
            elif row.token is None:
                raise FieldErrors({"token": [_("Paste a token that may read the repository.")]})
            row.public_key, row.private_key = "", None
        case Repository.Credential.KEY:
            row.token = None
            if row.private_key is None:
                pair = ssh_keys.generate()
                row.public_key, row.private_key = f"{pair.public} estiva-{row.application.name}", seal(pair.private)
        case _:
            row.token, row.private_key, row.public_key = None, None, ""


def _forget(row: Repository) -> None:
    """Nothing that was known at the old address holds for the new one."""
    row.token = row.private_key = None
    row.public_key = row.host_key = row.host_key_type = row.offered_key = row.offered_key_type = ""
    row.trusted_at, row.trusted_by_name = None, ""
    row.refs, row.checked_at = {}, None


def _announce(row: Repository) -> None:
    queue.changed_on_commit("repository", row.pk)


def _shown(row: Repository) -> dict[str, Any]:
    return {"url": row.url, "credential": row.credential, "username": row.username, "public_key": row.public_key}


def _named(row: Repository) -> tuple[str, int, str]:
    return "repository", row.pk, f"{row.application.name}: {row.url}"
