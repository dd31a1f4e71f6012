"""Images come, are checked, are kept by a tag of ours, and go when no kept Release needs them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.worker.engine.stage import SHOP, Stage, ended, lines
from worker.connections.fake import FakeHost, FakeImage
from worker.engine.container_host import Platform
from worker.engine.errors import HostError
from worker.engine.events import Event, Progress, Verdict
from worker.engine.look import look
from worker.engine.rollout import deploy
from worker.engine.spec import ImageSpec


def tags(stage: Stage) -> set[str]:
    """All tags on the server."""
    return {tag for image in stage.server.images.local.values() for tag in image.tags}


def test_progress_is_in_bytes_seldom_and_ends_complete() -> None:
    stage = Stage().serving_first()
    stage.publish(2, pull_seconds=2.0)
    shown = [event for event in stage.deploy(2) if isinstance(event, Progress) and event.step == "pull"]
    assert shown[-1].done == shown[-1].total == 10_000_000
    assert len(shown) <= 2.0 / 0.1 + 2
    assert [each.done for each in shown] == sorted(each.done for each in shown)


def test_an_image_that_is_here_is_not_pulled() -> None:
    stage = Stage().serving_first()
    host = FakeHost(stage.server)
    events = list(deploy(stage.spec(1, target=5), host))
    assert [call.name for call in host.journal if call.name in ("pull", "remote_image")] == []
    assert any("nothing to pull" in line for line in lines(events))


def test_a_pull_that_ends_without_the_image_is_no_success() -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    host.on_call("pull", 1, "after", lambda: stage.server.images.prune({"x"}))
    host.on_call("local_image", 3, "before", lambda: stage.server.images.local.clear())
    end = ended(list(deploy(stage.spec(2), host)))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "after the pull" in end.what


def test_another_digest_under_the_same_name_is_refused() -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    given = stage.spec(2)
    wrong = replace(given, image=ImageSpec(f"{SHOP}:2", "sha256:" + "0" * 64))
    end = ended(list(deploy(wrong, FakeHost(stage.server))))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "does not carry the digest" in end.what


def test_an_image_of_another_architecture_is_refused_after_the_pull_too() -> None:
    stage = Stage().serving_first()
    reference = stage.publish(2)
    made = stage.server.images.published[reference]
    stage.server.images.local[made.id] = FakeImage(
        made.id, made.digest, platforms=(Platform("linux", "arm64"),), digests={reference}
    )
    end = ended(stage.deploy(2))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "linux/arm64" in end.what


def test_an_image_built_without_a_registry_is_found_by_its_id_or_not_at_all() -> None:
    stage = Stage().serving_first()
    known = stage.containers()[0].image.id
    given = stage.spec(1, target=8)
    built = replace(given, image=ImageSpec(SHOP, None, image_id=known))
    assert ended(list(deploy(built, FakeHost(stage.server)))).verdict == Verdict.SUCCEEDED
    gone = replace(stage.spec(1, target=9), image=ImageSpec(SHOP, None, image_id="sha256:gone"))
    end = ended(list(deploy(gone, FakeHost(stage.server))))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "built without a registry" in end.what


def received(stage: Stage, host: FakeHost, image_id: str, **more: Any) -> list[Event]:
    """Deploy an image that no registry has."""
    stage.publish(2)
    image = ImageSpec("shop from a repository", None, image_id=image_id, arrives=True, **more)
    return list(deploy(replace(stage.spec(2), image=image), host))


def test_an_image_built_elsewhere_is_received_from_its_builder() -> None:
    stage = Stage().serving_first()
    built = stage.server.images.build("shop at 1234567", size=40_000_000)
    host = FakeHost(stage.server)
    events = received(stage, host, built)
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert [call.name for call in host.journal if call.name in ("pull", "remote_image", "receive_image")] == [
        "receive_image"
    ]
    assert any(
        "is not on web-1 yet: 1 of 1 layers come from the builder, about 40.0 MB" in line for line in lines(events)
    )
    assert any(line.startswith("Received in ") for line in lines(events))
    shown = [event for event in events if isinstance(event, Progress) and event.step == "pull"]
    assert shown[-1].done == shown[-1].total == 40_000_000
    assert "estiva/test/shop-production:2" in stage.server.images.local[built].tags
    again = FakeHost(stage.server)
    assert ended(received(stage, again, built)).verdict == Verdict.SUCCEEDED
    assert [call.name for call in again.journal if call.name == "receive_image"] == []


def test_an_image_that_its_builder_lost_too_touches_nothing() -> None:
    stage = Stage().serving_first()
    end = ended(received(stage, FakeHost(stage.server), "sha256:gone"))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "is not on web-1 any more" in end.what
    assert "not on the builder any more" in end.why
    assert end.remedy == "Build and deploy it again."


@pytest.mark.parametrize("moment", ["receive_begin", "receive_progress", "receive_image"])
def test_a_cancel_while_an_image_is_received_leaves_the_old_version_serving(moment: str) -> None:
    stage = Stage().serving_first()
    host = FakeHost(stage.server)
    host.cancel_at(moment)
    end = ended(received(stage, host, stage.server.images.build("shop at 1234567")))
    assert end.verdict == Verdict.CANCELLED_UNTOUCHED
    assert stage.serving() == [1]


def test_the_last_releases_are_kept_by_tags_and_older_ones_go() -> None:
    stage = Stage()
    for release in range(1, 8):
        stage.publish(release)
        assert ended(stage.deploy(release)).verdict == Verdict.SUCCEEDED
    assert tags(stage) == {f"estiva/test/shop-production:{number}" for number in range(3, 8)}
    assert len(stage.server.images.local) == 5


def test_images_of_others_and_of_other_placements_stay() -> None:
    stage = Stage(container=Stage().container)
    reference = stage.publish(1)
    host = FakeHost(stage.server)
    list(host.pull(reference, platform=None, deadline=9))
    host.tag(reference, "their/own:1")
    host.tag(reference, "estiva/test/shop-staging:1")
    for release in range(1, 8):
        stage.publish(release)
        stage.deploy(release)
    assert {"their/own:1", "estiva/test/shop-staging:1"} < tags(stage)
    assert host.local_image(reference) is not None


def test_a_rollback_keeps_the_images_of_newer_releases() -> None:
    stage = Stage()
    for release in (1, 2, 3):
        stage.publish(release)
        stage.deploy(release)
    back = replace(stage.spec(1, target=9), keep_releases=(1,))
    assert ended(list(deploy(back, FakeHost(stage.server)))).verdict == Verdict.SUCCEEDED
    assert "estiva/test/shop-production:3" in tags(stage)


@pytest.mark.parametrize("call", ["remove_image", "local_images", "remove"])
def test_what_cannot_be_cleared_is_a_warning_and_no_failure(call: str) -> None:
    stage = Stage()
    for release in range(1, 6):
        stage.publish(release)
        stage.deploy(release)
    stage.publish(6)
    host = FakeHost(stage.server)
    for n in (1, 2, 3):
        host.refuse(call, n, HostError("device or resource busy", status=500))
    events = stage.deploy(6, host)
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert any("device or resource busy" in line for line in lines(events))
    assert bool(ended(events).remains) is (call == "remove")


def test_a_look_for_drift() -> None:
    stage = Stage().serving_first()
    sight = look(stage.spec(1).identity, FakeHost(stage.server))
    assert sight.observed is not None
    assert (sight.observed.release, sight.running, sight.target, sight.fence) == (1, True, 1, 1)
    assert not sight.policy_held
    stage.server.kill(stage.names()[0])
    assert not look(stage.spec(1).identity, FakeHost(stage.server)).running
    assert look(replace(stage.spec(1).identity, placement=99), FakeHost(stage.server)).observed is None
