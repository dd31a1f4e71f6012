"""Commands beside a deploy: before its first change and after its proof; never twice for one Target, never at its cost."""

from dataclasses import replace
from typing import Any

import pytest

from tests.worker.engine.stage import FIXED, Stage, ended, lines, steps
from worker.connections.fake import Behaviour, FakeHost
from worker.engine.container_host import LogLine
from worker.engine.errors import HostLost
from worker.engine.events import Ended, Event, Verdict
from worker.engine.rollout import deploy
from worker.engine.spec import DeploySpec

MIGRATE = ("./manage.py", "migrate")
SAID = Behaviour(exits_after=1.0, output=((0.2, LogLine("stdout", "Applying 0001")), (0.9, LogLine("stderr", "done"))))
BROKEN = replace(SAID, exit_code=3)
ENDLESS = Behaviour(exits_after=None)
HOOK = "shop-production-r2-t2-before"


class HookStage(Stage):
    """Release 1 serves; Release 2 comes with a command before it, or after it."""

    before: tuple[str, ...] = MIGRATE
    after: tuple[str, ...] = ()
    runs = 0

    def begin(self, behaviour: Behaviour = SAID, **fields: Any) -> "HookStage":
        self.serving_first()
        self.publish(2, commands={MIGRATE: behaviour}, **fields)
        return self

    def spec(self, release: int, target: int | None = None) -> DeploySpec:
        made = super().spec(release, target)
        return replace(made, before=self.before, after=self.after, hook_deadline=30.0) if release > 1 else made

    def host(self) -> FakeHost:
        """Counts how often a command is started."""
        host = FakeHost(self.server)
        start = host.start

        def counted(name: str) -> None:
            begun = self._began(name)
            try:
                start(name)
            finally:
                self.runs += "-t" in name and self._began(name) != begun

        host.start = counted  # type: ignore[method-assign]
        return host

    def _began(self, name: str) -> float | None:
        found = next((each for each in self.containers() if each.name == name), None)
        return found.started if found else None

    def attempt(self, host: FakeHost | None = None, target: int = 2) -> list[Event]:
        return list(deploy(self.spec(2, target), host or self.host()))


@pytest.fixture(params=sorted(FIXED))
def stage(request: pytest.FixtureRequest) -> HookStage:
    return HookStage(container=FIXED[request.param])


def test_it_runs_before_anything_is_changed_and_goes_in_the_end(stage: HookStage) -> None:
    events = stage.begin().attempt()
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert [key for key, _ in steps(events)] == [
        *("preflight", "pull", "before", "replace", "health", "verify", "cleanup"),
    ]
    said = lines(events)
    assert said.index("Applying 0001") < said.index("done") < next(n for n, each in enumerate(said) if "-first" in each)
    assert f"Running ./manage.py migrate in {HOOK}." in said
    assert stage.serving() == [2]
    assert not [name for name in stage.names() if "-t2-" in name]


def test_it_has_the_releases_environment_and_nothing_that_only_one_can_have(stage: HookStage) -> None:
    host, bodies = stage.begin().host(), {}
    create = host.create

    def seen(name: str, body: Any) -> Any:
        bodies[name] = body
        return create(name, body)

    host.create = seen  # type: ignore[method-assign]
    stage.attempt(host)
    body = bodies[HOOK]
    assert body["Cmd"] == list(MIGRATE)
    assert not body["HostConfig"]["PortBindings"]
    assert body["Healthcheck"] == {"Test": ["NONE"]}
    assert body["Labels"]["estiva.placement"] == "", "nothing may take it for what serves, whatever its image says"
    assert (body["Labels"]["estiva.run"], body["Labels"]["estiva.run.of"]) == ("", "")
    endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    assert not any(each.get("Aliases") for each in endpoints.values())


@pytest.mark.parametrize("target", ["1", "99"])
def test_what_serves_elsewhere_is_no_command_of_ours_whatever_its_image_says(stage: HookStage, target: str) -> None:
    stage.begin()
    host = stage.host()
    identity = stage.spec(2).identity
    labels = {
        "estiva.installation": identity.installation,
        "estiva.placement": str(identity.placement + 1),
        "estiva.target": target,
        "estiva.hook": str(identity.placement),
    }
    host.create("other-production-r1.f1", {"Image": stage.containers()[0].image.id, "Labels": labels})
    assert ended(stage.attempt()).verdict == Verdict.SUCCEEDED
    assert "other-production-r1.f1" in stage.names()


def test_a_failure_leaves_the_old_version_untouched(stage: HookStage) -> None:
    before = {each.id for each in stage.begin(BROKEN).containers()}
    end = ended(stage.attempt())
    assert (end.verdict, end.failed_step, end.exit_code) == (Verdict.FAILED_UNTOUCHED, "before", 3)
    assert end.what.startswith("The command before the deploy ended with exit code 3")
    assert stage.serving() == [1]
    assert {each.id for each in stage.containers() if each.running} == before
    again = ended(stage.attempt(target=3))
    assert again.failed_step == "before", "another deploy runs it again"
    assert stage.runs == 2
    assert [name for name in stage.names() if "-t2-" in name] == [], "and removes what the failed one left"


def test_one_that_never_ends_is_stopped(stage: HookStage) -> None:
    end = ended(stage.begin(ENDLESS).attempt())
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "did not end within 30 s" in end.what
    assert HOOK not in stage.names()
    assert stage.serving() == [1]


def test_a_cancel_ends_it(stage: HookStage) -> None:
    host = stage.begin(ENDLESS).host()
    host.on_call("follow", 1, "after", host.signals.cancelled.set)
    end = ended(stage.attempt(host))
    assert end.verdict == Verdict.CANCELLED_UNTOUCHED
    assert HOOK not in stage.names()
    assert stage.serving() == [1]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("behaviour", [SAID, BROKEN], ids=["good", "bad"])
def test_lost_at_any_call_it_is_run_once(stage: HookStage, when: str, behaviour: Behaviour) -> None:
    for n in range(1, 400):
        play = HookStage(container=stage.container).begin(behaviour)
        host = play.host()
        (host.fail_before if when == "before" else host.fail_after)("*", n)
        try:
            list(deploy(play.spec(2), host))
        except HostLost:
            pass
        else:
            break
        end = ended(play.attempt())
        good = behaviour is SAID
        assert play.runs == 1, f"lost {when} call {n}"
        assert play.serving() == ([2] if good else [1]), f"lost {when} call {n}"
        assert end.verdict == (Verdict.SUCCEEDED if good else Verdict.FAILED_UNTOUCHED), f"lost {when} call {n}: {end}"
    else:
        raise AssertionError("an attempt makes fewer calls than that")
    assert n > 10


def test_what_an_abandoned_deploy_still_runs_is_ended_first(stage: HookStage) -> None:
    play = stage.begin(ENDLESS)
    host = play.host()
    host.fail_after("start", 1)
    with pytest.raises(HostLost):
        play.attempt(host)
    assert [each.running for each in play.containers() if each.name == HOOK] == [True]
    events = play.attempt(target=3)
    assert f"Removing {HOOK}, left by an earlier deploy (running)." in lines(events)
    assert HOOK not in play.names()


def test_the_one_after_fails_nothing(stage: HookStage) -> None:
    stage.before, stage.after = (), MIGRATE
    events = stage.begin(BROKEN).attempt()
    end = ended(events)
    assert (end.verdict, end.serving_release) == (Verdict.SUCCEEDED, 2)
    assert steps(events)[-1] == ("after", "good")
    assert any("The new version serves all the same." in each for each in lines(events))
    assert end.remains
    assert "exit code 3" in end.remains[0]
    assert not [name for name in stage.names() if "-t2-" in name]


@pytest.mark.parametrize("behaviour", [SAID, BROKEN], ids=["good", "bad"])
def test_the_one_after_is_run_once_though_its_worker_dies_before_the_end_is_on_record(
    stage: HookStage, behaviour: Behaviour
) -> None:
    stage.before, stage.after = (), MIGRATE
    play = stage.begin(behaviour)
    attempt = iter(deploy(play.spec(2), play.host()))
    assert any(isinstance(event, Ended) for event in attempt)
    del attempt  # nobody writes it down
    assert play.runs == 1
    assert ended(play.attempt()).verdict == Verdict.SUCCEEDED
    assert play.runs == 1
    assert not [name for name in stage.names() if "-t2-" in name]


def test_another_installation_s_command_of_the_same_name_is_no_command_of_ours(stage: HookStage) -> None:
    """One that ended well elsewhere must not pass for ours having been run, nor go with it."""
    stage.before, stage.after = MIGRATE, MIGRATE
    stage.begin()
    host = stage.host()
    labels = {"estiva.installation": "other", "estiva.hook": "7", "estiva.target": "2", "estiva.placement": ""}
    for name in (HOOK, HOOK.replace("before", "after")):
        host.create(name, {"Image": stage.containers()[0].image.id, "Labels": labels, "Cmd": list(MIGRATE)})
    theirs = [each for each in stage.containers() if "-t2-" in each.name]

    end = ended(stage.attempt(host))

    assert (end.verdict, end.failed_step) == (Verdict.FAILED_UNTOUCHED, "before")
    assert end.what.startswith(f"The name {HOOK} is taken on web-1 by a container of another Estiva, other (")
    assert (stage.runs, stage.serving()) == (0, [1])
    assert [each for each in stage.containers() if "-t2-" in each.name] == theirs

    stage.before = ()
    events = stage.attempt(host)
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert any("r2-t2-after is taken on web-1 by a container of another Estiva" in each for each in lines(events))
    assert [each for each in stage.containers() if "-t2-" in each.name] == theirs
    assert all(each.status == "created" for each in theirs)
