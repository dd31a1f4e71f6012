"""The scenes that the tests of interruptions play: what serves, what comes, and what must be true in the end."""

import copy
from dataclasses import dataclass, replace

from tests.worker.engine.stage import EXITS, FIXED, NEVER_HEALTHY, Stage, ended, health, steps
from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.engine.events import Ended, Event, Verdict
from worker.engine.rollout import deploy

STORIES: dict[str, Behaviour | None] = {"success": None, "unhealthy": NEVER_HEALTHY, "exits": EXITS}
SETTLED = 3.0  # seconds after which a container that was started again is healthy


@dataclass(frozen=True)
class Scene:
    """Release 1 serves (or nothing does); Release 2 comes and behaves as the story says."""

    strategy: str
    story: str
    policy: str = "unless-stopped"
    incumbent: bool = True
    podman: bool = False

    def __str__(self) -> str:
        return f"{self.strategy}-{self.story}-{self.policy}{'' if self.incumbent else '-first'}{'-podman' if self.podman else ''}"

    def set(self) -> Stage:
        """A fresh server with this scene on it."""
        container = replace(FIXED[self.strategy], restart=self.policy, health=health(deadline=1.0))
        stage = Stage(container=container, server=FakeServer(podman=self.podman))
        if self.incumbent:
            stage.serving_first()
        stage.publish(2, STORIES[self.story])
        return stage

    @property
    def expected(self) -> list[int]:
        """Which Release serves in the end."""
        if self.story == "success":
            return [2]
        return [1] if self.incumbent else []


REPLACING = [Scene(strategy, story) for strategy in FIXED for story in STORIES]
ALWAYS = [Scene(strategy, story, policy="always") for strategy in FIXED for story in STORIES]
BY_HAND = [Scene(strategy, story, policy="no") for strategy in FIXED for story in STORIES]
FIRST = [Scene(strategy, story, incumbent=False) for strategy in FIXED for story in STORIES]
ON_PODMAN = [replace(scene, podman=True) for scene in REPLACING]
UNPROMISED_ON_PODMAN = [
    Scene(strategy, story, policy=policy, podman=True)
    for policy in ("no", "on-failure")
    for strategy in FIXED
    for story in STORIES
]


def on_podman(scenes: list[Scene]) -> list[Scene]:
    """The same where no restart policy can be changed."""
    return [replace(scene, podman=True) for scene in scenes]


def attempt(stage: Stage, host: FakeHost | None = None, target: int = 2, *, give_up: bool = False) -> list[Event]:
    """One attempt of Target 2 that runs to its end; its steps are properly closed."""
    spec = replace(stage.spec(2, target=target), give_up=give_up)
    events = list(deploy(spec, host or FakeHost(stage.server)))
    steps(events)
    return events


def calls_of(scene: Scene, *, changing: bool = False) -> int:
    """How many calls an undisturbed attempt makes."""
    stage = scene.set()
    host = FakeHost(stage.server)
    attempt(stage, host)
    return len(host.changing_calls() if changing else host.journal)


def assert_serves_after_reboot(stage: Stage, where: str) -> None:
    """On a copy of the server: power off and on, and something serves."""
    for way_round in (False, True) if stage.server.podman else (False,):
        twin = replace(stage, server=copy.deepcopy(stage.server))
        twin.server.reversed_boot = way_round
        twin.server.reboot()
        twin.server.advance(SETTLED)
        assert twin.serving(), f"{where}: nothing serves after a reboot: {described(twin.server)}"


def assert_settled(stage: Stage, expected: list[int], where: str) -> None:
    """Exactly the expected Release serves, under its own policy and alias, with nothing of ours beside it."""
    seen = described(stage.server)
    assert stage.serving() == expected, f"{where}: {seen}"
    assert len(stage.containers()) == len(expected), f"{where}: {seen}"
    for each in stage.containers():
        back = stage.server.podman and stage.container.restart == "unless-stopped"
        assert each.policy == ("always" if back else stage.container.restart), f"{where}: {seen}"
        assert each.name.split(".f")[1].split("-")[0] == str(stage.fence), f"{where}: {seen}"
        if stage.container.network:
            assert each.networks == {stage.container.network: stage.container.network_aliases}, (
                f"{where}: {each.networks}"
            )


def assert_truthful(stage: Stage, end: Ended, where: str) -> None:
    """The verdict says what a person would find on the server."""
    serving = stage.serving()
    expected = {
        Verdict.SUCCEEDED: [2],
        Verdict.FAILED_RESTORED: [1],
        Verdict.CANCELLED_UNTOUCHED: [1],
        Verdict.FAILED_UNTOUCHED: [1],
        Verdict.CANCELLED_RESTORED: [1],
        Verdict.FAILED: [],
    }
    assert end.verdict in expected, f"{where}: {end}"
    assert serving == expected[end.verdict], f"{where}: {end}"
    assert end.serving_release == (serving[0] if serving else None), f"{where}: {end}"
    assert end.what, where


def last(events: list[Event]) -> Ended:
    """The verdict."""
    return ended(events)


def described(server: FakeServer) -> list[tuple[str, str, str]]:
    """Every container: name, status, restart policy."""
    return [(each.name, each.status, each.policy) for each in server.containers.values()]
