"""What was typed about a Placement → its columns, everything that is wrong said at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext as _

from deployments import build_settings, compose_settings, container_settings, image_reference, rollout_settings
from deployments.errors import FieldErrors
from deployments.models import Placement

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_MOST_KEPT: Final = 50
_MOST_DIGITS: Final = 9  # more are no number that anybody means, and Python refuses thousands of them
_is_url = URLValidator(schemes=("http", "https"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a Placement's images come from, as typed."""

    source: str
    build: Mapping[str, Any]
    compose: Mapping[str, Any]


def checked(
    image: str,
    settings: Mapping[str, Any],
    url: str,
    keep_releases: int | str,
    origin: Origin,
    rollout: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The columns to save; FieldErrors with all that is wrong, by dotted path."""
    errors: dict[str, list[str | StrPromise]] = {}
    image, url = image.strip(), url.strip()
    kept = _checked_origin(origin, image, errors)
    if url:
        try:
            _is_url(url)
        except ValidationError:
            errors["url"] = [_("Write a web address, such as https://shop.example.com.")]
    digits = str(keep_releases)
    if not digits.isdecimal() or len(digits) > _MOST_DIGITS or not 1 <= int(digits) <= _MOST_KEPT:
        errors["keep_releases"] = [_("Use a number from 1 to %(most)s.") % {"most": _MOST_KEPT}]
    normal: dict[str, Any] = {}
    try:  # a Compose application's containers are as its file says: nothing typed beside it counts
        normal = container_settings.normalise({} if origin.source == Placement.Source.COMPOSE else settings)
    except FieldErrors as refused:
        errors.update({f"settings.{path}": messages for path, messages in refused.errors.items()})
    if rollout is not None:
        try:
            order = rollout_settings.normalise(rollout)
            kept["rollout"] = {} if order == rollout_settings.defaults() else order
        except FieldErrors as refused:
            errors.update({f"rollout.{path}": messages for path, messages in refused.errors.items()})
    if errors:
        raise FieldErrors(errors)
    return {**kept, "settings": normal, "url": url, "keep_releases": int(keep_releases)}


def _checked_origin(origin: Origin, image: str, errors: "dict[str, list[str | StrPromise]]") -> dict[str, Any]:
    """Only what belongs to the source is kept: an image's name, how it is built, or how it is brought up."""
    kept: dict[str, Any] = {"source": origin.source, "image": "", "build": {}, "compose": {}}
    try:
        if origin.source == Placement.Source.GIT:
            kept["build"] = build_settings.normalise(origin.build)
        elif origin.source == Placement.Source.COMPOSE:
            kept["compose"] = compose_settings.normalise(origin.compose)
        elif origin.source == Placement.Source.IMAGE:
            kept["image"] = image
            image_reference.parse(image)
        else:
            errors["source"] = [_("Choose where it comes from.")]
    except FieldErrors as refused:
        name = "build" if origin.source == Placement.Source.GIT else "compose"
        errors.update({f"{name}.{path}": messages for path, messages in refused.errors.items()})
    except image_reference.ImageReferenceError as error:
        errors["image"] = [error.message]
    return kept
