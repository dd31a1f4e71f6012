"""One-time links. Only a token's hash is kept; the token itself is shown once, to whoever asked for the link."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from deployments import clock
from deployments.models import AccessLink, User

LIFETIMES: Final = {
    AccessLink.Purpose.SETUP: timedelta(days=1),
    AccessLink.Purpose.INVITATION: timedelta(days=7),
    AccessLink.Purpose.SIGN_IN: timedelta(minutes=30),
}


def issue(
    purpose: AccessLink.Purpose, *, user: User | None = None, created_by_name: str = "", **fields: Any
) -> tuple[AccessLink, str]:
    """A new link and its token, 256 bits. The token goes into `/account/link/<token>` and nowhere else."""
    token = secrets.token_urlsafe(32)
    link = AccessLink.objects.create(
        purpose=purpose,
        token_hash=_hash(token),
        user=user,
        created_by_name=created_by_name,
        expires_at=clock.now() + LIFETIMES[purpose],
        **fields,
    )
    return link, token


def usable() -> QuerySet[AccessLink]:
    """Links that still open something."""
    return AccessLink.objects.filter(used_at=None, revoked_at=None, expires_at__gt=Now())


def find(token: str) -> AccessLink | None:
    """The usable link of this token, else None; it stays usable until `consume`."""
    return usable().select_related("user").filter(token_hash=_hash(token)).first()


def consume(link: AccessLink) -> bool:
    """Use the link up by compare-and-swap; False when somebody was quicker. Do it in the transaction of what it opens."""
    return bool(usable().filter(pk=link.pk).update(used_at=Now()))


def revoke(which: Q) -> int:
    """End the usable links among these; returns how many."""
    return usable().filter(which).update(revoked_at=Now())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
