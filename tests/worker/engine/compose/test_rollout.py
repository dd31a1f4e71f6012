"""Deploys of a three-service application on the in-memory server."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.worker.engine.compose.stage import ALL_ONE, ALL_TWO, LABELS, PROJECT, Stage, three
from tests.worker.engine.stage import ended, interrupted, lines, steps
from worker.connections.fake import Behaviour
from worker.connections.fake_compose import FakeComposeHost
from worker.engine.compose.rollout import deploy_compose
from worker.engine.errors import HostLost, NewerFence
from worker.engine.events import Event, Finding, Gap, Mutated, Observed, Verdict
from worker.engine.spec import Secret

GOOD = [(key, "good") for key in ("preflight", "pull", "replace", "health", "verify", "cleanup")]
NEVER = Behaviour(healthy_after=None)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def serving(stage: Stage) -> Stage:
    """Release 1 serves, 2 is published."""
    assert ended(stage.deploy(1, three())).verdict == Verdict.SUCCEEDED
    stage.publish("web", "2")
    return stage


def bad(events: list[Event]) -> list[str]:
    return [each.message for each in events if isinstance(each, Finding) and each.result == "bad"]


def test_a_first_deploy(stage: Stage) -> None:
    events = stage.deploy(1, three())
    assert steps(events) == GOOD, ended(events)
    assert stage.serving() == ALL_ONE
    assert sorted(each.container for each in events if isinstance(each, Observed)) == [
        f"{PROJECT}-{name}-1" for name in ("cache", "db", "web")
    ]
    assert not [each for each in events if isinstance(each, Gap)]


def test_only_what_changed_is_recreated(serving: Stage) -> None:
    before = serving.ids()
    events = serving.deploy(2, three("2"))
    assert steps(events) == GOOD, ended(events)
    after = serving.ids()
    assert serving.serving() == ALL_TWO
    assert after["web"] != before["web"]
    assert (after["db"], after["cache"]) == (before["db"], before["cache"])
    (gap,) = [each for each in events if isinstance(each, Gap)]
    assert gap.seconds > 0
    assert {each.container: each.release for each in events if isinstance(each, Observed)} == {
        f"{PROJECT}-web-1": 2,
        f"{PROJECT}-db-1": 1,
        f"{PROJECT}-cache-1": 1,
    }


def test_the_same_again_changes_no_container(serving: Stage) -> None:
    before = serving.ids()
    events = serving.deploy(2, three())
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert serving.ids() == before
    assert [each for each in events if isinstance(each, Gap)] == [Gap(0.0)]


def test_images_are_there_before_anything_is_stopped(serving: Stage) -> None:
    host = FakeComposeHost(serving.server)
    serving.deploy(2, three("2"), host)
    names = [each.name for each in host.journal]
    assert names.index("pull") < names.index("stop")


def test_an_unhealthy_service_gives_way_to_the_version_before(serving: Stage) -> None:
    serving.publish("web", "sick", NEVER)
    events = serving.deploy(2, three("sick"))
    end = ended(events)
    assert (end.verdict, end.serving_release, end.failed_step) == (Verdict.FAILED_RESTORED, 1, "replace"), end
    assert "service web" in end.what
    assert serving.serving() == ALL_ONE
    (gap,) = [each for each in events if isinstance(each, Gap)]
    assert gap.seconds > 0


def test_a_service_that_exits_is_named_with_its_code(serving: Stage) -> None:
    serving.publish("web", "exits", Behaviour(exits_after=0.3, exit_code=3, healthy_after=None))
    end = ended(serving.deploy(2, three("exits", restart="no")))
    assert (end.verdict, end.exit_code) == (Verdict.FAILED_RESTORED, 3), end
    assert serving.serving() == ALL_ONE


def test_a_service_that_keeps_restarting_is_not_taken_for_well(serving: Stage) -> None:
    serving.publish("cache", "loops", Behaviour(exits_after=0.4, exit_code=5))
    tree = three()
    tree["services"]["cache"]["image"] = "registry.test/cache:loops"
    end = ended(serving.deploy(2, tree))
    assert end.verdict == Verdict.FAILED_RESTORED, end
    assert "cache" in end.what
    assert serving.serving() == ALL_ONE


def test_a_first_deploy_that_fails_leaves_no_containers_and_every_volume(stage: Stage) -> None:
    stage.publish("web", "sick", NEVER)
    end = ended(stage.deploy(1, three("sick")))
    assert end.verdict == Verdict.FAILED, end
    assert stage.ids() == {}
    assert f"{PROJECT}_data" in stage.server.volumes


def test_a_service_that_left_the_file_goes_last_and_its_volume_stays(serving: Stage) -> None:
    tree = three("2")
    del tree["services"]["db"]
    del tree["services"]["web"]["depends_on"]
    host = FakeComposeHost(serving.server)
    events = serving.deploy(2, tree, host)
    assert ended(events).verdict == Verdict.SUCCEEDED, ended(events)
    assert set(serving.ids()) == {"web", "cache"}
    assert f"{PROJECT}_data" in serving.server.volumes
    assert ("cleanup", "good") in steps(events)


def test_a_service_that_came_goes_again_when_the_deploy_fails(serving: Stage) -> None:
    serving.publish("web", "sick", NEVER)
    tree = three("sick")
    tree["services"]["queue"] = {"image": "registry.test/cache:1", "restart": "always"}
    assert ended(serving.deploy(2, tree)).verdict == Verdict.FAILED_RESTORED
    assert serving.serving() == ALL_ONE


def test_variables_reach_the_containers_as_they_are(stage: Stage) -> None:
    nasty = "a$b ${c} `d` \"e\" 'f' \\ $$ \n g #"
    tree = three(
        environment={"TOKEN": "${TOKEN}", "GIVEN": None, "PLAIN": "$$HOME", "GONE": None}, env_file=["web.env"]
    )
    stage.deploy(
        1, tree, environment=(("TOKEN", Secret(nasty)), ("GIVEN", nasty)), files=(("web.env", "TOKEN=no\nFILE='x y'"),)
    )
    (web,) = stage.server.of_service(PROJECT, "web")
    assert sorted(web.body["Env"]) == sorted(["FILE=x y", f"TOKEN={nasty}", f"GIVEN={nasty}", "PLAIN=$HOME"])


def test_a_secret_is_in_no_event(serving: Stage) -> None:
    value = Secret("very-secret-value")
    events = serving.deploy(2, three(environment={"TOKEN": "${TOKEN}"}), environment=(("TOKEN", value),))
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert "very-secret-value" not in repr(events)
    assert any("TOKEN" in each.message for each in events if isinstance(each, Finding) and each.check == "changes")


def test_compose_missing_is_said_at_once_with_the_remedy(stage: Stage) -> None:
    stage.server.compose = None
    events = stage.deploy(1, three())
    end = ended(events)
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "Compose v2 is missing on web-1" in end.what
    assert "docker-compose-plugin" in end.remedy
    assert not [each for each in events if isinstance(each, Mutated)]


def test_a_compose_that_is_too_old_is_refused(stage: Stage) -> None:
    stage.server.compose = "2.17.3"
    assert "2.24 or later" in ended(stage.deploy(1, three())).what


def test_a_foreign_project_of_the_same_name_is_left_alone(stage: Stage) -> None:
    stage.server.images.store("registry.test/db:1")
    labels = {"com.docker.compose.project": PROJECT, "com.docker.compose.service": "db"}
    stage.server.create("theirs", {"Image": "registry.test/db:1", "Labels": labels})
    end = ended(stage.deploy(1, three()))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "container theirs" in end.what
    assert [each.name for each in stage.server.containers.values()] == ["theirs"]


def test_a_volume_of_others_is_not_taken_over(stage: Stage) -> None:
    stage.server.volumes[f"{PROJECT}_data"] = {"made.by": "hand"}
    end = ended(stage.deploy(1, three()))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert f"{PROJECT}_data" in end.what
    assert "external" in end.remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"env_file": "lost.env"}, "lost.env"),
        ({"extends": {"file": "/etc/other.yaml", "service": "x"}}, "extends"),
        ({"environment": {"A": "${MUST:?say it}"}}, "MUST has to be set: say it"),
        ({"depends_on": ["nobody"]}, "undefined service"),
    ],
)
def test_what_cannot_be_resolved_is_refused_before_anything_is_touched(
    serving: Stage, change: dict[str, Any], said: str
) -> None:
    before = serving.ids()
    events = serving.deploy(2, three("2", **change))
    assert ended(events).verdict == Verdict.FAILED_UNTOUCHED
    assert said in " ".join(bad(events)), bad(events)
    assert serving.ids() == before


def test_an_unset_variable_is_said(stage: Stage) -> None:
    events = stage.deploy(1, three(environment={"A": "${NOBODY}"}))
    (said,) = [each for each in events if isinstance(each, Finding) and each.check == "variables"]
    assert "NOBODY" in said.message


def test_a_cancel_in_the_pull_leaves_everything_as_it_was(serving: Stage) -> None:
    before, host = serving.ids(), FakeComposeHost(serving.server)
    host.cancel_at("pull_progress", 5)
    end = ended(serving.deploy(2, three("2"), host))
    assert (end.verdict, end.serving_release) == (Verdict.CANCELLED_UNTOUCHED, 1)
    assert serving.ids() == before


def test_a_cancel_while_compose_works_brings_the_version_before_back(serving: Stage) -> None:
    for call in ("create", "stop", "remove", "rename", "start"):
        host = FakeComposeHost(serving.server)
        host.cancel_at(call, 1)
        end = ended(serving.deploy(2, three("2"), host))
        assert (end.verdict, end.serving_release) == (Verdict.CANCELLED_RESTORED, 1), (call, end)
        assert serving.serving() == ALL_ONE, call


def test_a_killed_worker_is_followed_by_one_that_ends_well(serving: Stage) -> None:
    """Cut off at any call: the next attempt ends the run that is still at work, and brings it to a good end."""
    for n in range(1, 40):
        stage = Stage()
        stage.deploy(1, three())
        stage.publish("web", "2")
        host = FakeComposeHost(stage.server)
        host.fail_after("changing", n)
        said: list[Event] = []
        spec = stage.spec(2, three("2"))
        try:
            interrupted(deploy_compose(spec, host), said, HostLost)
        except AssertionError:
            assert n > 8, "fewer changes than expected"
            break
        touched = any(isinstance(each, Mutated) for each in said)
        end = ended(stage.deploy(2, three("2"), touched=touched))
        assert end.verdict == Verdict.SUCCEEDED, (n, end)
        assert stage.serving() == ALL_TWO, n


def test_one_that_gives_up_brings_the_version_before_back(serving: Stage) -> None:
    for n in range(1, 9):
        stage = Stage()
        stage.deploy(1, three())
        stage.publish("web", "2")
        host = FakeComposeHost(stage.server)
        host.fail_after("changing", n)
        said: list[Event] = []
        interrupted(deploy_compose(stage.spec(2, three("2")), host), said, HostLost)
        touched = any(isinstance(each, Mutated) for each in said)
        spec = replace(stage.spec(2, three("2"), touched=touched), give_up=True)
        end = ended(list(deploy_compose(spec, FakeComposeHost(stage.server))))
        assert (end.verdict, end.serving_release) in (
            (Verdict.FAILED_RESTORED if touched else Verdict.FAILED_UNTOUCHED, 1),
        ), (n, end)
        assert stage.serving() == ALL_ONE, n


def test_the_fence_of_a_newer_holder_stops_a_stale_one_at_any_call(stage: Stage) -> None:
    for n in range(1, 60):
        stage = Stage()
        stage.deploy(1, three())
        for tag in ("2", "3"):
            stage.publish("web", tag)
        stale, spec = FakeComposeHost(stage.server), stage.spec(2, three("2"))
        seen: list[dict[str, str]] = []

        def overtake(stage: Stage = stage, seen: list[dict[str, str]] = seen) -> None:
            end = ended(stage.deploy(3, three("3"), touched=True))
            assert end.verdict == Verdict.SUCCEEDED, end
            seen.append(stage.ids())

        stale.on_call("*", n, "before", overtake)
        with suppress(NewerFence):
            list(deploy_compose(spec, stale))
        if not seen:
            assert n > 30
            break
        assert stage.serving()["web"] == "3", n
        after = stage.ids()
        assert after == seen[0], n


def test_a_run_that_does_not_end_is_said(serving: Stage) -> None:
    serving.server.runs[PROJECT], serving.server.stubborn = 1, True
    end = ended(serving.deploy(2, three("2")))
    assert "still at work" in end.what
    serving.server.stubborn = False
    assert ended(serving.deploy(2, three("2"))).verdict == Verdict.SUCCEEDED


def test_a_job_runs_and_ends(stage: Stage) -> None:
    stage.publish("db", "migrate", Behaviour(exits_after=0.5, exit_code=0))
    tree = three(depends_on={"job": {"condition": "service_completed_successfully"}})
    tree["services"]["job"] = {"image": "registry.test/db:migrate"}
    events = stage.deploy(1, tree)
    assert ended(events).verdict == Verdict.SUCCEEDED, ended(events)
    assert set(stage.serving()) == {"web", "db", "cache"}


def test_a_job_that_fails_stops_the_deploy(serving: Stage) -> None:
    serving.publish("db", "migrate", Behaviour(exits_after=0.5, exit_code=4))
    tree = three("2", depends_on={"job": {"condition": "service_completed_successfully"}})
    tree["services"]["job"] = {"image": "registry.test/db:migrate"}
    end = ended(serving.deploy(2, tree))
    assert (end.verdict, end.exit_code) == (Verdict.FAILED_RESTORED, 4), end
    assert "container of job" in end.what
    assert serving.serving() == ALL_ONE


def test_a_fence_volume_removed_by_hand_is_made_again(serving: Stage) -> None:
    host = FakeComposeHost(serving.server)

    def prune() -> None:
        for name in [each for each in serving.server.volumes if each.startswith("estiva-")]:
            del serving.server.volumes[name]

    host.on_call("compose_up", 1, "before", prune)
    events = serving.deploy(2, three("2"), host)
    assert ended(events).verdict == Verdict.SUCCEEDED, ended(events)
    assert any("removed the volume" in each for each in lines(events))


def test_old_images_go_and_kept_ones_have_a_tag_of_ours(serving: Stage) -> None:
    serving.publish("web", "3")
    for number in (2, 3):
        assert ended(serving.deploy(number, three(str(number)))).verdict == Verdict.SUCCEEDED
    tags = {tag for image in serving.server.images.local.values() for tag in image.tags}
    assert {each for each in tags if "/web:" in each} == {f"estiva/test/{PROJECT}/web:{number}" for number in (2, 3)}
    assert LABELS.items() <= dict(serving.server.volumes[f"{PROJECT}_data"]).items()


def test_a_restoration_that_fails_asks_for_attention(serving: Stage) -> None:
    serving.publish("web", "sick", NEVER)
    serving.server.images.published["registry.test/web:1"].behaviour = NEVER
    for image in serving.server.images.local.values():
        image.behaviour = NEVER if "web" in "".join(image.digests) else image.behaviour
    end = ended(serving.deploy(2, three("sick")))
    assert (end.verdict, end.serving_release) == (Verdict.NEEDS_ATTENTION, None), end
    assert "docker ps" in end.remedy


@pytest.mark.parametrize(
    ("approved", "verdict"),
    [
        ((), "failed_untouched"),
        ((("web", "privileged", "the container gets every right on the server"),), "succeeded"),
        ((("web", "privileged", ""),), "succeeded"),
        ((("db", "privileged", ""),), "failed_untouched"),
        (None, "succeeded"),
    ],
)
def test_more_power_than_was_approved_is_refused(stage: Stage, approved: Any, verdict: str) -> None:
    events = stage.deploy(1, three(privileged=True), approved=approved)
    assert ended(events).verdict == verdict
    if verdict != "succeeded":
        assert "web would get more than was approved: privileged" in ended(events).what
        assert not stage.server.containers
