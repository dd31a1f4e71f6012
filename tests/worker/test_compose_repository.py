"""A Compose application from a repository: which files are read, what is built, and what becomes of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from deployments.live import decode_lines
from deployments.models import Environment, Host, LogChunk, Release, Repository, Target
from tests.deployments.world import ready_host
from tests.worker.compose_world import SECRET, Scene, findings
from tests.worker.conftest import Sent
from worker import compose_builds, runs
from worker.brief import HostConnection
from worker.connections.fake_building import FakeBuildHost, FakeBuilds
from worker.connections.fake_compose import FakeComposeHost
from worker.connections.signals import Signals
from worker.keeper import Keeper
from worker.operations import source
from worker.sources.shapes import Commit, ContextOptions, Entry

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
URL = "https://git.example.com/team/shop.git"
FILE = """
services:
  web:
    build: {context: ../web, args: {MODE: "${MODE}"}, secrets: [{source: token, target: npm}]}
    env_file: [web.env, {path: local.env, required: false}]
    restart: always
  also:
    build: {context: ../web, args: {MODE: "${MODE}"}, secrets: [{source: token, target: npm}]}
    restart: always
  db:
    image: registry.test/db:1
    configs: [{source: conf, target: /conf}]
    restart: always
configs:
  conf: {file: "../conf/${WHICH}.txt"}
secrets:
  token: {environment: TOKEN}
"""
FILES = {
    "deploy/compose.yaml": FILE,
    "deploy/.env": "WHICH=one\nMODE=fast\n",
    "deploy/web.env": "A=1\n",
    "conf/one.txt": "first",
    "web/Dockerfile": "FROM scratch\n",
}


class Tree:
    """A repository at a commit, as far as plans and builds look at it."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files, self.links = dict(files), set[str]()

    def __call__(self, *_: Any, **__: Any) -> Tree:
        """Instead of `Mirror(…)`."""
        return self

    def resolve(self, _ref: str) -> str:
        return "c0ffee" * 6 + "abcd"

    def have(self, _commit: str) -> None:
        """It is here."""

    def commits(self, commit: str, **_: Any) -> list[Commit]:
        return [Commit(commit, "Begin", "Ada", "2024-01-01T00:00:00Z")]

    def entry(self, _commit: str, path: str) -> Entry | None:
        if path in self.links:
            return Entry(path, "link", "")
        if any(each.startswith(f"{path}/") for each in self.files):
            return Entry(path, "folder", "")
        return Entry(path, "file", "", len(self.files[path])) if path in self.files else None

    def listing(self, _commit: str, under: str = "") -> list[Entry]:
        return [Entry(each, "file", "") for each in self.files if "/" not in each]

    def read(self, _commit: str, path: str, _limit: int) -> bytes | None:
        return self.files[path].encode("latin-1") if path in self.files else None

    def context(self, _commit: str, options: ContextOptions) -> Any:
        pieces = iter([f"{options.subdirectory}:{self.files}".encode()])

        class Context:
            size, files, left_out = 10, 1, 0

            def __iter__(self) -> Iterator[bytes]:
                return pieces

            def __next__(self) -> bytes:
                return next(pieces)

            def close(self) -> None:
                """Nothing is open."""

        return Context()


class Shop(Scene):
    """The scene's application, from a repository."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.tree, self.builds = Tree(FILES), FakeBuilds()
        self.at_build: list[Callable[[FakeBuildHost], object]] = []  # what befalls a build's connection
        Repository.objects.create(application=self.place.application, url=URL)
        self.text("", files=["deploy/compose.yaml"])
        monkeypatch.setattr(source, "Mirror", self.tree)
        monkeypatch.setattr(compose_builds, "Mirror", self.tree)

    @contextmanager
    def build_on(self, connection: HostConnection, signals: Signals) -> Iterator[FakeBuildHost]:
        """What `servers.open_builder` does."""
        plain = FakeComposeHost(self.by_name[connection.address.host_name], signals)
        host = FakeBuildHost.on(plain, self.builds)
        if self.at_build:
            self.at_build.pop(0)(host)
        yield host

    def build(self, keeper: Keeper) -> Target:
        """Click, and run the build's Target."""
        target = self.clicked(keeper).targets.get(role=Target.Role.BUILD)
        runs.run(target.pk, keeper, build_opener=self.build_on, compose_opener=self.open)
        return Target.objects.get(pk=target.pk)


@pytest.fixture
def shop(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(monkeypatch)


def log() -> str:
    return "\n".join(line.text for chunk in LogChunk.objects.order_by("pk") for line in decode_lines(chunk.lines))


def test_the_files_it_refers_to_are_read(shop: Shop, keeper: Keeper) -> None:
    plan = shop.planned(keeper)
    assert findings(plan) == []
    assert plan.source["documents"] == ["compose.yaml"]
    assert [name for name, _ in plan.source["files"]] == ["compose.yaml", ".env", "web.env", "../conf/one.txt"]
    assert (plan.source["builds"], list(plan.source["images"])) == (["also", "web"], ["db"])
    assert "also and web are built on web-1 first." in findings(plan, "good")
    assert plan.source["commit"].startswith("c0ffee")


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"deploy/web.env": None}, "env_file of web: there is no file deploy/web.env"),
    ({"deploy/compose.yaml": FILE.replace("web.env,", "../../up.env,")}, "leads out of the repository"),
    ({"deploy/compose.yaml": FILE.replace("web.env,", '"${TOKEN}.env",')}, "is named by a secret variable"),
    ({"conf/one.txt": "\xff\xfe"}, "is not UTF-8 text"),
    ({"conf/one.txt": "x" * 1_000_001}, "larger than 1000 kB together"),
    ({"deploy/.env": "WHICH='one\n"}, ".env, line 1"),
    ({"deploy/compose.yaml": "services:\n  web: [\n"}, "line 3"),
    ({"deploy/compose.yaml": None}, "there is no file deploy/compose.yaml"),
    ({"deploy/compose.yaml": FILE.replace("context: ../web", "context: ../../web")}, "is not in the repository"),
    ({"deploy/compose.yaml": FILE.replace("context: ../web,", "context: ../web, ssh: [default],")}, "`ssh` below"),
    ({"deploy/compose.yaml": FILE.replace("npm}]}", "npm}], cache_from: [x]}")}, "`cache_from` below"),
]


def test_what_is_refused(shop: Shop, keeper: Keeper) -> None:
    for changes, said in REFUSED:
        shop.tree.files = {name: text for name, text in {**FILES, **changes}.items() if text is not None}
        plan = shop.planned(keeper)
        assert any(said in each for each in findings(plan)), (said, findings(plan))
        assert not any(each["ready"] for each in plan.hosts), said
        assert SECRET not in repr([plan.hosts, plan.source, plan.operation.steps]), said
    shop.tree.files, shop.tree.links = {**FILES}, {"deploy/web.env"}
    assert any("a symbolic link, which is not followed" in each for each in findings(shop.planned(keeper)))


def test_without_named_files_those_of_compose_are_looked_for(shop: Shop, keeper: Keeper) -> None:
    shop.text("", files=[])
    assert any("There is none of compose.yaml" in each for each in findings(shop.planned(keeper)))
    plain = "services: {web: {image: 'registry.test/web:1', restart: always}}\n"
    over = "services: {web: {environment: {A: '1'}}}\n"
    shop.tree.files = {"docker-compose.yml": plain, "docker-compose.override.yml": over}
    plan = shop.planned(keeper)
    assert findings(plan) == []
    assert plan.source["documents"] == ["docker-compose.yml", "docker-compose.override.yml"]


def test_equal_builds_are_made_once_and_brought_to_both_servers(shop: Shop, keeper: Keeper) -> None:
    target = shop.build(keeper)
    assert target.status == "succeeded", (target.outcome, log())
    (request,) = shop.builds.requests
    assert dict(request.args)["MODE"] == "fast"
    assert {name: each.reveal() for name, each in request.secrets.items()} == {"npm": SECRET}
    release = Release.objects.get(placement=shop.place)
    assert set(release.built["services"]) == {"also", "web"}
    assert release.built["services"]["also"] == release.built["services"]["web"]
    assert (release.built["host_name"], release.image_id) == ("web-1", "")
    image = release.built["services"]["web"]["image_id"]
    assert "The image of also, web, from web, Dockerfile." in log()
    assert SECRET not in log()
    on_one = shop.by_name["web-1"].images.local[image]
    shop.by_name["web-2"].images.local[image] = on_one  # as shipping would have brought it
    for each in target.deployment.targets.filter(role=Target.Role.DEPLOY):
        runs.run(each.pk, keeper, compose_opener=shop.open)
        each.refresh_from_db()
        assert each.status == "succeeded", (each.outcome, log())
    plan = shop.planned(keeper)
    assert {each["kind"] for each in plan.hosts[0]["services"]} == {"unchanged"}
    deployment = shop.clicked(keeper)
    assert (deployment.release, deployment.targets.filter(role=Target.Role.BUILD).count()) == (release, 0)
    plan = shop.planned(keeper, build_anew=True)
    kinds = {each["service"]: each["kind"] for each in plan.hosts[0]["services"]}
    assert kinds == {"also": "recreated", "web": "recreated", "db": "unchanged"}
    plan = shop.planned(keeper, of_release=release)
    assert ({each["kind"] for each in plan.hosts[0]["services"]}, plan.source) == ({"unchanged"}, release.source)


def test_a_build_that_fails_and_a_builder_without_compose(shop: Shop, keeper: Keeper) -> None:
    shop.builds.error = "dockerfile parse error on line 1: unknown instruction: FRM"
    target = shop.build(keeper)
    assert (target.status, target.outcome["failed_step"]) == ("failed_untouched", "build")
    assert target.outcome["what"].startswith("also, web: ")
    assert Release.objects.get(placement=shop.place).built == {}
    assert set(target.deployment.targets.values_list("status", flat=True)) == {"failed_untouched", "skipped"}
    deployment = shop.clicked(keeper)
    shop.by_name["web-1"].compose = None
    again = deployment.targets.get(role=Target.Role.BUILD)
    runs.run(again.pk, keeper, build_opener=shop.build_on, compose_opener=shop.open)
    again.refresh_from_db()
    assert again.status == "failed_untouched"
    assert "Compose v2 is missing on web-1" in again.outcome["what"]


def test_a_builder_of_its_own_has_to_be_usable(shop: Shop, keeper: Keeper) -> None:
    builder = ready_host(shop.world.actor, "build-1")
    Environment.objects.filter(pk=shop.place.environment_id).update(builder=builder)
    assert "also and web are built on build-1 first." in findings(shop.planned(keeper), "good")
    Host.objects.filter(pk=builder.pk).update(state="key_changed")
    plan = shop.planned(keeper)
    assert findings(plan) == ["build-1, which builds for production, can't be used."] * 2
    shop.tree.files["conf/one.txt"] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    assert any("is kept in Git LFS" in each for each in findings(shop.planned(keeper)))


def test_a_lost_builder_is_tried_again_and_a_cancel_ends_the_build(shop: Shop, keeper: Keeper) -> None:
    shop.at_build = [lambda host: host.fail_after("build_part")]
    target = shop.build(keeper)
    assert (target.status, target.touched) == ("stalled", False)
    Target.objects.filter(pk=target.pk).update(not_before=None)
    shop.at_build = [lambda host: host.on_call("build_part", 1, "before", host.signals.cancelled.set)]
    runs.run(target.pk, keeper, build_opener=shop.build_on, compose_opener=shop.open)
    target.refresh_from_db()
    assert (target.status, target.attempts) == ("cancelled", 2), target.outcome
    assert "the build on web-1 was ended" in target.outcome["what"]
    assert shop.builds.running == set()
    assert Release.objects.get(placement=shop.place).built == {}


def test_a_cancel_before_the_build(shop: Shop, keeper: Keeper) -> None:
    deployment = shop.clicked(keeper)
    target = deployment.targets.get(role=Target.Role.BUILD)

    @contextmanager
    def cancelled(connection: HostConnection, signals: Signals, _: Any = None) -> Iterator[FakeComposeHost]:
        signals.cancelled.set()
        with shop.open(connection, signals) as host:
            yield host

    runs.run(target.pk, keeper, build_opener=shop.build_on, compose_opener=cancelled)
    target.refresh_from_db()
    assert target.status == "cancelled", target.outcome
