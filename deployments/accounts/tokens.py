"""Access tokens: what a program comes with in a person's name. Shown once, kept as a hash, never more than the person may."""

import hashlib
import secrets
import string
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from deployments import audit, clock, permissions
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.models import AccessToken, Role, User

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Scope = AccessToken.Scope

PREFIX: Final = "estiva_"
"""So that programs that look for secrets in code recognise one: this, and 43 letters and digits."""
LONGEST_NAME: Final = 40
DEFAULT_DAYS: Final = 90
MOST_DAYS: Final = 3650
MOST_USABLE: Final = 50
ENDLESS: Final = 0
USE_NOTED_EVERY: Final = timedelta(minutes=1)

_ALPHABET: Final = string.ascii_letters + string.digits
_LENGTH: Final = 43  # 256 bits
_ORDER: Final = (Scope.READ, Scope.DEPLOY, Scope.ADMIN)
_MOST: Final = {Role.ADMIN: Scope.ADMIN, Role.DEPLOYER: Scope.DEPLOY, Role.AUDITOR: Scope.READ}


def scopes_of(role: str) -> tuple[Scope, ...]:
    """What a token of somebody in this role may be made for."""
    return _ORDER[: _ORDER.index(_MOST[Role(role)]) + 1]


def create(
    *,
    actor: Actor,
    user: User,
    name: str,
    scope: str,
    days: int = DEFAULT_DAYS,
    placement_ids: Collection[int] | None = None,
) -> tuple[AccessToken, str]:
    """A new token of this person's and its text, which is shown once. FieldErrors at `name`, `scope`, `days`, `placements`.

    `days` it lasts, ENDLESS for ever; `placement_ids` are the only ones that exist for it, None: all that the person sees.
    """
    text = PREFIX + "".join(secrets.choice(_ALPHABET) for _number in range(_LENGTH))
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        name = " ".join(name.split())
        _check(user, name, scope, days, placement_ids)
        token = AccessToken.objects.create(
            user=user,
            name=name,
            scope=scope,
            is_narrowed=placement_ids is not None,
            token_hash=_hash(text),
            expires_at=None if days == ENDLESS else clock.now() + timedelta(days=days),
        )
        token.placements.set(placement_ids or ())
        audit.record(actor, "token.create", token, after=_shown(token))
    return token, text


def find(text: str) -> AccessToken | None:
    """The token of this text with its person, also one that is over; None where there is none."""
    if not text.startswith(PREFIX) or len(text) > 200:
        return None
    return AccessToken.objects.select_related("user").filter(token_hash=_hash(text)).first()


def why_over(token: AccessToken) -> str:
    """Why it opens nothing any more; "" while it does."""
    if token.revoked_at is not None:
        return _("This token was revoked.")
    if token.expires_at is not None and token.expires_at <= clock.now():
        return _("This token has expired.")
    return "" if token.user.is_active else _("The person whose token this is was deactivated.")


def scope_now(token: AccessToken) -> Scope:
    """What it is good for today: never more than its person's role is."""
    return min(Scope(token.scope), _MOST[Role(token.user.role)], key=_ORDER.index)


def holds(scope: Scope, needed: str) -> bool:
    """A scope is enough for what needs another."""
    return _ORDER.index(scope) >= _ORDER.index(Scope(needed))


def actor_of(token: AccessToken, address: str = "") -> Actor:
    """Its person, by this token: what it does is recorded so."""
    is_limited = not holds(scope_now(token), Scope.ADMIN)
    return Actor(token.user_id, f"{str(token.user)[:70]} (token {token.name})", address, is_limited)


def note_use(token: AccessToken, address: str) -> None:
    """Keep when it was used last, and from where, to the minute."""
    moment = clock.now()
    if token.last_used_at is not None and moment - token.last_used_at < USE_NOTED_EVERY:
        return
    AccessToken.objects.filter(pk=token.pk).update(last_used_at=Now(), last_used_from=address[:64])


def usable() -> QuerySet[AccessToken]:
    """Tokens that still open something, if their person is let in."""
    return AccessToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None)


def revoke(*, actor: Actor, token: AccessToken) -> AccessToken:
    """End it at once. Refused when it was revoked already."""
    with transaction.atomic():
        token = AccessToken.objects.select_for_update(of=("self",), no_key=True).get(pk=token.pk)
        if token.revoked_at is not None:
            raise Refused(_("This token was revoked already."))
        token.revoked_at, token.revoked_by_name = clock.now(), actor.name[:120]
        token.save(update_fields=("revoked_at", "revoked_by_name"))
        audit.record(actor, "token.revoke", token, before=_shown(token))
    return token


def revoke_all(*, actor: Actor, user: User) -> list[str]:
    """End all of a person's tokens that aren't over; their names, for the record of why. Needs a transaction."""
    rows = AccessToken.objects.select_for_update(no_key=True).filter(user=user, revoked_at=None)
    names = list(rows.order_by("pk").values_list("name", flat=True))
    rows.update(revoked_at=Now(), revoked_by_name=actor.name[:120])
    return names


def _check(user: User, name: str, scope: str, days: int, placement_ids: Collection[int] | None) -> None:
    errors: dict[str, list[str | StrPromise]] = {}
    mine = usable().filter(user=user)
    if not user.is_active:
        raise Refused(_("%(name)s can't sign in.") % {"name": user})
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        errors["name"] = [
            _("Write a name of up to %(most)s characters, such as ci-storefront.") % {"most": LONGEST_NAME}
        ]
    elif mine.filter(name=name).exists():
        errors["name"] = [_("You have a token of this name already.")]
    elif mine.count() >= MOST_USABLE:
        errors["name"] = [_("You have %(most)s tokens already: revoke some first.") % {"most": MOST_USABLE}]
    if scope not in scopes_of(user.role):
        errors["scope"] = [_("Your role doesn't allow that, so a token of yours can't either.")]
    if not ENDLESS <= days <= MOST_DAYS:
        errors["days"] = [_("Use a number of days from 1 to %(most)s.") % {"most": MOST_DAYS}]
    elif days == ENDLESS and scope == Scope.ADMIN:
        errors["days"] = [_("A token that may administer has to expire.")]
    if placement_ids is not None and (said := _placements_refused(user, scope, set(placement_ids))):
        errors["placements"] = [said]
    if errors:
        raise FieldErrors(errors)


def _placements_refused(user: User, scope: str, wanted: set[int]) -> "str | StrPromise":
    if not wanted:
        return _("Choose at least one, or let it reach all of them.")
    if scope == Scope.ADMIN:
        return _("A token that may administer can't be narrowed: what it could change serves all of them.")
    seen = permissions.visible_placements(user).filter(pk__in=wanted).count()
    return "" if seen == len(wanted) else _("One of these doesn't exist.")


def _shown(token: AccessToken) -> dict[str, object]:
    narrowed = token.placements.select_related("application", "environment") if token.is_narrowed else ()
    return {
        "person": str(token.user),
        "scope": str(token.scope),
        "expires_at": token.expires_at,
        **({"placements": [str(each) for each in narrowed]} if token.is_narrowed else {}),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
