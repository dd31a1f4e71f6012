"""A Compose application from its repository, or from a pasted file, to running services, with real processes and Compose."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from deployments import claims, requests
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.inventory import variables
from deployments.models import Grant, Host, Placement, PlacementHost, Release, Target, User
from parts.dockerd import DockerEngine
from parts.engine26 import Engine26
from parts.git_server import GitServer
from parts.sshd import SshServer
from tests.integration import compose_scene as scene
from tests.integration import harness, processes
from tests.integration.compose_stage import lock_file
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

pytestmark = pytest.mark.timeout(240)
ALL = {"web", "db", "cache"}
SAID = "$$(touch estiva-canary) 'a'; touch estiva-canary"  # a build argument, as the Compose file has it


@pytest.fixture
def app(sample_images: SampleImages) -> scene.Application:
    return scene.Application(sample_images)


@pytest.fixture
def host(estiva: Estiva, compose_sshd: SshServer, tidy_engine26: Engine26) -> Host:
    """A server with Compose; a looker and a worker run."""
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    lock_file().unlink(missing_ok=True)
    return harness.trusted_host(compose_sshd, tidy_engine26)


def test_push_by_push_and_back(
    estiva: Estiva, host: Host, app: scene.Application, tidy_engine26: Engine26, git_server: GitServer
) -> None:
    """Only what changed is recreated; a broken commit leaves the old one serving; a rollback brings everything back."""
    nasty = "$(touch estiva-canary);`touch estiva-canary`'.env"
    files = app.files("1", greeting="hello") | {f"deploy/{nasty}": "FROM_NASTY=1\n"}
    one_file, also = "env_file: web.env", f'env_file: [web.env, "{nasty.replace("$", "$$")}"]'
    files["deploy/compose.yaml"] = (
        files["deploy/compose.yaml"].replace(one_file, also).replace("SAID: one", f'SAID: "{SAID}"')
    )
    repo = git_server.create("team/compose-shop", files, private=True)
    place = scene.placed([host], git_server, repo, files=["deploy/compose.yaml"])
    variables.set_variable(actor=harness.admin(), placement=place, name="PLAIN", value="as it was", is_secret=False)
    plan = scene.planned(place)
    assert not scene.bad(plan), scene.bad(plan)
    (row,) = plan.hosts
    assert plan.source["builds"] == ["web"]
    assert [name for name, _ in plan.source["files"]] == ["compose.yaml", "web.env", nasty]
    assert set(plan.source["images"]) == {"db", "cache"}
    assert {(each["service"], each["kind"]) for each in row["services"]} == {(name, "added") for name in ALL}
    first = harness.ended(scene.clicked(plan), timeout=scene.PATIENCE)
    assert first.status == "succeeded", scene.told(first)
    one = scene.containers(tidy_engine26)
    assert set(one) == ALL
    said = SAID.replace("$$", "$")
    known = {"SAMPLE_GREETING=hello", "FROM_NASTY=1", f"SAID={said}", f"TOKEN={scene.SECRET}", "PLAIN=as it was"}
    assert known <= set(one["web"]["Config"]["Env"])
    seat = PlacementHost.objects.get()
    assert {each["service"] for each in seat.observed["containers"]} == ALL
    assert [each[:3] for each in first.targets.get(role="deploy").published] == [["127.0.0.1", app.port, 5000]]
    release = Release.objects.get(pk=first.release_id)
    assert release.built["services"]["web"]["image_id"] == one["web"]["Image"]

    variables.set_variable(actor=harness.admin(), placement=place, name="PLAIN", value="new", is_secret=False)
    repo.commit({**app.files("2", greeting="ahoy"), "deploy/compose.yaml": files["deploy/compose.yaml"]}, "Say two")
    plan = scene.planned(place)
    kinds = {each["service"]: (each["kind"], each["reasons"]) for each in plan.hosts[0]["services"]}
    assert kinds["db"][0] == kinds["cache"][0] == "unchanged"
    assert kinds["web"][0] == "recreated"
    assert kinds["web"][1] == ["its image is built anew", "variables: PLAIN, SAMPLE_GREETING changed"]
    second = harness.ended(scene.clicked(plan), timeout=scene.PATIENCE)
    assert second.status == "succeeded", scene.told(second)
    two = scene.containers(tidy_engine26)
    assert [two[name]["Id"] == one[name]["Id"] for name in ("web", "db", "cache")] == [False, True, True]
    assert "ahoy" in app.page()
    harness.checked(host)
    assert PlacementHost.objects.get().drift == ""

    repo.commit(app.files("3", behaviour="never_healthy"), "Break it")
    broken = scene.deployed(place, "failed")
    target = broken.targets.get(role=Target.Role.DEPLOY)
    assert (target.status, target.serving_release) == ("failed_restored", second.release.number), target.outcome
    assert "web" in target.outcome["what"]
    assert scene.containers(tidy_engine26)["web"]["Image"] == two["web"]["Image"]

    back = scene.deployed(place, of_release=release)
    assert (back.kind, back.release, back.targets.count()) == ("rollback", release, 1)
    three = scene.containers(tidy_engine26)
    assert three["web"]["Image"] == one["web"]["Image"]
    assert known <= set(three["web"]["Config"]["Env"]), "its variables are those of then"
    assert not [each for each in (Path.home(), Path.cwd(), Path("/")) if (each / "estiva-canary").exists()]
    assert three["db"]["Id"] == one["db"]["Id"]
    tidy_engine26.api.request("POST", f"/containers/{three['cache']['Id']}/stop?t=1")
    harness.checked(host)
    assert "cache" in PlacementHost.objects.get().drift
    everything = "".join(scene.log_of(each) for each in (first, second, broken, back)) + estiva.logs()
    assert git_server.password not in everything
    assert scene.SECRET not in everything


def test_a_pasted_file_and_what_needs_an_admin(
    host: Host, app: scene.Application, tidy_engine26: Engine26, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    nasty = f"$(touch {canary}) `touch {canary}`; touch {canary} \"'"
    place = scene.placed([host], text=app.pasted())
    variables.set_variable(actor=harness.admin(), placement=place, name="GREETING", value=nasty, is_secret=False)
    greeted = "      TOKEN: ${TOKEN}\n      SAMPLE_GREETING: ${GREETING}\n      'A;touch x$$(id)': y\n"
    scene.changed(place, text=app.pasted().replace("      TOKEN: ${TOKEN}\n", greeted))
    first = scene.deployed(place)
    assert (first.release.source["documents"], first.targets.count()) == (["compose.yaml"], 1)
    assert all("@sha256:" in each for each in first.release.source["images"].values())
    web = scene.containers(tidy_engine26)["web"]
    assert f"SAMPLE_GREETING={nasty}" in web["Config"]["Env"]
    assert not canary.exists()

    scene.changed(place, text=app.pasted().replace("data:/data", "/var/tmp:/data"))
    plan = scene.planned(place)
    assert [each[:2] for each in plan.source["powers"]] == [["db", "volumes"]]
    dora = User.objects.create_user("dora@example.com", None, name="Dora", role="deployer")
    Grant.objects.create(user=dora, application=place.application, environment=place.environment)
    with pytest.raises(Refused, match="/var/tmp"):
        requests.request_deployment(actor=Actor.of(dora), plan=plan, fingerprint=plan.fingerprint)
    allowed = harness.ended(scene.clicked(plan), timeout=scene.PATIENCE)
    assert allowed.status == "succeeded", scene.told(allowed)
    plan = scene.planned(place)
    again = requests.request_deployment(actor=Actor.of(dora), plan=plan, fingerprint=plan.fingerprint)
    assert harness.ended(again, timeout=scene.PATIENCE).status == "succeeded"

    scene.changed(place, text=app.pasted("2", addition="configs: {c: {file: ./c.txt}}\n"))
    assert "no file c.txt beside it" in " ".join(scene.bad(scene.planned(place)))


def test_a_worker_killed_while_compose_waits(
    estiva: Estiva, host: Host, app: scene.Application, tidy_engine26: Engine26
) -> None:
    place = scene.placed([host], text=app.pasted())
    scene.deployed(place)
    before = scene.containers(tidy_engine26)
    # until it has started a check that fails counts for nothing, however early the second worker comes to wait for it
    patient = "healthcheck: {start_period: 30s}"
    text = app.pasted("2", web_too=patient, behaviour="slow_start", variables={"SAMPLE_SECONDS": "3"})
    scene.changed(place, text=text)
    deployment = scene.clicked(scene.planned(place))
    scene.until_says(deployment, "web-1  Waiting")
    next(each for each in estiva.processes if "deploy" in each.argv).kill()
    Target.objects.filter(deployment=deployment).update(lease_until=Now() - timedelta(seconds=1))
    claims.release_expired()
    processes.ready(estiva.worker("deploy"))
    assert harness.ended(deployment, timeout=scene.PATIENCE).status == "succeeded", scene.told(deployment)
    target = deployment.targets.get()
    assert (target.attempts, target.fence) == (2, 3)
    after = scene.containers(tidy_engine26)
    assert after["db"]["Id"] == before["db"]["Id"]
    assert after["web"]["Image"] != before["web"]["Image"]
    assert scene.running(place) == 2


def test_a_second_server_gets_what_was_built_without_a_registry(
    host: Host,
    app: scene.Application,
    compose_sshd: SshServer,
    tidy_engine26: Engine26,
    tidy_engine: DockerEngine,
    git_server: GitServer,
) -> None:
    """Built on a current engine, brought to an old one; two services of one `build:` share the image."""
    files = app.files("1")
    build = "    build: {context: ../web, args: {SAID: one}}\n    restart: unless-stopped\n"
    shared = f"\n  more:\n{build}  other:\n{build.replace('one', 'two')}  db:"
    files["deploy/compose.yaml"] = (
        files["deploy/compose.yaml"]
        .replace("\n  db:", shared)
        .replace(f'["127.0.0.1:{app.port}:5000"]', '["127.0.0.1::5000"]')
    )
    repo = git_server.create("team/compose-two", files, private=True)
    machines = [host, harness.trusted_host(compose_sshd, tidy_engine, "web-2")]
    place = scene.placed(machines, git_server, repo, files=["deploy/compose.yaml"])
    deployment = scene.deployed(place)
    built = Release.objects.get(pk=deployment.release_id).built
    assert built["host_name"] == "web-1"
    assert built["services"]["more"] == built["services"]["web"] != built["services"]["other"]
    for engine in (tidy_engine26, tidy_engine):
        found = scene.containers(engine)
        assert found["web"]["Image"] == found["more"]["Image"] == built["services"]["web"]["image_id"]
        assert found["other"]["Image"] == built["services"]["other"]["image_id"]
    log = scene.log_of(deployment)
    assert "The image of more, web (1 of 2), from web, Dockerfile." in log
    assert "The image of other (2 of 2), from web, Dockerfile." in log
    assert Placement.objects.get().seats.filter(running_release=deployment.release).count() == 2
