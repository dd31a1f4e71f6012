"""A command run once in a service of a Compose application, with Compose v2 and a real engine, by a worker's own code."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from deployments import one_offs
from deployments.live import decode_lines
from deployments.models import Deployment, OneOffRun, Operation, Release, RunChunk
from parts.engine26 import Engine26
from parts.processes import wait_until
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.integration import compose_scene as scene
from tests.integration import harness
from tests.integration.compose_stage import lock_file
from tests.integration.test_drift import ByHand
from tests.real_parts import SampleImages

pytestmark = pytest.mark.timeout(240)


class Stage(ByHand):
    """The application on one server, deployed in this process."""

    def command(self, release: Release, *words: str, service: str = "web") -> Operation:
        run = one_offs.request_run(
            actor=harness.admin(), release=release, host=self.host, command=words, seconds=60, service=service
        )
        return self.run(run.operation)

    def lines(self) -> list[str]:
        newest = OneOffRun.objects.latest("pk")
        return [line.text for chunk in RunChunk.objects.filter(run=newest) for line in decode_lines(chunk.lines)]


def test_a_command_in_a_service(
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    compose_sshd: SshServer,
    tidy_engine26: Engine26,
    sample_images: SampleImages,
) -> None:
    """With its image, variables, files, volumes and networks; beside what serves, which goes on, and which no plan sees."""
    lock_file().unlink(missing_ok=True)
    host = harness.trusted_host(compose_sshd, tidy_engine26)
    app, stage = scene.Application(sample_images), Stage(host, tidy_engine26)
    own = "    configs: [{source: motto, target: /motto}]\n    entrypoint: [/bin/busybox]\n    command: [sh, /app/start]\n"
    text = app.pasted().replace("    depends_on: [db]\n", f"    depends_on: [db]\n{own}")
    text += "configs:\n  motto:\n    content: ${TOKEN} and more\n"
    place = scene.placed(
        [host],
        text=text.replace(
            "    volumes: [data:/data]\n",
            "    volumes: [data:/data]\n    entrypoint: [/bin/busybox]\n    command: [sh, /app/start]\n",
        ),
    )
    plan = stage.planned()
    deployment: Deployment = scene.clicked(plan)
    target = harness.run_here(deployment)
    assert target.status == "succeeded", target.outcome
    before = scene.containers(tidy_engine26)

    release = deployment.release
    assert one_offs.services_of(release) == ["cache", "db", "web"]
    ended = stage.command(release, "sh", "-c", "/bin/busybox cat /motto; /bin/busybox env; exit 3")
    assert ended.result.get("exit_code") == 3, (ended.result, stage.lines())
    said = stage.lines()
    assert any("[redacted] and more" in line for line in said), said
    assert scene.SECRET not in "".join(said)
    assert any(line.startswith("TOKEN=") for line in said)
    hostile = "$(touch /tmp/estiva-canary); `id` ${TOKEN} $$HOME"
    ended = stage.command(release, "echo", hostile)
    assert ended.status == "succeeded", (ended.result, stage.lines())
    assert hostile in stage.lines()
    assert {name: each["Id"] for name, each in scene.containers(tidy_engine26).items()} == {
        name: each["Id"] for name, each in before.items()
    }
    assert stage.docker("ps", "-aq", "--filter", "label=estiva.run") == ""

    assert not Path("/tmp/estiva-canary").exists()

    run = one_offs.request_run(
        actor=harness.admin(), release=release, host=host, command=["sleep", "600"], seconds=60, service="web"
    )
    over = threading.Thread(target=_cancel_once_begun, args=(run.pk,))
    over.start()
    cancelled = stage.run(run.operation)
    over.join()
    assert cancelled.status == "cancelled", (cancelled.result, stage.lines())
    assert stage.docker("ps", "-aq", "--filter", "label=estiva.run") == ""

    written = stage.command(release, "sh", "-c", "/bin/busybox touch /data/seen; /bin/busybox ls /data", service="db")
    assert (written.status, "seen" in stage.lines()) == ("succeeded", True), (written.result, stage.lines())
    assert stage.seen().drift == ""
    assert _bad(stage.planned()) == []

    # an image that Compose labelled as the project's, run by hand, is nobody's container
    labelled = sample_images.push("labelled", name="team/db")
    stage.docker("pull", labelled.reference)
    stage.docker("create", "--name", "made", "--label", "x=y", labelled.reference)
    stage.docker("commit", "--change", "LABEL com.docker.compose.project=shop-production", "made", "made:labelled")
    stage.docker("run", "-d", "--name", "by-hand", "made:labelled")
    assert _bad(stage.planned()) == []
    assert stage.seen().drift == ""
    stage.docker(
        "run", "-d", "--name", "really", "--label", "com.docker.compose.project=shop-production", labelled.reference
    )
    assert any("really" in each for each in _bad(stage.planned()))
    place.refresh_from_db()


def _cancel_once_begun(run_id: int) -> None:
    try:
        wait_until(lambda: OneOffRun.objects.get(pk=run_id).begun_at is not None, "the command begins", timeout=40)
        one_offs.cancel_run(actor=harness.admin(), run_id=run_id)
    finally:
        connection.close()


def _bad(plan: Any) -> list[str]:
    return [each["message"] for row in plan.hosts for each in row["findings"] if each["result"] == "bad"]
