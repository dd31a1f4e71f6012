"""A pipeline's job, as docs/api.md has it, against the real web, workers and server: from the token to what answers."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deployments.accounts import tokens
from deployments.models import AuditEntry, Deployment, User
from parts.dockerd import DockerEngine
from parts.environment import ROOT
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.dashboard.web import Web
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def web(estiva: Estiva, valkey: Valkey, folder: Path) -> Iterator[Web]:
    """gunicorn, on the test's database."""
    with Web(folder / "api-web", valkey.url, processes.database_url()) as server:
        yield server


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The script that the documentation shows."""
    found = re.search(r"```sh\n(#!/bin/sh\n.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert found is not None
    path = tmp_path / "estiva-deploy"
    path.write_text(found[1])
    path.chmod(0o700)
    return path


def run(job: Path, web: Web, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The job as a pipeline runs it."""
    environment = {"PATH": os.environ["PATH"], "ESTIVA_URL": f"http://127.0.0.1:{web.port}", "ESTIVA_TOKEN": token}
    return subprocess.run([job, *arguments], env=environment, capture_output=True, text=True, timeout=90, check=False)


def patch(web: Web, path: str, token: str, body: Mapping[str, object]) -> dict[str, str]:
    """What is refused."""
    asked = http.client.HTTPConnection("127.0.0.1", web.port, timeout=15)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        asked.request("PATCH", f"/api/v1/{path}", json.dumps(body), headers)
        found: dict[str, str] = json.loads(asked.getresponse().read())["error"]
        return found
    finally:
        asked.close()


def test_a_pipeline_deploys_once_and_goes_red(
    estiva: Estiva, server: tuple[SshServer, DockerEngine], sample_images: SampleImages, web: Web, job: Path
) -> None:
    """The documented job succeeds, run again with its key deploys nothing more, and fails where the version does."""
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    good, bad = sample_images.push("1"), sample_images.push("3", behaviour="exits")
    place = harness.placement(harness.trusted_host(*server), good)
    admin = User.objects.get(email="ada@example.com")
    _token, text = tokens.create(actor=harness.admin(), user=admin, name="ci", scope="deploy", placement_ids=[place.pk])

    first = run(job, web, text, "shop", "production", good.tag, "run-1")
    assert first.returncode == 0, first.stdout + first.stderr
    deployment = Deployment.objects.get()
    assert (deployment.status, deployment.note) == ("succeeded", "from the pipeline")
    assert deployment.requested_by_name == "Ada (token ci)"
    assert f"/deployments/{deployment.pk}/" in first.stdout
    assert "web-1 connect: Connected" in first.stdout
    assert harness.serving(server[1]) == ["shop-production-r1.f1"]

    again = run(job, web, text, "shop", "production", good.tag, "run-1")
    assert again.returncode == 0, again.stderr
    assert Deployment.objects.count() == 1
    assert harness.serving(server[1]) == ["shop-production-r1.f1"]

    other = run(job, web, text, "shop", "production", bad.tag, "run-1")
    assert other.returncode != 0
    assert "key_used" in other.stdout + other.stderr
    red = run(job, web, text, "shop", "production", bad.tag, "run-2")
    assert red.returncode == 1, red.stdout + red.stderr
    assert Deployment.objects.order_by("pk").last().status == "failed"  # type: ignore[union-attr]
    assert harness.serving(server[1]) == ["shop-production-r1.f2"]

    missing = run(job, web, text, "shop", "production", "no-such-tag", "run-3")
    assert missing.returncode == 1
    assert "no-such-tag" in missing.stderr
    assert Deployment.objects.count() == 2

    changed = {"settings": {"privileged": True}}
    refused = patch(web, "placements/shop/production", text, changed)
    assert refused["field"] == "settings.privileged"
    assert refused["message"] == "Only an admin may set this: the container gets every right on the server."

    said = estiva.logs() + web.process.log.read_text()
    assert text not in said
    assert not AuditEntry.objects.filter(after__icontains=text).exists()
