"""What a Git service is to be told of a Deployment: written down here, in the Deployment's own transaction, sent by a worker."""

from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q, QuerySet

from deployments import clock
from deployments.models import CommitStatus, Deployment, Repository, Webhook
from deployments.states import DeploymentStatus
from deployments.webhooks.statuses import Service, service_of

ATTEMPTS: Final = 10
_KNOWN_HOSTS: Final = {
    "github.com": "github",
    "ssh.github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "gitea",
}
_KINDS: Final = (Webhook.Kind.GITHUB, Webhook.Kind.GITLAB, Webhook.Kind.GITEA)
State = CommitStatus.State


def tell(deployment: Deployment, state: str, description: str) -> CommitStatus | None:
    """Note that the Git service is to be told, once a state; None where there is no commit, no token or no known service."""
    source = deployment.release.source
    if not source.get("commit"):
        return None
    repository = Repository.objects.filter(application=deployment.placement.application_id).first()
    if repository is None or source.get("url") != repository.url:
        return None
    service = service_for(repository)
    if service is None or repository.credential != Repository.Credential.TOKEN or repository.token is None:
        return None
    status, _created = CommitStatus.objects.get_or_create(
        deployment=deployment,
        state=state,
        defaults={
            "repository": repository,
            "repository_url": repository.url,
            "kind": service.kind,
            "api": service.api,
            "path": service.repository,
            "commit": source["commit"],
            "context": f"estiva/{deployment.environment_name}/{deployment.application_name}",
            "description": description[:200],
            "link": f"{settings.ESTIVA_BASE_URL}/deployments/{deployment.pk}/",
            "next_try": clock.now(),
        },
    )
    return status


def tell_how_it_stands(deployment: Deployment) -> CommitStatus | None:
    """As `tell`, in the words for the Deployment's status: when it was asked for, and when it has ended."""
    said = {
        DeploymentStatus.QUEUED: "Waits for its turn to be deployed",
        DeploymentStatus.RUNNING: "Is being deployed",
        DeploymentStatus.SUCCEEDED: f"Runs in {deployment.environment_name}",
        DeploymentStatus.FAILED: "The deploy failed",
        DeploymentStatus.CANCELLED: f"Cancelled: {deployment.cancelled_by_name}"
        if deployment.cancelled_by_name
        else "The deploy was cancelled",
        DeploymentStatus.NEEDS_ATTENTION: "The deploy failed and needs somebody to look at the server",
    }
    status = DeploymentStatus(deployment.status)
    return tell(deployment, state_of(deployment), f"#{deployment.pk}: {said[status]}")


def state_of(deployment: Deployment) -> str:
    """What a Deployment's status is to a Git service, which knows three."""
    if deployment.status == DeploymentStatus.SUCCEEDED:
        return State.SUCCESS
    return State.PENDING if deployment.ended_at is None else State.FAILURE


def service_for(repository: Repository) -> Service | None:
    """Who holds the repository: a host that is known, else who calls this application's hooks; None when neither says."""
    kind = _KNOWN_HOSTS.get(urlsplit(repository.url).hostname or "")
    if kind is None:
        hooks = Webhook.objects.filter(placement__application=repository.application_id, kind__in=_KINDS)
        kind = hooks.order_by("-last_used_at").values_list("kind", flat=True).first()
    return service_of(kind, repository.url) if kind else None


def due() -> QuerySet[CommitStatus]:
    """Those whose time has come, oldest first; a pending one that was overtaken by its end is left to `overtaken`."""
    return (
        CommitStatus.objects.filter(next_try__lte=clock.now()).select_related("repository").order_by("next_try", "id")
    )


def is_overtaken(status: CommitStatus) -> bool:
    """Whether the end of the same Deployment is told or waits already: “pending” after it would stay for good."""
    ends = CommitStatus.objects.filter(~Q(state=State.PENDING), deployment=status.deployment_id)
    return status.state == State.PENDING and ends.exists()


def claim(status: CommitStatus) -> bool:
    """Take it for one attempt, so that no other worker sends it meanwhile; the next one comes later each time."""
    wait = min(30 * 2**status.attempts, 3600)
    again = clock.now() + timedelta(seconds=wait)
    same = CommitStatus.objects.filter(pk=status.pk, attempts=status.attempts, next_try=status.next_try)
    return bool(same.update(attempts=status.attempts + 1, next_try=again))


def sent(status: CommitStatus) -> None:
    """The service has it."""
    CommitStatus.objects.filter(pk=status.pk).update(sent_at=clock.now(), next_try=None, error="")


def failed(status: CommitStatus, error: str, *, for_good: bool) -> None:
    """The service didn't take it: tried again at its time, unless that can't help or was tried often enough."""
    fields: dict[str, object] = {"error": error[:300]}
    if for_good or status.attempts + 1 >= ATTEMPTS:
        fields["next_try"] = None
    CommitStatus.objects.filter(pk=status.pk).update(**fields)
