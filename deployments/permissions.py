"""Who sees what and who may do what. What isn't granted doesn't exist for a deployer: views answer 404 from these querysets."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from deployments.actors import Actor
from deployments.models import (
    Application,
    Deployment,
    Environment,
    Grant,
    Host,
    OneOffRun,
    Operation,
    Placement,
    PlacementHost,
    Plan,
    Repository,
    Role,
    Terminal,
    User,
)


def sees_everything(user: User) -> bool:
    """An admin, an auditor, or a deployer who was given all."""
    return user.is_active and (user.role in {Role.ADMIN, Role.AUDITOR} or user.deploys_everything)


def visible_placements(user: User) -> QuerySet[Placement]:
    """The Placements that exist for this person."""
    if not user.is_active:
        return Placement.objects.none()
    if sees_everything(user):
        return Placement.objects.all()
    granted = Grant.objects.filter(
        user=user, application=OuterRef("application_id"), environment=OuterRef("environment_id")
    )
    return Placement.objects.filter(Exists(granted))


def visible_applications(user: User) -> QuerySet[Application]:
    """The Applications that exist for this person: those with a granted pair."""
    if not user.is_active:
        return Application.objects.none()
    if sees_everything(user):
        return Application.objects.all()
    return Application.objects.filter(Exists(Grant.objects.filter(user=user, application=OuterRef("pk"))))


def visible_environments(user: User) -> QuerySet[Environment]:
    """The Environments that exist for this person: those with a granted pair."""
    if not user.is_active:
        return Environment.objects.none()
    if sees_everything(user):
        return Environment.objects.all()
    return Environment.objects.filter(Exists(Grant.objects.filter(user=user, environment=OuterRef("pk"))))


def visible_deployments(user: User) -> QuerySet[Deployment]:
    """The Deployments of the visible Placements."""
    if sees_everything(user):
        return Deployment.objects.all()
    return Deployment.objects.filter(placement__in=visible_placements(user))


def listed_deployments(user: User) -> QuerySet[Deployment]:
    """The same, for long lists: the Placements are looked up first, since a database guesses badly how many those are."""
    if sees_everything(user):
        return Deployment.objects.all()
    placements = list(visible_placements(user).order_by().values_list("pk", flat=True))
    return Deployment.objects.filter(placement__in=placements)


def visible_plans(user: User) -> QuerySet[Plan]:
    """The Plans of the visible Placements."""
    if sees_everything(user):
        return Plan.objects.all()
    return Plan.objects.filter(placement__in=visible_placements(user))


def visible_hosts(user: User) -> QuerySet[Host]:
    """The servers that exist for this person: a deployer's are those of the granted Placements, to read only."""
    if not user.is_active:
        return Host.objects.none()
    if sees_everything(user):
        return Host.objects.all()
    seats = PlacementHost.objects.filter(host=OuterRef("pk"), is_active=True, placement__in=visible_placements(user))
    return Host.objects.filter(Exists(seats))


def visible_repositories(user: User) -> QuerySet[Repository]:
    """The Repositories of the visible Applications: what is built is known to whoever sees what it is built for."""
    if sees_everything(user):
        return Repository.objects.all()
    return Repository.objects.filter(application__in=visible_applications(user))


def visible_operations(user: User) -> QuerySet[Operation]:
    """The Operations on visible Placements, servers and repositories."""
    if sees_everything(user):
        return Operation.objects.all()
    return Operation.objects.filter(
        Q(placement__in=visible_placements(user))
        | Q(host__in=visible_hosts(user))
        | Q(repository__in=visible_repositories(user))
    )


def visible_follows(user: User) -> QuerySet[Operation]:
    """The follows: of a container's log with its Placement, of what containers take with the server; and the one-off runs.

    Terminals, too, for those who may see them (`visible_terminals`).
    """
    follows = Operation.objects.filter(kind__in=(Operation.Kind.FOLLOW, Operation.Kind.RUN))
    if may_audit(user):
        return Operation.objects.filter(kind__in=(Operation.Kind.FOLLOW, Operation.Kind.RUN, Operation.Kind.TERMINAL))
    if sees_everything(user):
        return follows
    return follows.filter(Q(placement__in=visible_placements(user)) | Q(placement=None, host__in=visible_hosts(user)))


def visible_runs(user: User) -> QuerySet[OneOffRun]:
    """The one-off runs of the visible Placements."""
    if sees_everything(user):
        return OneOffRun.objects.all()
    return OneOffRun.objects.filter(operation__placement__in=visible_placements(user))


def visible_terminals(user: User) -> QuerySet[Terminal]:
    """All, to those who may read the audit trail: what stood on a screen may hold more than a log does. To others, none."""
    return Terminal.objects.all() if user.is_active and may_audit(user) else Terminal.objects.none()


def may_act(user: User, placement: Placement) -> bool:
    """Plan, deploy, cancel, redeploy, roll back, and edit the settings that need no privilege."""
    return may_act_at(user, placement.application_id, placement.environment_id)


def may_act_at(user: User, application_id: int, environment_id: int) -> bool:
    """As `may_act`, also before the Placement exists."""
    if not user.is_active or user.role == Role.AUDITOR:
        return False
    if user.role == Role.ADMIN or user.deploys_everything:
        return True
    return Grant.objects.filter(user=user, application=application_id, environment=environment_id).exists()


def may_create_applications(user: User) -> bool:
    """An admin, or a deployer who was given all: anybody else would make what they then couldn't see."""
    return user.is_admin or (user.is_active and user.role == Role.DEPLOYER and user.deploys_everything)


def may_change_repository(user: User) -> bool:
    """Where an Application's source is and how Estiva logs in there: it's shared by all its Environments, so who may make one.

    The Git server's host key is trusted by admins only, as a server's is.
    """
    return may_create_applications(user)


def acts_as_admin(actor: Actor) -> bool:
    """Whoever asks is an admin, and nothing limits what they ask by; Estiva itself is not meant."""
    return not actor.is_limited and any(user.is_admin for user in User.objects.filter(pk=actor.user_id or 0))


def may_administer(user: User) -> bool:
    """Environments, servers, people, and settings that need a privilege."""
    return user.is_admin


def may_audit(user: User) -> bool:
    """Read the audit trail."""
    return user.is_admin or user.is_auditor


def may_see_people(user: User) -> bool:
    """Read who has which access; changing it is the admins'."""
    return user.is_admin or user.is_auditor
