"""A command run once on a real engine through real workers: what it writes, how it ends, a cancel, a worker that is killed."""

from pathlib import Path
from typing import Any

from deployments import one_offs
from deployments.inventory import variables
from deployments.live import decode_lines
from deployments.models import Deployment, OneOffRun, Operation, RunChunk
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.engine_stage import until
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

Server = tuple[SshServer, DockerEngine]
SHELL = {"entrypoint": ["/bin/busybox", "sh"], "command": ["/app/start"]}


def test_run_killed_cancelled(estiva: Estiva, server: Server, sample_images: SampleImages, tmp_path: Path) -> None:
    """Beside what serves, which goes on; words are data to the worker and the server; a killed worker doubles nothing."""
    processes.ready(estiva.worker("deploy"))
    first = estiva.worker("look")
    processes.ready(first)
    host = harness.trusted_host(*server)
    image = sample_images.push("1")
    settings: dict[str, Any] = {**SHELL, "ports": [harness.published()]}
    place = harness.placement(host, image, **settings)
    variables.set_variable(
        actor=harness.admin(), placement=place, name="SAMPLE_GREETING", value="ana-and-bruno", is_secret=True
    )
    deployment = harness.ended(harness.deploy(place, image))
    assert deployment.status == "succeeded", deployment.targets.get().outcome
    serving = harness.containers_as_they_are(server[1])

    canary = tmp_path / "canary"
    hostile = [f"$(touch {canary})", f"; touch {canary}", "--rm", "'\"`id`", "two words"]
    script = '/bin/busybox echo greets $SAMPLE_GREETING; for each in "$@"; do /bin/busybox echo "<$each>"; done; exit 7'
    run = _ask(deployment, ["-c", script, "sh", *hostile])
    operation = harness.finished(run.operation)
    said = _lines(run)
    assert (operation.status, operation.result["exit_code"]) == ("failed", 7), operation.result
    assert [f"<{each}>" for each in hostile] == [line for line in said if line.startswith("<")]
    assert any(line.startswith("greets ") and "ana-and-bruno" not in line for line in said), said
    assert not canary.exists()
    assert harness.containers_as_they_are(server[1]) == serving, "nothing of it stays"

    counting = (
        "/bin/busybox echo begun; for n in 1 2 3 4 5 6 7 8; do /bin/busybox sleep 0.5; /bin/busybox echo step $n; done"
    )
    run = _ask(deployment, ["-c", counting])
    assert until(lambda: "step 2" in _lines(run), 30), _lines(run)
    first.kill()
    first.wait()
    Operation.objects.filter(pk=run.pk).update(lease_until="2026-01-01T00:00:00Z")
    estiva.reconciler()
    processes.ready(estiva.worker("look"))
    operation = harness.finished(run.operation)
    assert operation.status == "succeeded", operation.result
    steps = [line for line in _lines(run) if line.startswith(("begun", "step"))]
    assert steps == ["begun", *(f"step {n}" for n in range(1, 9))]

    run = _ask(deployment, ["-c", "/bin/busybox echo waiting; exec /bin/busybox sleep 600"])
    assert until(lambda: "waiting" in _lines(run), 30), _lines(run)
    assert one_offs.cancel_run(actor=harness.admin(), run_id=run.pk)
    assert harness.finished(run.operation).status == "cancelled"
    assert harness.containers_as_they_are(server[1]) == serving


def _ask(deployment: Deployment, command: list[str]) -> OneOffRun:
    release = deployment.release
    host = deployment.targets.get().host
    return one_offs.request_run(actor=harness.admin(), release=release, host=host, command=command, seconds=120)


def _lines(run: OneOffRun) -> list[str]:
    return [line.text for chunk in RunChunk.objects.filter(run=run) for line in decode_lines(chunk.lines)]
