"""Deploys that a program asks for in one call: a Plan that deploys itself, and the same answer to the same key for a day."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from deployments import build_settings, clock, image_reference, requests
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.image_reference import ImageReferenceError
from deployments.leases import lock_placement
from deployments.models import AccessToken, Deployment, IdempotencyKey, Placement, Plan, Release

KEYS_KEPT: Final = timedelta(hours=24)
LONGEST_KEY: Final = 200

_HEX: Final = frozenset("0123456789abcdef")
_Asked = TypeVar("_Asked", Plan, Deployment)


@dataclass(frozen=True, slots=True)
class Key:
    """What a program calls a request by, and the request itself: its address and body."""

    name: str
    request: Mapping[str, Any]

    @property
    def request_hash(self) -> str:
        """The request as one short text."""
        text = json.dumps(self.request, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class OtherRequest(Refused):
    """The key was used for another request."""


def deploy(
    *,
    actor: Actor,
    token: AccessToken,
    placement: Placement,
    wanted: Mapping[str, str] | None = None,
    of_release: Release | None = None,
    secrets_of_release: bool = False,
    note: str = "",
) -> Plan:
    """A Plan that deploys itself once it is worked out (`webhooks.automatic`), of what is set or `wanted`, or of a Release."""
    with transaction.atomic():
        placement = lock_placement(placement.pk)
        row = requests.request_plan(
            actor=actor,
            placement=placement,
            of_release=of_release,
            secrets_of_release=secrets_of_release,
            wanted=wanted,
        )
        row.automatic, row.automatic_by = Plan.Automatic.WAITING, actor.name[:120]
        row.automatic_note, row.token = note.strip()[:500], token
        row.save(update_fields=("automatic", "automatic_by", "automatic_note", "token"))
    return row


def once(*, token: AccessToken, key: Key | None, ask: Callable[[], _Asked]) -> tuple[_Asked, bool]:
    """What `ask` returns, and whether it was asked now: under a key that was used it is what came of that.

    OtherRequest where the key was used for something else. Simultaneous requests wait for one another.
    """
    if key is None:
        return ask(), True
    try:
        with transaction.atomic():
            _forget_old(token)
            kept = _kept(token, key)
            if kept is not None:
                return _same(kept, key), False
            row = IdempotencyKey.objects.create(
                token=token, key=key.name, request_hash=key.request_hash, created_at=clock.now()
            )
            asked = ask()
            _fill(row, asked)
            return asked, True
    except IntegrityError:
        kept = _kept(token, key)
        if kept is None:
            raise
        return _same(kept, key), False


def checked_key(name: str) -> str:
    """The key as it came; FieldErrors where it can't be one."""
    if not name or len(name) > LONGEST_KEY or not name.isascii() or not name.isprintable():
        said = _("Use 1 to %(most)s letters, digits and signs.") % {"most": LONGEST_KEY}
        raise FieldErrors({"Idempotency-Key": [said]})
    return name


def wanted_of(
    placement: Placement, *, image: str = "", tag: str = "", ref: str = "", commit: str = ""
) -> dict[str, str]:
    """What is deployed in place of what is set (`sources.overlaid`); FieldErrors where it doesn't fit, {} for nothing else."""
    if placement.source == Placement.Source.IMAGE:
        if ref or commit:
            name = "ref" if ref else "commit"
            raise FieldErrors({name: [_("This is deployed from an image: name an image or a tag.")]})
        return _wanted_image(placement, image, tag)
    if image or tag:
        name = "image" if image else "tag"
        raise FieldErrors({name: [_("This is made from its source: name a branch, tag or commit.")]})
    return _wanted_source(placement, ref, commit)


def _wanted_image(placement: Placement, image: str, tag: str) -> dict[str, str]:
    if image and tag:
        raise FieldErrors({"tag": [_("Name an image or a tag, not both.")]})
    if not image and not tag:
        return {}
    try:
        wanted = image or f"{image_reference.parse(placement.image).name}:{tag}"
        image_reference.parse(wanted)
    except ImageReferenceError as error:
        raise FieldErrors({"image" if image else "tag": [error.message]}) from error
    return {"image": wanted}


def _wanted_source(placement: Placement, ref: str, commit: str) -> dict[str, str]:
    if not ref and not commit:
        return {}
    if placement.source == Placement.Source.COMPOSE and placement.compose.get("text"):
        raise FieldErrors({"ref" if ref else "commit": [_("Its Compose file is kept here: there are no commits.")]})
    if commit and (len(commit) not in {40, 64} or set(commit) - _HEX):
        raise FieldErrors({"commit": [_("Write the whole commit: 40 digits from 0 to f.")]})
    kept = placement.build or placement.compose
    ref = ref or str(kept.get("ref") or build_settings.DEFAULT_REF)
    build_settings.normalise({"ref": ref})
    return {"ref": ref, **({"commit": commit} if commit else {})}


def _forget_old(token: AccessToken) -> None:
    IdempotencyKey.objects.filter(token=token, created_at__lt=clock.now() - KEYS_KEPT).delete()


def _kept(token: AccessToken, key: Key) -> IdempotencyKey | None:
    rows = IdempotencyKey.objects.filter(token=token, key=key.name).select_related(
        "plan__placement", "deployment__placement"
    )
    return rows.first()


def _same(row: IdempotencyKey, key: Key) -> Any:
    """What was asked for under this key."""
    if row.request_hash != key.request_hash:
        raise OtherRequest(
            _("This Idempotency-Key was used for another request."),
            remedy=_("Use a key of its own for each deploy, such as the number of the pipeline's run."),
        )
    return row.plan or row.deployment


def _fill(row: IdempotencyKey, asked: models.Model) -> None:
    if isinstance(asked, Plan):
        row.plan = asked
    elif isinstance(asked, Deployment):
        row.deployment = asked
    row.save(update_fields=("plan", "deployment"))
