"""Compose applications on real Docker Engines, with a real Compose v2 behind a real sshd."""

import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from parts.dockerd import DockerEngine
from parts.engine26 import ComposeCli, Engine26
from parts.processes import process_ids
from parts.sshd import SshServer
from tests.integration.compose_stage import PROJECT, ComposeStage, lock_file
from tests.integration.engine_stage import until
from tests.real_parts import SampleImages, SshKey
from tests.worker.engine.compose.test_interpolate import CASES, SET
from tests.worker.engine.stage import ended, interrupted, steps
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.compose.dotenv import read_dotenv
from worker.engine.compose.interpolate import interpolate, unescaped
from worker.engine.compose.rollout import deploy_compose
from worker.engine.errors import HostLost, LeaseLost, NewerFence
from worker.engine.events import Event, Finding, Gap, Line, Mutated, Observed, Progress, Verdict
from worker.engine.spec import Secret

GOOD = [(key, "good") for key in ("preflight", "pull", "replace", "health", "verify", "cleanup")]
ALL = {"web", "db", "cache"}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()
    lock_file().unlink(missing_ok=True)


@pytest.fixture
def stage(
    pool: Pool, compose_sshd: SshServer, ssh_key: SshKey, tidy_engine26: Engine26, sample_images: SampleImages
) -> ComposeStage:
    return ComposeStage(pool, compose_sshd, ssh_key, tidy_engine26, sample_images)


@pytest.fixture
def old_stage(
    pool: Pool, compose_sshd: SshServer, ssh_key: SshKey, tidy_engine: DockerEngine, sample_images: SampleImages
) -> ComposeStage:
    return ComposeStage(pool, compose_sshd, ssh_key, tidy_engine, sample_images)


@pytest.fixture(params=["20.10", "26.1"])
def any_stage(request: pytest.FixtureRequest) -> ComposeStage:
    found: ComposeStage = request.getfixturevalue("old_stage" if request.param == "20.10" else "stage")
    return found


def runs_of_compose() -> list[int]:
    """Processes of this project's `up` on this machine."""
    found = []
    for pid in process_ids():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:  # noqa: PTH123 - may vanish at any moment
                words = line.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(each.startswith(f"/estiva-runs/{PROJECT}.f".encode()) for each in words):
            found.append(pid)
    return found


def test_one_then_two_and_an_unhealthy_three(any_stage: ComposeStage) -> None:
    """Only what changed is recreated; what is broken gives way to what served."""
    stage = any_stage
    first = stage.deploy(1, stage.text(stage.web("1")))
    assert steps(first) == GOOD, ended(first)
    one = stage.containers()
    assert set(one) == ALL
    second = stage.deploy(2, stage.text(stage.web("2")))
    assert steps(second) == GOOD, ended(second)
    two = stage.containers()
    assert two["web"].id != one["web"].id
    assert (two["db"].id, two["cache"].id) == (one["db"].id, one["cache"].id)
    assert stage.running() == {"web": "2", "db": "1", "cache": "1"}
    assert two["web"].image_id == stage.web("2").image_id
    assert 0 < next(each.seconds for each in second if isinstance(each, Gap)) < 5
    third = stage.deploy(3, stage.text(stage.web("3", behaviour="never_healthy", tag="sick")))
    end = ended(third)
    assert (end.verdict, end.serving_release, end.failed_step) == (Verdict.FAILED_RESTORED, 2, "replace"), end
    assert "service web" in end.what
    three = stage.containers()
    assert three["web"].image_id == two["web"].image_id
    assert (three["db"].id, three["cache"].id) == (one["db"].id, one["cache"].id)
    assert {each.container: each.release for each in third if isinstance(each, Observed)}[f"{PROJECT}-web-1"] == 2


def test_values_arrive_as_they_are_and_nowhere_else(stage: ComposeStage, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    nasty = f"$HOME ${{x}} `touch {canary}` $(touch {canary}) ;touch {canary}; \"q\" 'a' \\n # é\nsecond: line"
    seen: list[str] = []
    watching = threading.Event()

    def watch() -> None:
        while not watching.wait(0.01):
            for pid in runs_of_compose():
                try:
                    with open(f"/proc/{pid}/cmdline") as line, open(f"/proc/{pid}/environ") as room:  # noqa: PTH123
                        seen.append(line.read() + room.read())
                except (FileNotFoundError, ProcessLookupError):
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        text = stage.text(stage.web("1")).replace("${GREETING:-hello}", "${GREETING}")
        events = stage.deploy(1, text, environment=(("GREETING", Secret(nasty)),))
    finally:
        watching.set()
        thread.join()
    assert ended(events).verdict == Verdict.SUCCEEDED, ended(events)
    assert f"SAMPLE_GREETING={nasty}" in stage.containers()["web"].environment
    assert seen
    assert not [each for each in seen if "second: line" in each]
    assert not canary.exists()


def test_files_of_the_repository_become_configs_and_secrets(stage: ComposeStage) -> None:
    addition = """
configs:
  page: {file: ./conf/page.txt}
secrets:
  token: {environment: TOKEN}
"""
    base = stage.text(stage.web("1")).replace(
        "    depends_on: [db]\n",
        "    depends_on: [db]\n    configs: [{source: page, target: /page}]\n    secrets: [token]\n",
    )
    files = (("conf/page.txt", "costs $5 ${not} a variable\n"),)
    first = stage.deploy(1, base + addition, files=files, environment=(("TOKEN", Secret("t$k'n")),))
    assert ended(first).verdict == Verdict.SUCCEEDED, ended(first)
    web = stage.containers()["web"]
    assert read(stage, web.id, "/page") == "costs $5 ${not} a variable\n"
    assert read(stage, web.id, "/run/secrets/token") == "t$k'n"
    built = (("web", str(stage.web("1").image_id)),)  # as an image that was built here, without a registry
    second = stage.deploy(2, base + addition, files=files, environment=(("TOKEN", Secret("other")),), images=built)
    assert ended(second).verdict == Verdict.SUCCEEDED, ended(second)
    now = stage.containers()
    assert now["web"].id != web.id
    assert read(stage, now["web"].id, "/run/secrets/token") == "other"


def read(stage: ComposeStage, container: str, path: str) -> str:
    """A file in a container."""
    client = docker.APIClient(base_url=stage.engine.url)
    try:
        stream, _ = client.get_archive(container, path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            inner = tar.extractfile(tar.getmembers()[0])
            assert inner is not None
            return inner.read().decode()
    finally:
        client.close()


def test_a_cancel_in_the_pull_changes_nothing(stage: ComposeStage) -> None:
    stage.deploy(1, stage.text(stage.web("1")))
    before, signals, events = stage.containers(), Signals(), []
    big = stage.web("big", ballast=20_000_000, tag="big")
    with stage.host(signals) as host:
        for event in deploy_compose(stage.spec(2, stage.text(big)), host):
            events.append(event)
            if isinstance(event, Progress) and event.step == "pull":
                signals.cancelled.set()
    assert ended(events).verdict == Verdict.CANCELLED_UNTOUCHED, ended(events)
    assert {name: each.id for name, each in stage.containers().items()} == {n: e.id for n, e in before.items()}


def test_a_cancel_while_compose_waits_ends_it_on_the_server_and_restores(stage: ComposeStage) -> None:
    stage.deploy(1, stage.text(stage.web("1")))
    signals, events = Signals(), []
    with stage.host(signals) as host:
        for event in deploy_compose(stage.spec(2, never_settled(stage)), host):
            events.append(event)
            if isinstance(event, Line) and event.text.endswith("web-1  Waiting") and not signals.cancelled.is_set():
                assert runs_of_compose()
                signals.cancelled.set()
    end = ended(events)
    assert (end.verdict, end.serving_release) == (Verdict.CANCELLED_RESTORED, 1), end
    assert runs_of_compose() == []
    assert stage.running() == dict.fromkeys(ALL, "1")


def never_settled(stage: ComposeStage) -> str:
    """Version 2, whose health check neither passes nor fails for a long time."""
    check = '    healthcheck: {test: ["CMD", "/bin/busybox", "false"], interval: 1s, retries: 1000}\n'
    return stage.text(stage.web("2")).replace("    depends_on: [db]\n", f"    depends_on: [db]\n{check}")


def test_a_worker_killed_while_compose_waits_is_followed_by_one_that_ends_well(stage: ComposeStage) -> None:
    stage.deploy(1, stage.text(stage.web("1")))
    events: list[Event] = []
    with stage.host() as host:
        deploying = deploy_compose(stage.spec(2, never_settled(stage), wait_seconds=60), host)

        def cut_off() -> Iterator[Event]:
            for event in deploying:
                yield event
                if isinstance(event, Line) and event.text.endswith("web-1  Waiting"):
                    host._session.transport.close()

        interrupted(cut_off(), events, HostLost)
    assert any(isinstance(each, Mutated) for each in events)
    assert runs_of_compose(), "the run goes on without its worker"
    again = stage.deploy(2, stage.text(stage.web("2")), touched=True)
    assert ended(again).verdict == Verdict.SUCCEEDED, ended(again)
    assert runs_of_compose() == []
    assert stage.running() == {"web": "2", "db": "1", "cache": "1"}


@pytest.mark.parametrize("moment", ["web-1  Recreate", "web-1  Recreated"])
def test_a_worker_killed_in_the_midst_of_a_change(stage: ComposeStage, moment: str) -> None:
    stage.deploy(1, stage.text(stage.web("1")))
    events: list[Event] = []
    with stage.host() as host:
        deploying = deploy_compose(stage.spec(2, stage.text(stage.web("2"))), host)

        def cut_off() -> Iterator[Event]:
            for event in deploying:
                yield event
                if isinstance(event, Line) and event.text.endswith(moment):
                    stage.sshd.kill_connections()

        interrupted(cut_off(), events, HostLost)
    again = stage.deploy(2, stage.text(stage.web("2")), touched=True)
    assert ended(again).verdict == Verdict.SUCCEEDED, ended(again)
    assert stage.running() == {"web": "2", "db": "1", "cache": "1"}


def test_a_stale_worker_is_stopped_by_the_fence(stage: ComposeStage) -> None:
    """It was halted before its `up`; when it goes on, a newer one is done. Its lease is lost without its knowledge."""
    stage.deploy(1, stage.text(stage.web("1")))
    spec = stage.spec(2, stage.text(stage.web("2")))
    seen: dict[str, str] = {}
    with stage.host() as host:

        def overtaken() -> Iterator[Event]:
            for event in deploy_compose(spec, host):
                yield event
                if isinstance(event, Line) and event.text.startswith("Compose brings up"):
                    assert ended(stage.deploy(3, stage.text(stage.web("3")), touched=True)).verdict == "succeeded"
                    seen.update({name: each.id for name, each in stage.containers().items()})

        interrupted(overtaken(), [], NewerFence)
    assert {name: each.id for name, each in stage.containers().items()} == seen
    assert stage.running()["web"] == "3"


def test_a_lost_lease_is_noticed_while_compose_waits(stage: ComposeStage) -> None:
    stage.deploy(1, stage.text(stage.web("1")))
    signals = Signals()
    events: list[Event] = []
    with stage.host(signals) as host:

        def losing() -> Iterator[Event]:
            for event in deploy_compose(stage.spec(2, never_settled(stage)), host):
                yield event
                if isinstance(event, Line) and event.text.endswith("web-1  Waiting"):
                    signals.lost.set()

        interrupted(losing(), events, LeaseLost)
    with stage.host() as host:
        assert host.compose_end(PROJECT, stage.fence + 1)
    assert until(lambda: not runs_of_compose())


def test_a_foreign_project_of_the_same_name_is_refused(stage: ComposeStage) -> None:
    image = stage.images.push("db", name="team/db")
    with stage.host() as host:
        for _ in host.pull(image.pinned, platform=None, deadline=30):
            pass
        labels = {"com.docker.compose.project": PROJECT, "com.docker.compose.service": "db"}
        host.create("theirs", {"Image": image.pinned, "Labels": labels})
    end = ended(stage.deploy(1, stage.text(stage.web("1"))))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "container theirs" in end.what


def test_compose_missing_is_said_with_the_remedy(stage: ComposeStage, sshd: SshServer) -> None:
    """The run's other sshd has no Compose where the docker client looks for it."""
    stage.sshd = sshd
    events = stage.deploy(1, stage.text(stage.web("1")))
    end = ended(events)
    (said,) = [each for each in events if isinstance(each, Finding) and each.check == "compose"]
    assert said.result == "bad", said
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "Compose v2 is missing on web-1" in end.what
    assert "docker-compose-plugin" in end.remedy


def test_variables_are_put_in_as_compose_itself_does(compose_cli: ComposeCli, tmp_path: Path) -> None:
    """The same texts, read by the real Compose with the same variables."""
    file = "\n".join(
        ["A=plain # x", "B='$NAME \\n'", 'C="x\\n\\"q\\" ${NAME}"', "D=${GONE:-d}", "NAME", "export E=a#b"]
    )
    (tmp_path / "some.env").write_text(file)
    texts = {f"T{number}": text for number, (text, _) in enumerate(CASES)}
    model = {"services": {"web": {"image": "x", "environment": texts}, "file": {"image": "x", "env_file": "some.env"}}}
    argv = [str(compose_cli.program), "compose", "-f", "-", "config", "--format", "json"]
    said = subprocess.run(
        argv,
        input=json.dumps(model),
        capture_output=True,
        text=True,
        env={**compose_cli.variables, **SET},
        cwd=tmp_path,
        check=True,
    )
    services = unescaped(json.loads(said.stdout))["services"]
    assert services["web"]["environment"] == {name: interpolate(text, SET.get) for name, text in texts.items()}
    assert services["file"]["environment"] == read_dotenv(file, SET.get)
