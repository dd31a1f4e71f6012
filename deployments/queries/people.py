"""Who has which access: the list of people, and the matrix of what a deployer may be granted."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Prefetch, Q

from deployments.accounts import links
from deployments.models import AccessLink, Application, Environment, Grant, Role, User


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody, and what they may do. `invitation` is the link they haven't opened yet."""

    user: User
    grants: list[Grant]
    invitation: AccessLink | None

    @property
    def was_invited(self) -> bool:
        """They exist by invitation alone: never accepted."""
        return not self.user.is_active and not self.user.name


@dataclass(frozen=True, slots=True)
class Pair:
    """One box of the matrix; `value` is what the form sends."""

    environment: Environment
    value: str


def people() -> list[PersonRow]:
    """Everybody: active ones first, then by name, in a constant number of queries."""
    grants = Grant.objects.select_related("application", "environment").order_by(
        "application__name", "environment__position"
    )
    rows = User.objects.prefetch_related(Prefetch("grants", queryset=grants)).order_by("-is_active", "name", "email")
    invitations = {
        link.user_id: link for link in links.usable().filter(purpose=AccessLink.Purpose.INVITATION, user__isnull=False)
    }
    return [PersonRow(user, list(user.grants.all()), invitations.get(user.pk)) for user in rows]


def person(user: User) -> PersonRow:
    """One of them."""
    grants = user.grants.select_related("application", "environment").order_by(
        "application__name", "environment__position"
    )
    invitation = links.usable().filter(purpose=AccessLink.Purpose.INVITATION, user=user).first()
    return PersonRow(user, list(grants), invitation)


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
