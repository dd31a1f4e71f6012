"""A signed push at the web's door, and what then answers on the server: nobody clicks in between."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from deployments.inventory import webhooks
from deployments.models import CommitStatus, Deployment, Placement, WebhookDelivery
from parts import flask_sample
from parts.dockerd import DockerEngine
from parts.git_repo import Repo
from parts.git_server import GitServer
from parts.processes import wait_until
from parts.sshd import SshServer
from tests.deployments.webhooks import samples
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.integration.test_git_deploys import answer, log_of, outcome, placed

PATIENCE = 90.0

pytestmark = [pytest.mark.usefixtures("mirror"), pytest.mark.timeout(240)]


def push(place: Placement, kind: str, sent: dict[str, Any]) -> WebhookDelivery:
    """Make a hook of that kind, and deliver this to it as its sender would; what was kept of it."""
    hook, secret = webhooks.create_webhook(
        actor=harness.admin(), placement=place, kind=kind, name=kind, rules={"branches": ["main"]}
    )
    body, moment = json.dumps(sent).encode(), int(time.time())
    signed = samples.sign(f"{moment}.".encode() + body, secret)
    headers = {
        "github": {
            "x-github-event": "push",
            "x-github-delivery": "1",
            "x-hub-signature-256": f"sha256={samples.sign(body, secret)}",
        },
        "plain": {"x-estiva-signature": f"t={moment},v1={signed}"},
    }[kind]
    answered = Client(enforce_csrf_checks=True).post(
        f"/hooks/{hook.public_id}", body, content_type="application/json", headers=headers
    )
    assert (answered.status_code, answered.json()["verdict"]) == (202, "accepted"), answered.content
    return WebhookDelivery.objects.get(webhook=hook)


def deployed(delivery: WebhookDelivery) -> Deployment:
    """The Deployment that a delivery led to, at its end."""

    def begun() -> bool:
        delivery.refresh_from_db()
        return delivery.deployment is not None or delivery.verdict != "accepted"

    wait_until(begun, "the push is deployed", timeout=PATIENCE)
    assert delivery.deployment is not None, delivery.reason
    return harness.ended(delivery.deployment, timeout=PATIENCE)


def test_a_push_is_what_answers(estiva: Estiva, server: tuple[SshServer, DockerEngine], git_server: GitServer) -> None:
    """GitHub's push builds and deploys the first commit, a script's curl the second; the Git service is told of both."""
    cache.clear()
    repo: Repo = git_server.create(f"team/pushed-{len(git_server.repositories)}", flask_sample.files("1"), private=True)
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    place = placed([harness.trusted_host(*server)], git_server, repo)

    first = repo.head() or ""
    sent = samples.github(after=first, head_commit=samples.commit(first))
    sent["repository"].update(clone_url=repo.http_url, ssh_url="", html_url="")
    deployment = deployed(push(place, "github", sent))
    assert deployment.status == "succeeded", (outcome(deployment), log_of(deployment))
    assert answer(place) == f"python-web-app 1 {first}"
    assert (deployment.requested_by_name, deployment.note) == ("github (webhook)", "main pushed by ana-prado")

    second = repo.commit(flask_sample.files("2"), "Say two")
    deployment = deployed(push(place, "plain", {"ref": "main", "commit": second}))
    assert deployment.status == "succeeded", (outcome(deployment), log_of(deployment))
    assert answer(place) == f"python-web-app 2 {second}"
    assert [each["subject"] for each in deployment.commits] == ["Say two"]

    # This Git server has no such API: that is written down, and kept no deploy waiting
    told = CommitStatus.objects.values_list("commit", "state")
    assert sorted(told) == sorted((each, state) for each in (first, second) for state in ("pending", "success"))
    wait_until(lambda: bool(CommitStatus.objects.order_by("-pk")[0].error), "the Git service was tried")
    assert git_server.password not in estiva.logs()
