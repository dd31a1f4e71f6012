"""Registry rows → who we are for them. Passwords are opened here; the engines get them along with a request."""

import json
from collections.abc import Iterable
from typing import Final

from deployments import registry_address
from deployments.models import Registry
from deployments.sealing import CannotOpen, open_sealed
from worker.connections.keychain import Keychain, Login
from worker.engine.build_events import RegistryAuth
from worker.engine.spec import Secret
from worker.registries import ecr

_SET_AGAIN: Final = "An admin sets it again under Servers, Registries."


def keychain(references: Iterable[str] | None = None) -> Keychain:
    """The logins for these images, or all there are."""
    rows = list(Registry.objects.all())
    if references is not None:
        found = (registry_address.best(rows, each) for each in set(references))
        rows = list({each.pk: each for each in found if each is not None}.values())
    return Keychain(tuple(login_of(each) for each in rows))


def login_of(row: Registry) -> Login:
    """Who we are for one. What stands in the way is in the Login: it matters only once it is needed."""
    if row.password is None:
        return Login(row.host, row.namespace, None)
    try:
        secret = Secret(open_sealed(row.password))
    except CannotOpen:
        said = f"The password for {row} can't be opened with this installation's key."
        return Login(row.host, row.namespace, None, said, _SET_AGAIN)
    if row.kind == Registry.Kind.ECR:
        return _by_token(row, secret)
    parts = _parts(secret) if row.kind == Registry.Kind.GOOGLE else ()
    return Login(row.host, row.namespace, RegistryAuth(row.username, secret), also_secret=parts)


def _by_token(row: Registry, secret: Secret) -> Login:
    try:
        token = ecr.tokens.get(row.host, row.username, secret)
    except ecr.NoToken as error:
        return Login(row.host, row.namespace, None, error.message, error.remedy, (secret,))
    return Login(row.host, row.namespace, RegistryAuth(token.username, token.password), also_secret=(secret,))


def _parts(secret: Secret) -> tuple[Secret, ...]:
    """What of a key file is a secret by itself."""
    return (Secret(str(json.loads(secret.reveal()).get("private_key", ""))),)
