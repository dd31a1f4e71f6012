"""Builds on a real engine: what is asked for is what is made, and what is ended is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from parts.dockerd import DockerEngine
from parts.registry import Registry
from parts.sshd import SshServer
from tests.integration.build_stage import Builder, ended, output, push_base, running
from tests.real_parts import SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.building import DockerBuildHost
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.build_events import BuildDone, BuilderNote, BuildEvent, BuildRequest, ContextSent
from worker.engine.errors import Cancelled, HostError, HostLost, LeaseLost
from worker.engine.spec import Secret

_ids = count(1)
GONE_SECONDS = 15.0
WORKER = """
import pathlib, sys
from tests.integration.build_stage import context
from worker.connections.building import DockerBuildHost
from worker.connections.pool import Pool
from worker.connections.ssh import HostKey, SshAddress, SshCredential
from worker.engine.build_events import BuildRequest
from worker.engine.spec import Secret

address, port, user, key, kind, blob, socket, dockerfile = sys.argv[1:]
credential = SshCredential(Secret(pathlib.Path(key).read_text()))
session = Pool().session(SshAddress("web-1", address, int(port), user), credential, HostKey(kind, blob))
list(DockerBuildHost(session, socket).build(BuildRequest("of a worker"), context({"Dockerfile": dockerfile})))
"""
HUNGRY = "FROM BASE\nRUN dd if=/dev/zero of=/dev/null bs=200M count=1\n"


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(params=["engine", "engine26"])
def builder_engine(request: pytest.FixtureRequest) -> DockerEngine:
    """Docker 20.10 and 26.1."""
    chosen: DockerEngine = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def connect(
    pool: Pool, sshd: SshServer, ssh_key: SshKey, builder_engine: DockerEngine, registry: Registry
) -> Callable[..., Builder]:
    base = push_base(registry)

    def make(server: SshServer = sshd) -> Builder:
        session = pool.session(address_of(server), credential_of(ssh_key), host_key_of(server), Signals())
        return Builder(DockerBuildHost(session, str(builder_engine.socket)), session, builder_engine, base)

    return make


@pytest.fixture
def builder(connect: Callable[..., Builder]) -> Iterator[Builder]:
    builder = connect()
    with builder.session:
        yield builder


def request(**fields: object) -> BuildRequest:
    return BuildRequest(f"test-{next(_ids)}", **fields)  # type: ignore[arg-type]


def until(happened: Callable[[], object], seconds: float = GONE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def once(happened: Callable[[], object], act: Callable[[], None]) -> threading.Thread:
    """A thread that does something as soon as something else is so."""

    def wait() -> None:
        until(happened)
        act()

    return threading.Thread(target=wait)


def test_a_build_makes_the_image_that_was_asked_for(builder: Builder) -> None:
    asked = request(
        args=(("WHO", 'Ann & Bob="x" $(id)'),),
        labels={"a b": "c\r\nd"},
        tags=("estiva/test/shop:one", "estiva/test/shop:two"),
    )
    events = builder.build(
        'FROM BASE\nARG WHO\nCOPY greeting /\nRUN cat /greeting && echo "$WHO"\n', asked, {"greeting": "good day\n"}
    )
    done = events[-1]
    assert isinstance(done, BuildDone)
    assert output(events) == ["good day", 'Ann & Bob="x" $(id)']
    image = builder.engine.api.json("GET", f"/images/{done.image_id}/json")
    assert {"estiva/test/shop:one", "estiva/test/shop:two"} <= set(image["RepoTags"])
    assert image["Config"]["Labels"]["a b"] == "c\r\nd"
    sent = [each for each in events if isinstance(each, ContextSent)]
    assert sent[-1].complete
    assert sent[-1].done > sent[0].done > 0
    assert ended(events, "RUN cat").seconds > 0


def test_what_was_built_before_is_taken_from_the_cache(builder: Builder) -> None:
    dockerfile = f"FROM BASE\nRUN echo {next(_ids)} {time.time()}\n"
    assert not ended(builder.build(dockerfile, request()), "RUN").cached
    again = builder.build(dockerfile, request())
    assert ended(again, "RUN").cached
    assert output(again) == []
    anew = builder.build(dockerfile, request(no_cache=True))
    assert not ended(anew, "RUN").cached


def test_a_stage_can_be_the_target(builder: Builder) -> None:
    events = builder.build(
        "FROM BASE AS one\nRUN echo first\nFROM BASE AS two\nRUN echo second\n", request(target="one", no_cache=True)
    )
    assert output(events) == ["first"]


def test_a_secret_is_in_no_layer_no_history_and_no_request(builder: Builder) -> None:
    secret = "hush-hush-" * 9000  # more than HTTP/2 lets through at once
    dockerfile = "FROM BASE\nRUN --mount=type=secret,id=token wc -c /run/secrets/token; touch /after\n"
    events = builder.build(dockerfile, request(secrets={"token": Secret(secret)}, no_cache=True))
    assert output(events) == [f"{len(secret)} /run/secrets/token"]
    done = events[-1]
    assert isinstance(done, BuildDone)
    history = builder.engine.api.json("GET", f"/images/{done.image_id}/history")
    assert "hush-hush" not in json.dumps(history)
    status, archive = builder.engine.api.request("GET", f"/images/{done.image_id}/get")
    assert status == 200
    assert b"hush-hush" not in archive
    assert "hush-hush" not in builder.engine.log.read_text(errors="replace")


def test_a_secret_that_is_missing_is_said_by_its_name(builder: Builder) -> None:
    dockerfile = "FROM BASE\nRUN --mount=type=secret,id=token,required cat /run/secrets/token\n"
    with pytest.raises(HostError, match=r"secret token.*: not found"):
        builder.build(dockerfile, request(no_cache=True))


def test_a_failing_command_ends_the_build_with_its_words(builder: Builder) -> None:
    events: list[BuildEvent] = []
    going = builder.host.build(request(), builder.context("FROM BASE\nRUN echo oh no >&2; exit 3\n"))
    with pytest.raises(HostError, match="exit code: 3"):
        events.extend(going)
    assert output(events) == ["oh no"]
    assert "exit code: 3" in ended(events, "RUN").error


def test_a_cancelled_build_ends_alone_and_its_processes_are_gone(connect: Callable[..., Builder]) -> None:
    mine, other = connect(), connect()
    number = f"6{next(_ids):02d}.25"
    finished: list[object] = []
    with mine.session, other.session:
        slow = threading.Thread(
            target=lambda: finished.extend(
                other.build("FROM BASE\nRUN sleep 4; echo went on\n", request(no_cache=True))
            )
        )
        slow.start()
        timer = once(lambda: running("sleep", number), mine.session.signals.cancelled.set)
        timer.start()
        with pytest.raises(Cancelled):
            mine.build(f"FROM BASE\nRUN sleep {number}\n", request())
        assert running("sleep", number) == []  # at once: the call returns when the build has ended
        timer.join()
        slow.join()
    assert output(finished) == ["went on"]  # type: ignore[arg-type]


@pytest.mark.parametrize("lost", ["connection", "lease"])
def test_a_build_that_nobody_listens_to_any_more_ends_by_itself(
    lost: str, connect: Callable[..., Builder], make_sshd: Callable[..., SshServer]
) -> None:
    server = make_sshd()
    builder = connect(server)
    number = f"7{next(_ids):02d}.25"

    cut = server.kill_connections if lost == "connection" else builder.session.signals.lost.set
    timer = once(lambda: running("sleep", number), cut)
    with builder.session:
        timer.start()
        with pytest.raises(HostLost if lost == "connection" else LeaseLost):
            builder.build(f"FROM BASE\nRUN sleep {number}\n", request())
        timer.join()
        until(lambda: not running("sleep", number))


def test_a_build_that_somebody_left_can_be_ended_by_its_id(connect: Callable[..., Builder]) -> None:
    left, heir = connect(), connect()
    number, asked = f"8{next(_ids):02d}.25", request()
    with left.session, heir.session:
        timer = once(lambda: running("sleep", number), lambda: heir.host.cancel_build(asked.build_id))
        timer.start()
        with pytest.raises(HostError, match="cancel"):
            left.build(f"FROM BASE\nRUN sleep {number}\n", asked)
        timer.join()
        assert running("sleep", number) == []


def test_a_build_past_its_deadline_is_ended(builder: Builder) -> None:
    number = f"9{next(_ids):02d}.25"
    with pytest.raises(HostError, match="longer than 2 s"):
        builder.build(f"FROM BASE\nRUN sleep {number}\n", request(deadline=2.0))
    assert running("sleep", number) == []


def test_a_context_that_breaks_off_breaks_off_the_build(builder: Builder) -> None:
    class Gone(Exception):
        pass

    def broken() -> Iterator[bytes]:
        yield from list(builder.context("FROM BASE\n"))[:1]
        raise Gone

    with pytest.raises(Gone):
        list(builder.host.build(request(), broken()))
    assert isinstance(builder.build("FROM BASE\n", request())[-1], BuildDone)


def test_what_runs_in_a_build_is_held_to_its_memory(builder: Builder) -> None:
    limited = request(memory=64 << 20, cpus=0.25, no_cache=True)
    events: list[BuildEvent] = []
    going = builder.host.build(limited, builder.context(HUNGRY))
    with pytest.raises(HostError, match="137"):
        events.extend(going)
    notes = [each for each in events if isinstance(each, BuilderNote)]
    assert notes[0].level == "info"
    assert "64 MB of memory and 0.25 CPUs" in notes[0].text
    assert isinstance(builder.build(HUNGRY, request(no_cache=True))[-1], BuildDone)


def test_what_runs_in_a_build_gets_its_share_of_the_processor(builder: Builder) -> None:
    busy = "FROM BASE\nRUN i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; times\n"
    events = builder.build(busy, request(no_cache=True, cpus=0.2))
    assert [each.level for each in events if isinstance(each, BuilderNote)] == ["info"]
    minutes, _, seconds = output(events)[0].split()[0].removesuffix("s").partition("m")
    used = int(minutes) * 60 + float(seconds)
    assert ended(events, "while").seconds > 4 * used > 0


def test_builds_without_limits_are_told_nothing_and_ending_none_is_no_error(builder: Builder) -> None:
    builder.host.cancel_build("nobody's")
    events = builder.build("FROM BASE\nRUN true\n", request())
    assert not [each for each in events if isinstance(each, BuilderNote)]


def test_a_killed_workers_build_ends(
    sshd: SshServer, ssh_key: SshKey, builder_engine: DockerEngine, connect: Callable[..., Builder]
) -> None:
    number = f"5{next(_ids):02d}.25"
    base = connect().base
    kind, blob = sshd.host_key_line().split()
    told = [sshd.address, str(sshd.port), sshd.user, str(ssh_key.path), kind, blob, str(builder_engine.socket)]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, *told, f"FROM {base}\nRUN sleep {number}\n"], env=paths)
    try:
        until(lambda: running("sleep", number), 30)
    finally:
        worker.kill()
        worker.wait()
    until(lambda: not running("sleep", number))
