"""What may stand in the fields of a registry; everything wrong is said at once, each at its field."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from django.utils.translation import gettext as _

from deployments import registry_address
from deployments.errors import FieldErrors
from deployments.image_reference import DOCKER_HUB, ImageReferenceError, parse
from deployments.models import Registry

GOOGLE_USER: Final = "_json_key"
WITH_LOGIN: Final = frozenset({Registry.Kind.ECR, Registry.Kind.GOOGLE})
_MOST_PASSWORD: Final = 16_384
_MOST_CA: Final = 64_000
_KINDS: Final = Registry.Kind


@dataclass(frozen=True, slots=True)
class Fields:
    """As they are kept, but for the password, which is sealed; "" keeps the one there is."""

    kind: str
    host: str
    namespace: str
    username: str
    password: str
    ca: str
    test_image: str

    def __repr__(self) -> str:
        return f"Fields({self.kind} {self.host}/{self.namespace})"


def check(*, kind: str, host: str, namespace: str, username: str, password: str, ca: str, test_image: str) -> Fields:
    """Raises FieldErrors."""
    errors: dict[str, list[str]] = {}

    def kept(field: str, value: str, read: Callable[[str], str]) -> str:
        try:
            return read(value)
        except ValueError as error:
            errors.setdefault(field, []).append(str(error))
            return value

    if kind not in _KINDS.values:
        errors["kind"] = [_("Choose what kind of registry it is.")]
    host = kept("host", DOCKER_HUB if kind == _KINDS.HUB else host, registry_address.check_host)
    if kind == _KINDS.ECR and "host" not in errors:
        kept("host", host, registry_address.ecr_region)
    namespace = kept("namespace", namespace, registry_address.check_namespace)
    username = kept("username", GOOGLE_USER if kind == _KINDS.GOOGLE else username.strip(), _user)
    password = kept("password", password.strip(), _json_key if kind == _KINDS.GOOGLE else _password)
    ca = kept("ca", ca, _certificates)
    if password and not username:
        errors["username"] = [_("Whose password or token is it?")]
    if not errors:
        test_image = kept("test_image", test_image.strip(), lambda text: _image(text, host, namespace))
    if errors:
        raise FieldErrors({field: [*texts] for field, texts in errors.items()})
    return Fields(str(kind), host, namespace, username, password, ca, test_image)


def _user(text: str) -> str:
    if len(text) > 255 or not text.isprintable():
        raise ValueError(_("This can't be one."))
    if ":" in text:
        raise ValueError(_("A user name has no colon."))
    return text


def _password(text: str) -> str:
    if len(text) > _MOST_PASSWORD or not text.isprintable():
        raise ValueError(_("This can't be one: it is too long, or has line breaks or invisible characters."))
    return text


def _json_key(text: str) -> str:
    """A service account's key on one line, as `_json_key` takes it."""
    if not text:
        return ""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(_("This is no JSON: paste the whole key file of the service account.")) from error
    if len(text) > _MOST_PASSWORD or not isinstance(found, dict) or found.get("type") != "service_account":
        raise ValueError(_("This is no service account's key: paste the whole JSON file as Google made it."))
    return json.dumps(found, separators=(",", ":"))


def _certificates(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text:
        return ""
    if "PRIVATE KEY" in text:
        raise ValueError(_("There is a private key in it: paste only the certificate of the CA."))
    try:
        if len(text) > _MOST_CA or not x509.load_pem_x509_certificates(text.encode()):
            raise ValueError
    except ValueError as error:
        raise ValueError(_("This is no certificate. Paste it as text: -----BEGIN CERTIFICATE-----…")) from error
    return f"{text}\n"


def _image(text: str, host: str, namespace: str) -> str:
    """In full; what is written without the registry's host is one of its images."""
    if not text:
        return ""
    whole = text if text.startswith(f"{host}/") or host == DOCKER_HUB else f"{host}/{text}"
    try:
        found = parse(whole)
    except ImageReferenceError as error:
        raise ValueError(str(error)) from error
    if not registry_address.covers(_Place(host, namespace), found):
        where = f"{host}/{namespace}" if namespace else host
        raise ValueError(_("This image is not one of %(where)s.") % {"where": where})
    return found.canonical


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    namespace: str
