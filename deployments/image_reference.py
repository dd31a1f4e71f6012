"""Image references, read the way Docker reads them.

The grammar and the defaults are those of the distribution project (`distribution/reference`), as Docker CLI 28 uses
them: `nginx` is `docker.io/library/nginx:latest`. Three results differ on purpose, since Docker's would mislead:

- `sha256:<64 hex>` is refused. Docker reads it as an image named `sha256` with a very long tag; whoever types it
  means an image ID.
- `a.b_c/d` is refused. Docker takes `a.b_c` for a registry, drops it as an impossible one, and is left with none.
- The familiar form keeps `docker.io/` where dropping it would name another image (`docker.io/ghcr.io/x`).

Only `sha256` digests are accepted: the engine knows no others for what it pulls.
"""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

DOCKER_HUB: Final = "docker.io"
DEFAULT_TAG: Final = "latest"
MAX_REPOSITORY_LENGTH: Final = 255
MAX_TAG_LENGTH: Final = 128

_LEGACY_DOCKER_HUB: Final = "index.docker.io"
_OFFICIAL: Final = "library/"

# Matched with fullmatch everywhere: "$" would let a trailing newline through.
_DOMAIN_PART: Final = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)"
_REGISTRY: Final = re.compile(rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}")
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?[a-f0-9]{64}")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class ImageReferenceError(ValueError):
    """A text that is no image reference; `message` is for the person who typed it, `code` is stable."""

    def __init__(self, code: str, message: "StrPromise | str") -> None:
        super().__init__(code)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A valid, normalized reference: `tag` or `digest` is always set, both where both were written.

    Made by `parse`; `registry` includes the port where there is one, `repository` the `library/` of official images.
    """

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def name(self) -> str:
        """Registry and repository without tag or digest: `docker.io/library/nginx`."""
        return f"{self.registry}/{self.repository}"

    @property
    def canonical(self) -> str:
        """The whole reference, nothing left to defaults: `docker.io/library/nginx:latest`."""
        return self.name + self._suffix

    @property
    def familiar(self) -> str:
        """The shortest form that Docker reads as this same image: `nginx:latest`."""
        if self.registry != DOCKER_HUB:
            return self.canonical
        short = self.repository.removeprefix(_OFFICIAL)
        if "/" in short:
            short = self.repository
        same = _split_registry(short + self._suffix) == (self.registry, self.repository + self._suffix)
        return (short if same else self.name) + self._suffix

    @property
    def pullable(self) -> str:
        """What to pull: by digest where there is one, since a digest beside a tag makes the tag a mere remark."""
        return f"{self.name}@{self.digest}" if self.digest else self.canonical

    @property
    def doubt(self) -> "StrPromise | str | None":
        """A remark for the form where Docker's reading is legal but probably not what was meant, else None."""
        if self.registry != "localhost" and not re.search(r"[.:]", self.registry):
            return format_lazy(
                _(
                    "“{registry}” is read as the address of a registry, because of its capital letters. "
                    "On Docker Hub names are lowercase: {lowercase}."
                ),
                registry=self.registry,
                lowercase=f"{self.registry.lower()}/{self.repository}",
            )
        short = self.repository.removeprefix(_OFFICIAL)
        if self.registry == DOCKER_HUB and "/" not in short and (short == "localhost" or "." in short):
            return format_lazy(
                _(
                    "“{name}” is read as an image on Docker Hub. "
                    "If it is a registry, add the image's name: {name}/name."
                ),
                name=f"{short}:{self.tag}" if (self.tag or "").isdigit() else short,
            )
        return None

    def with_digest(self, digest: str) -> Self:
        """This reference pinned to a manifest digest, its tag kept; ImageReferenceError if that is no digest."""
        return replace(self, digest=_checked_digest(digest))

    def __str__(self) -> str:
        return self.canonical

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> ImageReference:
    """Read what a person typed; raises ImageReferenceError, which says what to write instead."""
    _refuse_what_is_no_reference(text)
    before_digest, at, digest = text.partition("@")
    registry, rest = _split_registry(before_digest)
    repository, colon, tag = rest.partition(":")
    _check_registry(registry)
    _check_repository(repository, registry)
    if colon:
        _check_tag(tag)
    return ImageReference(
        registry=registry,
        repository=repository,
        tag=tag if colon else (None if at else DEFAULT_TAG),
        digest=_checked_digest(digest) if at else None,
    )


def _split_registry(text: str) -> tuple[str, str]:
    """Registry and the rest, with Docker Hub's defaults; the first part is a registry only if it looks like one."""
    first, slash, rest = text.partition("/")
    looks_like_registry = first == "localhost" or "." in first or ":" in first or first != first.lower()
    if not slash:
        return DOCKER_HUB, _OFFICIAL + text
    registry, rest = (first, rest) if looks_like_registry else (DOCKER_HUB, text)
    if registry == _LEGACY_DOCKER_HUB:
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in rest:
        rest = _OFFICIAL + rest
    return registry, rest


def _refuse_what_is_no_reference(text: str) -> None:
    """The mistakes that have a better answer than "invalid reference format"."""
    if not text:
        raise ImageReferenceError("empty", _("Name an image, for example nginx:1.27 or ghcr.io/team/app:2.0."))
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ImageReferenceError(
            "whitespace", _("An image reference has no spaces, line breaks or invisible characters: remove them.")
        )
    if scheme := _SCHEME.match(text):
        raise ImageReferenceError(
            "scheme",
            format_lazy(
                _("An image reference has no {scheme} in front. Write it as {instead}."),
                scheme=scheme.group(),
                instead=text[scheme.end() :] or "registry.example.com/team/app:1.0",
            ),
        )
    if _IMAGE_ID.fullmatch(text):
        raise ImageReferenceError(
            "image_id",
            _(
                "This is an image ID, which means something on one server only. "
                "Write the image's name with a tag or digest, for example team/app:1.0 or team/app@sha256:…."
            ),
        )


def _check_registry(registry: str) -> None:
    if _REGISTRY.fullmatch(registry):
        return
    raise ImageReferenceError(
        "registry",
        format_lazy(
            _(
                "“{registry}” is no registry address. Write a host name or address, with a port where needed: "
                "registry.example.com, 10.0.0.5:5000 or [fd00::5]:5000."
            ),
            registry=registry,
        ),
    )


def _check_repository(repository: str, registry: str) -> None:
    written = repository.removeprefix(_OFFICIAL) if registry == DOCKER_HUB else repository
    if not written:
        raise ImageReferenceError(
            "no_name", _("The image's name is missing, for example registry.example.com/team/app.")
        )
    if repository != repository.lower():
        raise ImageReferenceError(
            "uppercase",
            format_lazy(
                _("“{name}” has capital letters; image names are lowercase. Write {lowercase}."),
                name=written,
                lowercase=written.lower(),
            ),
        )
    if len(repository) > MAX_REPOSITORY_LENGTH:
        raise ImageReferenceError(
            "too_long",
            format_lazy(
                _("The image's name has {length} characters; {limit} are allowed."),
                length=len(repository),
                limit=MAX_REPOSITORY_LENGTH,
            ),
        )
    if not _REPOSITORY.fullmatch(repository):
        raise ImageReferenceError(
            "name",
            format_lazy(
                _(
                    "“{name}” is no image name. Each part between slashes is made of a-z and 0-9, with single dots, "
                    "one or two underscores or any dashes between them, and neither begins nor ends with one of these."
                ),
                name=written,
            ),
        )


def _check_tag(tag: str) -> None:
    if _TAG.fullmatch(tag):
        return
    raise ImageReferenceError(
        "tag",
        format_lazy(
            _(
                "“{tag}” is no tag. A tag has 1 to {limit} characters of A-Z, a-z, 0-9, “_”, “.” and “-”, "
                "and begins with neither “.” nor “-”."
            ),
            tag=tag,
            limit=MAX_TAG_LENGTH,
        ),
    )


def _checked_digest(digest: str) -> str:
    if _DIGEST.fullmatch(digest):
        return digest
    raise ImageReferenceError(
        "digest",
        format_lazy(
            _("“{digest}” is no digest. Write sha256: and its 64 characters of 0-9 and a-f, as the registry shows it."),
            digest=digest,
        ),
    )
