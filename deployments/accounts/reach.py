"""What exists for a token: what its person sees, or only the Placements that it was narrowed to and what belongs to them."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from deployments import permissions
from deployments.models import (
    AccessToken,
    Application,
    Deployment,
    Environment,
    Host,
    Placement,
    PlacementHost,
    Plan,
    User,
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Querysets as `permissions` has them for a person."""

    token: AccessToken

    @property
    def user(self) -> User:
        """Whose token it is."""
        return self.token.user

    def placements(self) -> QuerySet[Placement]:
        """The Placements that exist for it."""
        seen = permissions.visible_placements(self.user)
        return seen.filter(pk__in=self.token.placements.values("pk")) if self.token.is_narrowed else seen

    def applications(self) -> QuerySet[Application]:
        """The Applications."""
        seen = permissions.visible_applications(self.user)
        return seen.filter(pk__in=self.placements().values("application")) if self.token.is_narrowed else seen

    def environments(self) -> QuerySet[Environment]:
        """The Environments."""
        seen = permissions.visible_environments(self.user)
        return seen.filter(pk__in=self.placements().values("environment")) if self.token.is_narrowed else seen

    def hosts(self) -> QuerySet[Host]:
        """The servers."""
        if not self.token.is_narrowed:
            return permissions.visible_hosts(self.user)
        seats = PlacementHost.objects.filter(host=OuterRef("pk"), is_active=True, placement__in=self.placements())
        return Host.objects.filter(Exists(seats))

    def deployments(self) -> QuerySet[Deployment]:
        """The Deployments."""
        if not self.token.is_narrowed:
            return permissions.visible_deployments(self.user)
        return Deployment.objects.filter(placement__in=self.placements())

    def plans(self) -> QuerySet[Plan]:
        """The Plans."""
        return Plan.objects.filter(placement__in=self.placements())

    def may_act(self, placement: Placement) -> bool:
        """It may deploy this Placement, if its scope allows deploying."""
        return permissions.may_act(self.user, placement) and self.placements().filter(pk=placement.pk).exists()

    def may_create(self) -> bool:
        """It may make Applications and Placements, if its scope allows deploying."""
        return not self.token.is_narrowed and permissions.may_create_applications(self.user)
