"""Compose applications on record: their settings, what a Plan found out, what a click takes over, and who may click."""

from typing import Any

import pytest

from deployments import claims, compose_settings, endings, operations, plan, releases, requests, sources
from deployments.actors import Actor
from deployments.errors import FieldErrors, PlanChanged, Refused
from deployments.inventory import placements
from deployments.models import (
    Application,
    Deployment,
    Environment,
    Grant,
    Host,
    Placement,
    Plan,
    Release,
    Repository,
    Target,
)
from deployments.states import OperationStatus
from tests.deployments.world import World, claimed, look_of, make_world, ready_host
from worker.redact import MARK

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

FILE = "services:\n  web:\n    image: registry.example.com/web:1\n  db:\n    image: registry.example.com/db:9\n"
DIGESTS = {"web": "registry.example.com/web@sha256:" + "12" * 32, "db": "registry.example.com/db@sha256:" + "34" * 32}
DOCKER_SOCKET = ["web", "volumes", "/var/run/docker.sock is the engine itself: whoever has it owns the server"]
FRESH = {"service": "web", "kind": "added", "reasons": [], "before": "", "after": DIGESTS["web"]}


@pytest.fixture
def world() -> World:
    world = make_world()
    to_compose(world, text=FILE)
    return world


def to_compose(world: World, **compose: Any) -> None:
    """Let the Placement be a Compose application."""
    world.placement = placements.save_placement(
        actor=world.actor,
        placement=world.placement,
        application=world.application,
        environment=world.production,
        image="",
        settings={"ports": [{"container_port": "5000"}]},
        host_ids=[host.pk for host in world.hosts],
        source="compose",
        compose=compose,
    )


def found(text: str = FILE, **more: Any) -> dict[str, Any]:
    return {
        "documents": ["compose.yaml"],
        "files": [["compose.yaml", text]],
        "images": dict(DIGESTS),
        "builds": [],
        "powers": [],
        **more,
    }


def planned(world: World, source: dict[str, Any] | None = None, **asked: Any) -> Plan:
    """A Plan whose Operation has resolved the file."""
    shown = requests.request_plan(actor=world.actor, placement=world.placement, **asked)
    claim = claims.claim_operation(shown.operation_id, holder="look@one")
    assert claim is not None
    hosts = Host.objects.filter(pk__in=shown.operation.request["hosts"]).order_by("name")
    rows = [look_of(host, strategy="", reasons=[], services=[FRESH], first=True) for host in hosts]
    result = {"digest": "", "tag": "", "hosts": rows, "source": source or found()}
    assert operations.end_operation(claim, OperationStatus.SUCCEEDED, result)
    shown.refresh_from_db()
    return shown


def deployed(world: World, source: dict[str, Any] | None = None, actor: Actor | None = None) -> Deployment:
    shown = planned(world, source)
    return requests.request_deployment(actor=actor or world.actor, plan=shown, fingerprint=shown.fingerprint)


def succeed(deployment: Deployment) -> Release:
    for target in deployment.targets.order_by("pk"):
        assert endings.end_target(claimed(target), {"verdict": "succeeded", "what": "said"})
    return deployment.release


def test_settings_are_stable() -> None:
    given = {"files": "deploy/compose.yaml\r\ncompose.production.yaml", "profiles": "jobs\nmail", "wait_seconds": "30"}
    settings = compose_settings.normalise(given)

    assert settings["files"] == ["deploy/compose.yaml", "compose.production.yaml"]
    assert (settings["profiles"], settings["wait_seconds"]) == (["jobs", "mail"], 30)
    assert compose_settings.normalise(settings) == settings


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"text": "web:\n  image: nginx\n"}, "text"),
        ({"text": "services:\n  web: [\n"}, "text"),
        ({"text": "services: {}\n"}, "text"),
        ({"text": "services:\n  web:\n    image: a\n    image: b\n"}, "text"),
        ({"files": "../compose.yaml"}, "files.0"),
        ({"profiles": "$(x)"}, "profiles.0"),
        ({"wait_seconds": "0"}, "wait_seconds"),
        ({"ref": "--upload-pack=x"}, "ref"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(given: dict[str, Any], path: str) -> None:
    with pytest.raises(FieldErrors) as refused:
        compose_settings.normalise(given)
    assert list(refused.value.errors) == [path]


def test_only_what_belongs_to_the_source_is_kept(world: World) -> None:
    assert (world.placement.image, world.placement.build) == ("", {})
    assert world.placement.settings["ports"] == [], "the file says what its containers publish"
    assert releases.content_now(world.placement).source == {
        "kind": "compose",
        "url": "",
        "compose": world.placement.compose,
    }


def test_a_pasted_file_does_not_ask_for_the_repository(world: World) -> None:
    Repository.objects.create(application=world.application, url="https://git.example.com/team/shop.git")
    assert releases.content_now(world.placement).source["url"] == ""
    to_compose(world)
    assert releases.content_now(world.placement).source["url"] == "https://git.example.com/team/shop.git"


def test_without_a_file_and_a_repository_there_is_nothing_to_plan(world: World) -> None:
    to_compose(world)
    with pytest.raises(Refused, match="no Compose file"):
        requests.request_plan(actor=world.actor, placement=world.placement)


def test_a_click_takes_over_what_was_found(world: World) -> None:
    deployment = deployed(world)

    assert deployment.release.source["images"] == DIGESTS
    assert [target.role for target in deployment.targets.all()] == ["deploy"]
    assert deployment.plan is not None
    assert deployment.plan.hosts[0]["services"] == [FRESH]
    succeed(deployment)
    again = deployed(world)
    assert again.release == deployment.release
    assert again.kind == Deployment.Kind.REDEPLOY


def test_differences_name_files_and_images_and_no_value(world: World) -> None:
    succeed(deployed(world))
    newer = {**DIGESTS, "web": "registry.example.com/web@sha256:" + "56" * 32}
    shown = planned(world, found(FILE + "# more\n", images=newer))

    assert [(each["kind"], each["name"]) for each in shown.changes] == [("file", "compose.yaml"), ("image", "web")]
    assert shown.changes[0]["after"] == "6 lines"
    assert shown.changes[1]["after"] == newer["web"]


def test_what_is_recreated_announces_a_gap(world: World) -> None:
    looks = [look_of(world.hosts[0], strategy="", services=[{**FRESH, "kind": "recreated"}])]
    content = releases.content_now(world.placement)
    row = plan.assemble(placement_id=1, intended=content, running=None, digest="", tag="", looks=looks).hosts[0]
    assert row["gap"]
    assert not row["ready"], "nothing was resolved"


def test_another_file_makes_the_plan_stale(world: World) -> None:
    shown = planned(world)
    to_compose(world, text=FILE.replace("web:1", "web:2"))
    with pytest.raises(PlanChanged):
        requests.request_deployment(actor=world.actor, plan=shown, fingerprint=shown.fingerprint)


def test_power_over_the_server_needs_an_admin_once(world: World) -> None:
    Grant.objects.create(user=world.bruno, application=world.application, environment=world.production)
    bruno, hook = Actor.of(world.bruno), Actor(None, "pushes (webhook)")
    powerful = found(powers=[DOCKER_SOCKET])
    for actor in (bruno, hook):
        with pytest.raises(Refused, match=r"Only an admin.*docker\.sock"):
            deployed(world, powerful, actor)
    assert not Deployment.objects.exists()
    succeed(deployed(world, powerful))
    assert deployed(world, powerful, bruno).release.source["powers"] == [DOCKER_SOCKET]
    with pytest.raises(Refused, match="privileged"):
        deployed(world, found(powers=[DOCKER_SOCKET, ["db", "privileged", "every right"]]), bruno)


def test_its_volumes_are_not_for_another_application(world: World) -> None:
    other = Application.objects.create(name="other")
    Grant.objects.create(user=world.bruno, application=other, environment=world.production)
    name = f"{releases.project_name(world.placement)}_data"
    with pytest.raises(FieldErrors) as refused:
        placements.save_placement(
            actor=Actor.of(world.bruno),
            placement=None,
            application=other,
            environment=world.production,
            image="nginx:1",
            settings={"volumes": [{"name": "mine", "path": "/y"}, {"name": name, "path": "/x"}]},
            host_ids=[world.hosts[0].pk],
        )
    assert list(refused.value.errors) == ["settings.volumes.1.name"]


def test_a_power_whose_words_are_masked_is_new_each_time(world: World) -> None:
    """The same words could stand for another folder: the secret behind them is a deployer's to change."""
    assert MARK == "[redacted]"
    Grant.objects.create(user=world.bruno, application=world.application, environment=world.production)
    masked = found(powers=[["web", "volumes", f"{MARK} is a folder or file of the server"]])
    succeed(deployed(world, masked))
    with pytest.raises(Refused, match="Only an admin"):
        deployed(world, masked, Actor.of(world.bruno))
    assert deployed(world, masked).release.source["powers"] == masked["powers"]


def test_power_over_one_server_is_none_over_another(world: World) -> None:
    Grant.objects.create(user=world.bruno, application=world.application, environment=world.production)
    powerful = found(powers=[DOCKER_SOCKET])
    succeed(deployed(world, powerful))
    world.hosts.append(ready_host(world.actor, "web-2"))
    to_compose(world, text=FILE)
    with pytest.raises(Refused, match="Only an admin"):
        deployed(world, powerful, Actor.of(world.bruno))


def test_what_builds_builds_first_and_once(world: World) -> None:
    source = found(builds=["web"], images={"db": DIGESTS["db"]})
    deployment = deployed(world, source)
    build = deployment.targets.get(role=Target.Role.BUILD)
    assert claims.waiting_targets() == [build.pk]
    built = {"services": {"web": {"image_id": "sha256:" + "78" * 32}}, "host": world.hosts[0].pk, "host_name": "web-1"}
    assert endings.end_target(claimed(build), {"verdict": "succeeded", "what": "said"}, built=built)
    release = Release.objects.get(pk=deployment.release_id)
    assert release.built == built
    assert not sources.needs_build(release)
    assert endings.end_target(claimed(deployment.targets.get(role="deploy")), {"verdict": "succeeded", "what": "said"})
    assert not deployed(world, source).targets.filter(role=Target.Role.BUILD).exists()


def test_compose_and_a_single_container_take_not_each_others_place(world: World) -> None:
    succeed(deployed(world))
    with pytest.raises(FieldErrors) as refused:
        placements.save_placement(
            actor=world.actor,
            placement=world.placement,
            application=world.application,
            environment=world.production,
            image="nginx:1",
            settings={},
            host_ids=[world.hosts[0].pk],
        )
    assert list(refused.value.errors) == ["source"]
    Placement.objects.update(source="image", image="nginx:1", compose={})
    world.placement.refresh_from_db()
    with pytest.raises(Refused, match="beside the other"):
        requests.request_plan(actor=world.actor, placement=world.placement)


def test_a_project_has_a_name_that_compose_takes() -> None:
    placement = Placement(application=_named("a" * 40), environment=_named("b" * 32))
    other = Placement(application=_named("a" * 40), environment=_named("b" * 31 + "c"))
    names = {releases.project_name(each) for each in (placement, other)}
    assert len(names) == 2
    assert all(len(each) == 63 for each in names)


def _named(name: str) -> Any:
    return (Application if name.startswith("a") else Environment)(name=name)
