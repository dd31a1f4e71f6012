"""The server room on a real server: what is listed, what is done by hand, and a log that is followed while somebody looks."""

from __future__ import annotations

from typing import Any

import pytest

from deployments import follows, live, queue, room, room_acts, room_images
from deployments.inventory import hosts
from deployments.live import decode_lines
from deployments.models import Host, HostSample, Operation, Placement, PlacementHost, Release
from deployments.queries.room import container_page
from deployments.room_acts import Act
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.integration import harness
from tests.real_parts import SampleImages
from worker.brief import installation_name
from worker.keeper import Keeper
from worker.operations import following, running

NAME = "shop-production-r1.f1"


def run(operation: Operation) -> Operation:
    """By a worker's own code, in this process."""
    keeper = Keeper("look@test", "look", 1)
    keeper.start()
    try:
        running.run(operation.pk, keeper)
    finally:
        keeper.begin_stop()
        keeper.join()
    operation.refresh_from_db()
    return operation


def looked_at(host: Host) -> dict[str, dict[str, Any]]:
    """Everything there, by name."""
    look = run(room.look_around(actor=harness.admin(), host=host))
    assert look.status == "succeeded", look.result
    return {
        each["name"]: each for kind in ("containers", "images", "volumes", "networks") for each in look.result[kind]
    }


def by_hand(host: Host, act: Act) -> Operation:
    """Choose it on its page, as it was last listed."""
    row = looked_at(host)[NAME]
    page = container_page(host, row["id"][:12], Placement.objects.all(), everything=True)
    assert page is not None
    return run(room_acts.request_act(actor=harness.admin(), host=host, container=page.row, act=act))


def test_a_day_in_the_server_room(
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    server: tuple[SshServer, DockerEngine],
    sample_images: SampleImages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, image = harness.trusted_host(*server), sample_images.push("1")
    target = harness.run_here(harness.deploy(harness.placement(host, image, ports=[harness.published()]), image))
    assert target.status == "succeeded", target.outcome
    server[1].api.json("POST", "/containers/create?name=somebodys", {"Image": image.pinned, "Cmd": ["true"]})

    found = looked_at(host)
    assert (found[NAME]["ours"], found[NAME]["state"], found[NAME]["release"]) == (True, "running", "1")
    assert [each.startswith("127.0.0.1:") and each.endswith(" → 5000") for each in found[NAME]["ports"]] == [True]
    assert (found["somebodys"]["ours"], found["somebodys"]["state"]) == (False, "created")
    kept = next(each for name, each in found.items() if name.startswith("estiva/"))
    assert (kept["ours"], kept["used_by"]) == (True, [NAME, "somebodys"])
    disk = Operation.objects.filter(kind="room").latest("pk").result["disk"]
    assert disk["images"] > 0

    assert by_hand(host, Act.STOP).result["said"].startswith(f"{NAME} is stopped")
    assert "stopped by hand by Ada" in PlacementHost.objects.get().drift
    assert by_hand(host, Act.START).result == {"said": f"{NAME} runs."}
    assert by_hand(host, Act.RESTART).status == "succeeded"
    assert PlacementHost.objects.get().drift == ""
    assert by_hand(host, Act.REMOVE).status == "failed"

    # its log, until nobody looks
    monkeypatch.setattr(follows, "WATCHED_SECONDS", 2)
    follow = follows.follow_log(actor=harness.admin(), host=host, container=looked_at(host)[NAME], tail=1000, since=0)
    assert run(follow).result == {"said": "Nobody looks any more."}
    lines = [line for chunk in follows.lines_after(follow.pk, 0) for line in decode_lines(chunk.lines)]
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) > 1, "the sample says that it starts"
    assert all(line.time_ms > 1_700_000_000_000 for line in lines)

    # an image that nothing needs any more, found and removed by exactly its names
    stray = sample_images.push("9", name="team/stray")
    old = Release.objects.create(
        placement=PlacementHost.objects.get().placement, number=0, image=stray.reference, created_by_name="Ada"
    )
    api = server[1].api
    api.request("POST", f"/images/create?fromImage={stray.repository}&tag={stray.digest}")
    api.request(
        "POST", f"/images/{stray.pinned}/tag?repo=estiva/{installation_name()}/shop-production&tag={old.number}"
    )
    looked_at(host)
    images = Operation.objects.filter(kind="room").latest("pk").result["images"]
    (unused,) = room_images.unused(images)
    assert (unused.digests, unused.size > 0) == ([stray.pinned], True)
    removal = run(room_images.request_removal(actor=harness.admin(), host=host, chosen=[unused.id]))
    assert removal.result == {"removed": unused.tags, "left": [], "bytes": unused.size}
    assert {each["id"] for each in images} - {each["id"] for each in looked_at(host).values() if "tags" in each} == {
        unused.id
    }

    # how the machine is
    assert run(hosts.check(actor=harness.admin(), host=host)).status == "succeeded"
    sample = HostSample.objects.get(is_hourly=False)
    assert (sample.looks, sample.reached, (sample.memory_free or 0) > 0, sample.load is not None) == (1, 1, True, True)

    # what it takes
    monkeypatch.setattr(following, "USAGE_SECONDS", 0.5)
    usage = follows.watch_usage(actor=harness.admin(), host=host)
    assert usage is not None
    assert run(usage).status == "succeeded"
    said = [entry for _, entry in queue.connection().xrange(live.WAKE_STREAM) if entry["kind"] == "usage"]
    key = looked_at(host)[NAME]["id"][:12]
    assert f'"{key}"' in said[-1]["values"]
