"""Who has which access: the list of people, and the matrix of what a deployer may be granted."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.db.models import Exists, OuterRef, Q

from deployments.accounts import links
from deployments.models import AccessLink, Application, Environment, Grant, Role, User
from deployments.queries.parts import Part, part

PAGE: Final = 50
MOST_TOLD: Final = 6
"""Grants of somebody that the list tells; their page has them all."""


class Granted(NamedTuple):
    """What somebody may act on, by its names."""

    application: str
    environment: str


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody, and what they may do. `invitation` is the link they haven't opened yet; `more` grants aren't told here."""

    user: User
    grants: list[Granted]
    invitation: AccessLink | None
    more: int = 0

    @property
    def was_invited(self) -> bool:
        """They exist by invitation alone: never accepted."""
        return not self.user.is_active and not self.user.name


@dataclass(frozen=True, slots=True)
class Pair:
    """One box of the matrix; `value` is what the form sends."""

    environment: Environment
    value: str


@dataclass(frozen=True, slots=True)
class People:
    """A part of everybody."""

    rows: list[PersonRow]
    part: Part


def people(number: int = 1) -> People:
    """That part of everybody: active ones first, then by name, in a constant number of queries."""
    chosen = part(number, PAGE, User.objects.count())
    users = list(User.objects.order_by("-is_active", "name", "email", "pk")[chosen.first - 1 : chosen.last])
    grants = _grants(users)
    waiting = links.usable().filter(purpose=AccessLink.Purpose.INVITATION, user__in=users)
    invitations = {link.user_id: link for link in waiting}
    rows = [
        PersonRow(user, grants[user.pk][:MOST_TOLD], invitations.get(user.pk), max(0, len(grants[user.pk]) - MOST_TOLD))
        for user in users
    ]
    return People(rows, chosen)


def person(user: User) -> PersonRow:
    """One of them, with all that they may do."""
    invitation = links.usable().filter(purpose=AccessLink.Purpose.INVITATION, user=user).first()
    return PersonRow(user, _grants([user])[user.pk], invitation)


def _grants(users: Sequence[User]) -> defaultdict[int, list[Granted]]:
    """By person, in the order in which applications and environments are shown."""
    found: defaultdict[int, list[Granted]] = defaultdict(list)
    rows = Grant.objects.filter(user__in=users).order_by("application__name", "environment__position")
    for user, application, environment in rows.values_list("user", "application__name", "environment__name"):
        found[user].append(Granted(application, environment))
    return found


def grantable(user: User | None = None) -> list[tuple[Application, list[Pair]]]:
    """Every Application that isn't archived, and those granted to this person already, × every Environment."""
    environments = list(Environment.objects.all())
    shown = Q(archived_at=None)
    if user is not None:
        shown = shown | Q(Exists(Grant.objects.filter(application=OuterRef("pk"), user=user)))
    return [
        (application, [Pair(environment, f"{application.pk}:{environment.pk}") for environment in environments])
        for application in Application.objects.filter(shown)
    ]


def admins_left(without: User) -> int:
    """How many active admins there would be without this person."""
    return User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=without.pk).count()
