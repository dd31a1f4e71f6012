"""Compose applications from rows to a written end, on in-memory servers."""

import pytest

from deployments.inventory import variables
from deployments.live import decode_lines
from deployments.models import LogChunk, Placement, PlacementHost, Release, Target
from tests.worker.compose_world import FILE, SECRET, Scene, findings
from tests.worker.conftest import Sent
from worker.compose_brief import compose_brief
from worker.connections.fake import Behaviour
from worker.engine.errors import HostLost
from worker.engine.spec import Secret
from worker.keeper import Keeper
from worker.operations.drift import look_for_drift

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def scene(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def log() -> str:
    return "\n".join(line.text for chunk in LogChunk.objects.order_by("pk") for line in decode_lines(chunk.lines))


@pytest.mark.both_databases
def test_a_pasted_file_comes_to_two_servers(scene: Scene, keeper: Keeper) -> None:
    plan = scene.planned(keeper)
    assert findings(plan) == []
    assert plan.source["documents"] == ["compose.yaml"]
    assert plan.source["files"] == [["compose.yaml", FILE]]
    assert sorted(plan.source["images"]) == ["db", "web"]
    assert all("@sha256:" in each for each in plan.source["images"].values())
    assert (plan.source["builds"], plan.source["powers"]) == ([], [])
    assert [(each["first"], each["gap"], len(each["services"])) for each in plan.hosts] == [(True, False, 2)] * 2
    deployment = scene.deployed(keeper)
    assert deployment.status == "succeeded", log()
    for server in scene.by_name.values():
        (web,) = server.of_service("pasted-production", "web")
        assert f"TOKEN={SECRET}" in web.body["Env"]
    seat = PlacementHost.objects.filter(placement=scene.place).order_by("pk")[0]
    assert {each["service"]: each["running"] for each in seat.observed["containers"]} == {"web": True, "db": True}
    assert deployment.targets.order_by("pk")[0].published == [["0.0.0.0", 8080, 5000, "tcp"]]  # noqa: S104
    assert SECRET not in log()


def test_only_what_changed_is_said_and_recreated_and_a_rollback_goes_back(scene: Scene, keeper: Keeper) -> None:
    first = scene.deployed(keeper)
    scene.variable("PLAIN", "much")
    plan = scene.planned(keeper)
    assert [(each["service"], each["kind"]) for each in plan.hosts[0]["services"]] == [
        ("db", "unchanged"),
        ("web", "recreated"),
    ]
    assert plan.hosts[0]["services"][1]["reasons"] == ["variables: PLAIN changed"]
    assert plan.hosts[0]["gap"]
    server = scene.by_name["web-1"]
    (db,) = server.of_service("pasted-production", "db")
    assert scene.deployed(keeper).status == "succeeded"
    assert server.of_service("pasted-production", "db")[0].id == db.id
    back = scene.deployed(keeper, of_release=first.release)
    assert (back.status, back.release) == ("succeeded", first.release)
    assert "PLAIN=none" in server.of_service("pasted-production", "web")[0].body["Env"]


def test_a_broken_release_gives_way_to_what_served(scene: Scene, keeper: Keeper) -> None:
    first = scene.deployed(keeper)
    scene.publish("web", "2", behaviour=Behaviour(exits_after=0.5))
    scene.text(FILE.replace("web:1", "web:2"))
    second = scene.deployed(keeper)
    target = second.targets.order_by("pk")[0]
    assert (target.status, target.serving_release) == ("failed_restored", first.release.number), target.outcome
    seat = PlacementHost.objects.filter(placement=scene.place).order_by("pk")[0]
    assert seat.running_release == first.release
    assert {each["service"] for each in seat.observed["containers"]} == {"web", "db"}


def test_the_brief_has_what_served_and_every_secret(scene: Scene, keeper: Keeper) -> None:
    scene.deployed(keeper)
    scene.variable("TOKEN", "another-one-0816", secret=True)
    target = scene.clicked(keeper).targets.order_by("pk")[0]
    brief = compose_brief(target.pk, 9)
    assert brief.spec.previous is not None
    assert dict(brief.spec.wanted.environment)["TOKEN"] == Secret("another-one-0816")
    assert dict(brief.spec.previous.environment)["TOKEN"] == Secret(SECRET)
    assert {"another-one-0816", SECRET} <= {each.reveal() for each in brief.secrets}
    assert (brief.spec.project, brief.spec.identity.fence, brief.image_from) == ("pasted-production", 9, None)
    assert brief.spec.keep_releases[0] == 2


def test_a_secret_that_was_deleted_is_said_and_the_way_back_is_kept(scene: Scene, keeper: Keeper) -> None:
    scene.deployed(keeper)
    variables.delete_variable(actor=scene.world.actor, placement=scene.place, name="TOKEN")
    plan = scene.planned(keeper)
    warned = findings(plan, "warn")
    assert any("could be brought back only without TOKEN" in each for each in warned), warned
    assert any("not set: TOKEN" in each for each in warned)
    assert scene.deployed(keeper).status == "succeeded"


def test_a_lost_server_is_tried_again(scene: Scene, keeper: Keeper) -> None:
    deployment = scene.clicked(keeper)
    scene.at_connect = [HostLost("The connection to server web-1 was lost.")]
    target = deployment.targets.order_by("pk")[0]
    scene.run(deployment, keeper)
    target.refresh_from_db()
    assert target.status == "stalled"
    Target.objects.filter(pk=target.pk).update(not_before=None)
    scene.run(deployment, keeper)
    target.refresh_from_db()
    assert (target.status, target.attempts) == ("succeeded", 2)


REFUSED = [
    ("services:\n  web:\n   image: x\n  \tdb: y\n", "line 4"),
    (FILE.replace("restart: always\n  db", "env_file: app.env\n  db"), "no file app.env beside it"),
    (FILE.replace("image: registry.test/db:1", "build: ."), "db would have to be built"),
    (FILE + "include: [other.yaml]\n", "`include` is not taken"),
    (FILE.replace("depends_on: [db]", "depends_on: [gone]"), "undefined service"),
    (FILE.replace("registry.test/db:1", "registry.test/none:1"), "registry.test/none:1"),
    (FILE.replace("registry.test/web:1", "registry.test/${TOKEN}:1"), "named by a secret variable"),
]


def test_what_a_plan_refuses(scene: Scene, keeper: Keeper) -> None:
    for text, said in REFUSED:
        scene.place.compose["text"] = text  # as if it had been kept before the form refused it
        scene.place.save()
        plan = scene.planned(keeper)
        assert any(said in each for each in findings(plan)), findings(plan)
        assert not any(each["ready"] for each in plan.hosts), said
        assert SECRET not in repr([plan.hosts, plan.source, plan.operation.steps]), said


def test_a_server_without_compose_is_said(scene: Scene, keeper: Keeper) -> None:
    scene.by_name["web-2"].compose = None
    plan = scene.planned(keeper)
    assert [each["ready"] for each in plan.hosts] == [True, False]
    assert "Compose v2 is missing on web-2" in findings(plan)[0]


def test_servers_whose_registries_disagree_get_the_same(scene: Scene, keeper: Keeper) -> None:
    other = scene.by_name["web-2"].images
    known = dict(other.published)
    other.publish("registry.test/db", "1", content="another")
    other.published |= {name: image for name, image in known.items() if "@" in name}
    plan = scene.planned(keeper)
    assert findings(plan) == []
    assert any("the tags of db stand for other images" in each for each in findings(plan, "warn"))
    digest = scene.by_name["web-1"].images.published["registry.test/db:1"].digest
    assert plan.source["images"]["db"].endswith(digest)


def test_what_gives_power_is_found(scene: Scene, keeper: Keeper) -> None:
    scene.text(FILE.replace("    depends_on: [db]\n", "    depends_on: [db]\n    privileged: true\n"))
    plan = scene.planned(keeper)
    assert plan.source["powers"] == [["web", "privileged", "the container gets every right on the server"]]


def test_drift_is_told_by_service(scene: Scene, keeper: Keeper) -> None:
    scene.deployed(keeper)
    host, server = scene.world.hosts[0], scene.by_name["web-1"]

    def seen() -> str:
        with scene.open_plain(host) as door:
            look_for_drift(host, door)
        return PlacementHost.objects.get(placement=scene.place, host=host).drift

    assert seen() == ""
    (web,) = server.of_service("pasted-production", "web")
    (db,) = server.of_service("pasted-production", "db")
    web.image = server.images.published["registry.test/db:1"]
    with scene.open_plain(host) as door:
        door.stop(db.name, timeout=1)
    assert seen() == "db is exited; web runs another image, of release 1."
    with scene.open_plain(host) as door:
        door.remove(db.name)
        labels = {"com.docker.compose.project": "pasted-production", "com.docker.compose.service": "extra"}
        door.create("theirs", {"Image": web.body["Image"], "Labels": labels})
    assert seen() == "db is missing; web runs another image, of release 1; theirs is there besides."
    assert Release.objects.filter(placement=scene.place).count() == 1


def test_a_volume_of_another_placement_needs_an_admin(scene: Scene, keeper: Keeper) -> None:
    """By the name that the file gives it; what only this application has is its own."""
    Placement.objects.filter(pk=scene.world.placement.pk).update(
        settings={
            **scene.world.placement.settings,
            "volumes": [{"name": "orders", "path": "/data", "read_only": False}],
        }
    )
    names = {"a": "orders", "c": "nobodys"}
    mounts = ", ".join(f'"{each}:/{each}"' for each in names)
    declared = "".join(f"  {each}: {{name: {name}}}\n" for each, name in names.items())
    scene.text(
        FILE.replace("    image: registry.test/db:1\n", f"    image: registry.test/db:1\n    volumes: [{mounts}]\n")
        + f"volumes:\n{declared}"
    )
    plan = scene.planned(keeper)
    assert [(each[0], each[1]) for each in plan.source["powers"]] == [("a", "volumes")]
    assert scene.deployed(keeper).status == "succeeded", "an admin's word is enough"
