"""The engine beside a worker, for real: announced, added, built on, shipped from; never touched by a worker without it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from deployments import claims, engines
from deployments.inventory import beside
from deployments.models import Environment, Host, Release, Target, WorkerProcess
from parts import flask_sample
from parts.dockerd import DockerEngine
from parts.git_repo import Repo
from parts.git_server import GitServer
from parts.processes import Process, wait_until
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.held_build import HeldBuild
from tests.integration.processes import Estiva
from tests.integration.test_git_deploys import PATIENCE, answer, deploy, log_of, outcome, placed

Server = tuple[SshServer, DockerEngine]

pytestmark = [pytest.mark.usefixtures("mirror"), pytest.mark.timeout(240)]


@pytest.fixture
def repo(git_server: GitServer) -> Repo:
    return git_server.create(f"team/web-{len(git_server.repositories)}", flask_sample.files("1"), private=True)


@pytest.fixture
def beside_engine(estiva: Estiva, tidy_engine: DockerEngine) -> Callable[[str], Process]:
    """Starts a worker of a queue that may use the engine of this machine, as an operator lets it."""

    def start(queue: str) -> Process:
        estiva.extra = {"ESTIVA_LOCAL_ENGINE": str(tidy_engine.socket)}
        worker = estiva.worker(queue)
        estiva.extra = {}
        processes.ready(worker)
        return worker

    return start


def added() -> Host:
    """By an admin's click, once the workers have announced it; then it is checked over its socket."""
    wait_until(lambda: bool(engines.offered()), "the engine is announced", timeout=30)
    (found,) = engines.offered()
    assert found.whole, "this process shares the engine's network"
    host, check = beside.add_engine(actor=harness.admin(), engine_id=found.engine_id, name="local")
    assert harness.finished(check).status == "succeeded", check.steps
    host.refresh_from_db()
    assert host.state == "ready", host.state_text
    return host


def test_built_beside_the_worker_and_shipped_to_a_server_without_a_registry(
    estiva: Estiva,
    beside_engine: Callable[[str], Process],
    sshd: SshServer,
    tidy_engine: DockerEngine,
    tidy_engine26: DockerEngine,
    git_server: GitServer,
    repo: Repo,
) -> None:
    """Four workers, of which two have the engine: those alone take what needs it, be it by a real hint or by a wrong one."""
    for queue in ("look", "deploy"):
        processes.ready(estiva.worker(queue))
    able = [beside_engine("look"), beside_engine("deploy")]
    builder = added()
    assert builder.disk_total, "its disk is this machine's"
    place = placed([harness.trusted_host(sshd, tidy_engine26, "web-2")], git_server, repo)
    Environment.objects.update(builder=builder)
    deployment = deploy(place)

    assert harness.ended(deployment, timeout=PATIENCE).status == "succeeded", (outcome(deployment), log_of(deployment))
    release = Release.objects.get(pk=deployment.release_id)
    (container,) = harness.containers_as_they_are(tidy_engine26)
    assert tidy_engine26.api.json("GET", f"/containers/{container[0]}/json")["Image"] == release.image_id
    assert tidy_engine.api.json("GET", f"/images/{release.image_id}/json")["Id"] == release.image_id
    holders = {int(each.holder.rpartition("#")[2]) for each in deployment.targets.all()}
    assert holders == {able[1].pid}
    assert "beside this worker" in log_of(deployment)
    assert "layers come from local" in log_of(deployment, "deploy")
    assert answer(place).startswith("python-web-app 1 ")


def test_what_was_built_also_runs_there(
    beside_engine: Callable[[str], Process], tidy_engine: DockerEngine, git_server: GitServer, repo: Repo
) -> None:
    """The machine that Estiva itself runs on, as a server: health by HTTP, disk, load, and a second version."""
    beside_engine("look")
    beside_engine("deploy")
    host = added()
    place = placed([host], git_server, repo)
    first = deploy(place)
    assert harness.ended(first, timeout=PATIENCE).status == "succeeded", (outcome(first), log_of(first, "deploy"))
    assert answer(place).startswith("python-web-app 1 ")
    repo.commit(flask_sample.files("2"), "Say two")
    second = deploy(place)
    assert harness.ended(second, timeout=PATIENCE).status == "succeeded", (outcome(second), log_of(second, "deploy"))
    assert answer(place).startswith("python-web-app 2 ")
    assert len(harness.serving(tidy_engine)) == 1
    host.refresh_from_db()
    assert host.samples.order_by("-pk")[0].load is not None


def test_a_worker_killed_in_a_build_is_followed_only_by_one_that_has_the_engine(
    estiva: Estiva, beside_engine: Callable[[str], Process], git_server: GitServer, repo: Repo
) -> None:
    beside_engine("look")
    dying = beside_engine("deploy")
    held = HeldBuild()
    repo.commit(held.files("2"), "Take as long as it is let")
    place = placed([added()], git_server, repo)
    deployment = deploy(place)
    held.until_reached()
    dying.kill()
    held.until_left()
    WorkerProcess.objects.filter(role="deploy").delete()
    build = deployment.targets.get(role=Target.Role.BUILD)
    Target.objects.filter(pk=build.pk).update(lease_until=Now() - timedelta(seconds=1))
    claims.release_expired()
    other = estiva.worker("deploy")
    processes.ready(other)
    estiva.reconciler()
    build.refresh_from_db()
    assert build.status == "stalled"
    assert claims.claim_target(build.pk, holder="deploy@other") is None
    assert "none is running" in engines.waiting_reasons([build])[build.pk]

    after = beside_engine("deploy")
    held.let_go()
    assert harness.ended(deployment, timeout=PATIENCE).status == "succeeded", (outcome(deployment), log_of(deployment))
    build.refresh_from_db()
    assert (build.attempts, int(build.holder.rpartition("#")[2])) == (2, after.pid)
    assert answer(place).startswith("python-web-app 2 ")
    assert f"target={build.pk}" not in Path(other.log).read_text()
