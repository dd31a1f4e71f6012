"""A person's access tokens, as they and the admins see them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Case, F, IntegerField, Prefetch, Value, When

from deployments import clock, permissions
from deployments.accounts import tokens
from deployments.models import AccessToken, Placement, User

SOON: Final = timedelta(days=7)
MOST: Final = 100
"""Of those that are over: the audit trail has them all."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token; `state` is usable, soon (it expires within a week), expired or revoked; `counts_as` what its scope is worth."""

    token: AccessToken
    state: str
    counts_as: AccessToken.Scope

    @property
    def is_usable(self) -> bool:
        """It opens something."""
        return self.state in {"usable", "soon"}

    @property
    def is_less(self) -> bool:
        """Its person may do less by now than it was made for."""
        return self.counts_as != self.token.scope

    @property
    def places(self) -> list[Placement]:
        """What it was narrowed to."""
        return list(self.token.placements.all())


def tokens_of(user: User) -> list[TokenRow]:
    """Those that open something first, then by age, in a constant number of queries."""
    places = Placement.objects.select_related("application", "environment")
    usable = Case(
        When(pk__in=tokens.usable().values("pk"), then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    rows = user.tokens.select_related("user").prefetch_related(Prefetch("placements", queryset=places))
    found = rows.alias(over=usable).order_by(F("over"), "-pk")[:MOST]
    moment = clock.now()
    return [TokenRow(token, _state(token, moment), tokens.scope_now(token)) for token in found]


def choosable(user: User) -> list[Placement]:
    """What a token of this person's may be narrowed to."""
    seen = permissions.visible_placements(user).filter(application__archived_at=None)
    return list(
        seen.select_related("application", "environment").order_by("application__name", "environment__position")
    )


def _state(token: AccessToken, moment: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is None:
        return "usable"
    if token.expires_at <= moment:
        return "expired"
    return "soon" if token.expires_at - moment < SOON else "usable"
