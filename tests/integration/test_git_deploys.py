"""From a Git repository to a running container, with real processes: clone, build, ship, deploy, break, go back, cancel."""

import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from deployments import build_settings, claims, container_settings, requests
from deployments.inventory import applications, placements, repositories
from deployments.models import Deployment, Environment, Host, Placement, PlacementHost, Plan, Release, Target
from parts import flask_sample
from parts.dockerd import DockerEngine
from parts.git_repo import Repo
from parts.git_server import GitServer
from parts.processes import wait_until
from parts.registry import Registry
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.held_build import HeldBuild
from tests.integration.processes import Estiva

Server = tuple[SshServer, DockerEngine]
PATIENCE = 90.0

pytestmark = [pytest.mark.usefixtures("mirror"), pytest.mark.timeout(240)]


@pytest.fixture
def repo(git_server: GitServer) -> Repo:
    return git_server.create(f"team/web-{len(git_server.repositories)}", flask_sample.files("1"), private=True)


@pytest.fixture
def place(estiva: Estiva, server: Server, git_server: GitServer, repo: Repo) -> Placement:
    """The story's application in production, from its private repository, on one server; a looker and a worker run."""
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    return placed([harness.trusted_host(*server)], git_server, repo)


def placed(machines: list[Host], git_server: GitServer, repo: Repo, **settings: Any) -> Placement:
    application = applications.create_application(actor=harness.admin(), name="shop")
    environment = applications.create_environment(actor=harness.admin(), name="production")
    repository, operation = repositories.save_repository(
        actor=harness.admin(),
        application=application,
        url=repo.http_url,
        credential="token",
        username=git_server.user,
        token=git_server.password,
    )
    harness.finished(operation)
    repository.refresh_from_db()
    assert repository.state == "ready", repository.state_text
    assert [each["name"] for each in repository.refs["branches"]] == ["main"]
    raw = {**container_settings.defaults(), "ports": [harness.published()], **settings}
    raw["health"] = {**raw["health"], **harness.QUICK_HEALTH}
    return placements.save_placement(
        actor=harness.admin(),
        placement=None,
        application=application,
        environment=environment,
        image="",
        settings=raw,
        host_ids=[each.pk for each in machines],
        source="git",
        build=build_settings.defaults(),
    )


def planned(place: Placement, **asked: Any) -> Plan:
    plan = requests.request_plan(actor=harness.admin(), placement=place, **asked)
    operation = harness.finished(plan.operation)
    plan.refresh_from_db()
    assert plan.is_ready, operation.result
    return plan


def deploy(place: Placement, **asked: Any) -> Deployment:
    place.refresh_from_db()
    plan = planned(place, **asked)
    return requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)


def answer(place: Placement) -> str:
    port = place.settings["ports"][0]["host_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
        return str(response.read().decode()).strip()


def log_of(deployment: Deployment, role: str = "build") -> str:
    return "\n".join(line for each in deployment.targets.filter(role=role) for line in harness.lines_of(each))


def outcome(deployment: Deployment) -> list[Any]:
    return [(each.role, each.status, each.outcome) for each in deployment.targets.all()]


def test_push_by_push(estiva: Estiva, place: Placement, repo: Repo, git_server: GitServer) -> None:
    """First commit, second commit, a broken one, and back: the same container engine as for any image."""
    first = deploy(place)
    assert harness.ended(first, timeout=PATIENCE).status == "succeeded", (outcome(first), log_of(first))
    assert answer(place) == f"python-web-app 1 {first.release.source['commit']}"
    built = Release.objects.get(pk=first.release_id)
    assert built.image_id.startswith("sha256:")
    assert built.built["base_images"][0][0] == "python:3.7"

    second_commit = repo.commit(flask_sample.files("2"), "Say two")
    plan = planned(place)
    assert (plan.source["commit"], [each["subject"] for each in plan.commits]) == (second_commit, ["Say two"])
    second = requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)
    assert harness.ended(second, timeout=PATIENCE).status == "succeeded", (outcome(second), log_of(second))
    assert answer(place) == f"python-web-app 2 {second_commit}"
    assert "CACHED" in log_of(second).upper()

    repo.commit(flask_sample.files("3", fault="build"), "Break the build")
    broken = deploy(place)
    assert harness.ended(broken, timeout=PATIENCE).status == "failed"
    assert {each.status for each in broken.targets.all()} == {"failed_untouched", "skipped"}
    build = broken.targets.get(role=Target.Role.BUILD)
    assert build.outcome["failed_step"] == "build", build.outcome
    assert answer(place) == f"python-web-app 2 {second_commit}"

    back = deploy(place, of_release=built)
    assert harness.ended(back, timeout=PATIENCE).status == "succeeded", outcome(back)
    assert (back.kind, back.targets.count()) == ("rollback", 1)
    assert answer(place).startswith("python-web-app 1 ")
    everything = "".join(log_of(each) for each in (first, second, broken)) + estiva.logs()
    assert git_server.password not in everything


def test_a_second_server_gets_the_same_image_without_a_registry(
    estiva: Estiva, server: Server, tidy_engine26: DockerEngine, git_server: GitServer, repo: Repo
) -> None:
    """From an old engine to a current one, through the worker; the registry's mirror knows nothing of it."""
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    sshd, engine = server
    machines = [harness.trusted_host(sshd, engine), harness.trusted_host(sshd, tidy_engine26, "web-2")]
    place = placed(machines, git_server, repo, ports=[{**harness.published(), "host_port": None}])
    deployment = deploy(place)

    assert harness.ended(deployment, timeout=PATIENCE).status == "succeeded", (outcome(deployment), log_of(deployment))
    release = Release.objects.get(pk=deployment.release_id)
    for each in (engine, tidy_engine26):
        (container,) = harness.containers_as_they_are(each)
        assert each.api.json("GET", f"/containers/{container[0]}/json")["Image"] == release.image_id
    assert {seat.running_release for seat in place.seats.all()} == {release}


def test_a_builder_that_is_away_in_the_middle_of_shipping_is_waited_for(
    estiva: Estiva,
    server: Server,
    make_sshd: Callable[[], SshServer],
    tidy_engine26: DockerEngine,
    git_server: GitServer,
    repo: Repo,
) -> None:
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    estiva.reconciler()  # who comes again after a while is sent by it
    builders_sshd, builders_engine = make_sshd(), server[1]
    builder = harness.trusted_host(builders_sshd, builders_engine, "builder-1")
    files = flask_sample.files("1")
    files["Dockerfile"] += "RUN head -c 120000000 /dev/urandom > /large\n"  # long enough on its way
    repo.commit(files, "Much to ship")
    place = placed([harness.trusted_host(server[0], tidy_engine26, "web-2")], git_server, repo)
    Environment.objects.update(builder=builder)
    deployment = deploy(place)
    wait_until(lambda: "layers come from builder-1" in log_of(deployment, "deploy"), "it ships", timeout=PATIENCE)

    builders_sshd.stop()
    target = deployment.targets.get(role=Target.Role.DEPLOY)
    wait_until(lambda: Target.objects.get(pk=target.pk).connections_lost > 0, "the builder is missed", timeout=PATIENCE)
    builders_sshd.start()

    assert harness.ended(deployment, timeout=PATIENCE).status == "succeeded", (outcome(deployment), log_of(deployment))
    said = log_of(deployment, "deploy")
    assert "The image comes from builder-1, and that failed" in said
    assert "Trying again in 2 s." in said
    assert answer(place).startswith("python-web-app 1 ")


def test_with_a_registry_every_server_pulls_by_digest(
    place: Placement, repo: Repo, registry: Registry, server: Server
) -> None:
    repository = f"{registry.address}/team/{repo.name.rpartition('/')[2]}"
    Placement.objects.filter(pk=place.pk).update(build={**place.build, "push_to": repository})
    deployment = deploy(place)

    assert harness.ended(deployment, timeout=PATIENCE).status == "succeeded", (outcome(deployment), log_of(deployment))
    release = Release.objects.get(pk=deployment.release_id)
    assert release.digest.startswith("sha256:")
    assert release.built["repository"] == repository
    (seat,) = place.seats.all()
    assert seat.observed["digest"] == release.digest


def test_a_cancelled_build_ends_and_the_old_version_serves(place: Placement, repo: Repo) -> None:
    first = deploy(place)
    assert harness.ended(first, timeout=PATIENCE).status == "succeeded", (outcome(first), log_of(first))
    held = HeldBuild()
    repo.commit(held.files("2"), "Take as long as it is let")
    second = deploy(place)
    held.until_reached()

    requests.cancel_deployment(actor=harness.admin(), deployment=second)

    assert harness.ended(second).status == "cancelled"
    assert {each.status for each in second.targets.all()} == {"cancelled"}
    assert answer(place).startswith("python-web-app 1 ")
    assert not held.processes, "the build's own processes go on"


def test_a_worker_killed_in_a_build_is_followed_by_another(estiva: Estiva, place: Placement, repo: Repo) -> None:
    held = HeldBuild()
    repo.commit(held.files("2"), "Take as long as it is let")
    deployment = deploy(place)
    held.until_reached()
    worker = next(each for each in estiva.processes if "deploy" in each.argv)
    worker.kill()
    held.until_left()
    build = deployment.targets.get(role=Target.Role.BUILD)
    Target.objects.filter(pk=build.pk).update(lease_until=Now() - timedelta(seconds=1))
    claims.release_expired()
    processes.ready(estiva.worker("deploy"))
    held.let_go()

    assert harness.ended(deployment, timeout=PATIENCE).status == "succeeded", (outcome(deployment), log_of(deployment))
    build.refresh_from_db()
    assert (build.attempts, build.fence) == (2, 2)
    assert answer(place).startswith("python-web-app 2 ")
    assert PlacementHost.objects.get(placement=place).running_release == deployment.release
