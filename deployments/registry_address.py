"""A registry's host, the namespace within it, and which images they cover."""

import re
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from django.utils.translation import gettext as _

from deployments import image_reference
from deployments.image_reference import DOCKER_HUB, ImageReference, ImageReferenceError

_ALSO_THE_HUB: Final = frozenset({"index.docker.io", "registry-1.docker.io", "hub.docker.com", "www.docker.com"})
_SCHEME: Final = re.compile(r"(?i)([a-z][a-z0-9+.-]*)://")
_ECR: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?P<end>(\.cn)?)"
)
_LOOPBACK: Final = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?")
_PROBE: Final = "probe"


class Covers(Protocol):
    """What stands for some images: a Registry row, or what was made of one."""

    @property
    def host(self) -> str: ...

    @property
    def namespace(self) -> str: ...


_Covers = TypeVar("_Covers", bound=Covers)


def check_host(text: str) -> str:
    """A host as image references have it, with its port; ValueError in words for who typed it."""
    text = text.strip()
    scheme = _SCHEME.match(text)
    if scheme is not None:
        text = text[scheme.end() :]
        if scheme[1].lower() != "https" and not is_loopback(text.rstrip("/")):
            raise ValueError(_("Only https: a password would travel readable for everybody on the way."))
    text = text.rstrip("/").lower().removesuffix("/v1").removesuffix("/v2").rstrip("/")
    if text in _ALSO_THE_HUB:
        return DOCKER_HUB
    try:
        found = image_reference.parse(f"{text}/{_PROBE}")
    except ImageReferenceError as error:
        raise ValueError(str(error)) from error
    if found.registry != text or "@" in text or "/" in text:
        raise ValueError(
            _("Write the host as it stands at the front of your images' names: registry.example.com or 10.0.0.5:5000.")
        )
    return text


def check_namespace(text: str) -> str:
    """A namespace without slashes around it, "" for the whole registry; ValueError in words for who typed it."""
    text = text.strip().strip("/")
    if not text:
        return ""
    try:
        found = image_reference.parse(f"{DOCKER_HUB}/{text}/{_PROBE}")
    except ImageReferenceError as error:
        raise ValueError(str(error)) from error
    if found.repository != f"{text}/{_PROBE}":
        raise ValueError(_("Write what comes between the host and the image's name, such as team or team/backend."))
    return text


def is_loopback(host: str) -> bool:
    """An address of the machine itself, which engines and we alike allow to speak plain http."""
    return _LOOPBACK.fullmatch(host) is not None


def ecr_region(host: str) -> str:
    """The region that an ECR host is in; ValueError where it is no ECR host."""
    found = _ECR.fullmatch(host)
    if found is None:
        raise ValueError(_("An ECR host looks like 123456789012.dkr.ecr.eu-west-1.amazonaws.com."))
    return found["region"]


def best(rows: Iterable[_Covers], reference: str) -> _Covers | None:
    """Whose images these are: the longest namespace that covers the reference wins; None where nothing does."""
    try:
        wanted = image_reference.parse(reference)
    except ImageReferenceError:
        return None
    fitting = [each for each in rows if covers(each, wanted)]
    return max(fitting, key=lambda each: len(each.namespace), default=None)


def covers(row: Covers, wanted: ImageReference) -> bool:
    """Is this image one of theirs? A namespace ends at a slash: `team` doesn't cover `teamwork/app`."""
    if row.host != wanted.registry:
        return False
    return not row.namespace or f"{wanted.repository}/".startswith(f"{row.namespace}/")
