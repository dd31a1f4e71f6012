"""What is written down for the Git service, for whom, and how often it is tried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deployments.models import CommitStatus, Deployment, Placement, Repository, Webhook
from deployments.sealing import seal
from deployments.states import DeploymentStatus
from deployments.webhooks import outbox
from tests import factories as make
from tests.deployments.webhooks.samples import AFTER

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

URL = "https://github.com/harbour/storefront"


@pytest.fixture
def placement() -> Placement:
    return make.placement(make.application("storefront"), source=Placement.Source.GIT)


def repository(placement: Placement, url: str = URL, **fields: Any) -> Repository:
    values: dict[str, Any] = {"credential": "token", "token": seal("ghp_1"), **fields}
    return Repository.objects.create(application=placement.application, url=url, **values)


def deployed(placement: Placement, url: str = URL) -> Deployment:
    return make.deployment(make.release(placement, source={"kind": "git", "url": url, "commit": AFTER}))


def test_a_deploy_of_a_commit_is_told(placement: Placement, settings: Any) -> None:
    settings.ESTIVA_BASE_URL = "https://deploy.example.com"
    repository(placement)
    deployment = deployed(placement)
    status = outbox.tell(deployment, "pending", "Waits")
    assert status is not None
    assert (status.kind, status.api, status.path) == ("github", "https://api.github.com", "harbour/storefront")
    assert (status.commit, status.context) == (AFTER, "estiva/staging/storefront")
    assert status.link == f"https://deploy.example.com/deployments/{deployment.pk}/"
    assert list(outbox.due()) == [status]
    assert outbox.tell(deployment, "pending", "Once more") == status


@pytest.mark.parametrize(
    "fields",
    [
        {"credential": "none"},
        {"credential": "key", "token": None},
        {"token": None},
        {"url": "https://git.example.com/a/b"},
    ],
)
def test_without_a_token_or_a_service_nobody_is_told(placement: Placement, fields: dict[str, Any]) -> None:
    kept = repository(placement, **fields)
    assert outbox.tell(deployed(placement, kept.url), "pending", "Waits") is None


def test_without_a_repository_or_a_commit_nobody_is_told(placement: Placement) -> None:
    assert outbox.tell(deployed(placement), "pending", "") is None
    repository(placement)
    assert outbox.tell(make.deployment(make.release(placement)), "pending", "") is None


def test_a_repository_that_moved_is_not_told_of_what_came_from_the_old_one(placement: Placement) -> None:
    repository(placement, "https://github.com/harbour/other")
    assert outbox.tell(deployed(placement), "pending", "") is None


def test_a_host_that_is_not_known_is_told_by_who_calls_its_hooks(placement: Placement) -> None:
    kept = repository(placement, "https://git.example.com/harbour/storefront")
    Webhook.objects.create(
        placement=placement, kind="gitea", name="x", public_id="x", secret=seal("x"), secret_at=timezone.now()
    )
    service = outbox.service_for(kept)
    assert service is not None
    assert (service.kind, service.api) == ("gitea", "https://git.example.com/api/v1")


def test_it_is_tried_later_and_later_and_not_for_ever(placement: Placement) -> None:
    repository(placement)
    status = outbox.tell(deployed(placement), "success", "Runs")
    assert status is not None
    waits = []
    moment = timezone.now()
    for _attempt in range(outbox.ATTEMPTS):
        status.refresh_from_db()
        assert status.next_try is not None
        assert outbox.claim(status)
        assert not outbox.claim(status), "somebody else has it"
        outbox.failed(status, "503", for_good=False)
        before, after = status, CommitStatus.objects.get()
        if after.next_try is not None:
            waits.append(round((after.next_try - timezone.now()).total_seconds()))
        assert after.attempts == before.attempts + 1
    assert CommitStatus.objects.get().next_try is None
    assert waits == sorted(waits)
    assert waits[0] < 40
    assert timezone.now() - moment < timedelta(minutes=1)


def test_what_is_refused_for_good_is_not_tried_again(placement: Placement) -> None:
    repository(placement)
    status = outbox.tell(deployed(placement), "success", "Runs")
    assert status is not None
    outbox.failed(status, "401: Bad credentials", for_good=True)
    assert not outbox.due().exists()
    assert CommitStatus.objects.get().error == "401: Bad credentials"


def test_pending_after_its_end_is_overtaken(placement: Placement) -> None:
    repository(placement)
    deployment = deployed(placement)
    pending = outbox.tell(deployment, "pending", "Waits")
    assert pending is not None
    assert not outbox.is_overtaken(pending)
    end = outbox.tell(deployment, "failure", "Failed")
    assert end is not None
    assert outbox.is_overtaken(pending)
    assert not outbox.is_overtaken(end)


@pytest.mark.parametrize(
    ("status", "ended", "state"),
    [
        ("queued", False, "pending"),
        ("running", False, "pending"),
        ("succeeded", True, "success"),
        ("failed", True, "failure"),
        ("cancelled", True, "failure"),
        ("needs_attention", True, "failure"),
    ],
)
def test_what_a_status_is_to_a_git_service(status: str, ended: bool, state: str) -> None:
    row = Deployment(status=DeploymentStatus(status), ended_at=timezone.now() if ended else None)
    assert outbox.state_of(row) == state
