"""The real parts really start, break on purpose as promised, and leave the machine as they found it."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from parts import bridge
from parts.dockerd import DockerEngine
from parts.leftovers import clear_leftovers
from parts.postgres import Postgres
from parts.processes import Process, free_port, port_answers, start_time, wait_until
from parts.sample_image import Sample, archive, image_id
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.real_parts import SampleImages, SshKey


def start_container(engine: DockerEngine, image: str, **settings: Any) -> str:
    created = engine.api.json("POST", "/containers/create", {"Image": image, **settings})
    engine.api.json("POST", f"/containers/{created['Id']}/start")
    return str(created["Id"])


def pull(engine: DockerEngine, reference: str) -> str:
    _, answer = engine.api.request("POST", f"/images/create?fromImage={reference}")
    return answer.decode()


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def await_page(port: int, path: str = "/") -> tuple[int, str]:
    """The engine's proxy listens before the application does, so only an answer counts."""
    answers: list[tuple[int, str]] = []

    def answered() -> bool:
        try:
            answers.append(fetch(port, path))
        except OSError:
            return False
        return True

    wait_until(answered, f"an answer on port {port}")
    return answers[-1]


def published(port: int, policy: str = "no") -> dict[str, Any]:
    bindings = {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    return {"HostConfig": {"PortBindings": bindings, "RestartPolicy": {"Name": policy}}}


def ssh(server: SshServer, key: SshKey, *command: str) -> subprocess.CompletedProcess[str]:
    known = key.path.with_suffix(".known")
    known.write_text(f"{server.known_hosts_line()}\n")
    options = [
        "-i",
        str(key.path),
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
    ]
    argv = ["ssh", "-F", "none", *options, "-p", str(server.port), f"{server.user}@{server.address}", *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


class TestEngine:
    def test_serves_the_sample_application_pulled_from_the_registry(
        self, tidy_engine: DockerEngine, sample_images: SampleImages
    ) -> None:
        image = sample_images.push("7")
        pull(tidy_engine, image.pinned)
        port = free_port()
        container = start_container(tidy_engine, image.pinned, **published(port))
        status, page = await_page(port)
        assert status == 200
        assert "Version 7" in page
        assert fetch(port, "/healthz") == (200, "ok")
        assert tidy_engine.api.json("GET", f"/containers/{container}/json")["Image"] == image.image_id

    def test_a_windows_image_is_refused_by_platform(
        self, tidy_engine: DockerEngine, sample_images: SampleImages
    ) -> None:
        assert "no matching manifest for linux/" in pull(tidy_engine, sample_images.windows_only().reference)

    def test_a_reboot_kills_containers_and_brings_back_those_that_should_come(
        self, make_engine: Callable[..., DockerEngine], sample_images: SampleImages
    ) -> None:
        engine, image, port = make_engine(), sample_images.push("1"), free_port()
        pull(engine, image.reference)
        kept = start_container(engine, image.reference, **published(port, "always"))
        lost = start_container(engine, image.reference)
        await_page(port)
        before = engine.api.json("GET", f"/containers/{kept}/json")["State"]["Pid"]
        engine.kill()
        assert not port_answers(port)
        assert start_time(before) is None
        engine.reboot()
        await_page(port)
        assert engine.api.json("GET", f"/containers/{lost}/json")["State"]["Running"] is False

    def test_live_restore_keeps_containers_while_the_daemon_restarts(
        self, make_engine: Callable[..., DockerEngine], sample_images: SampleImages
    ) -> None:
        engine, image = make_engine(live_restore=True), sample_images.push("1")
        pull(engine, image.reference)
        container = start_container(engine, image.reference)
        before = engine.api.json("GET", f"/containers/{container}/json")["State"]
        engine.restart()
        after = engine.api.json("GET", f"/containers/{container}/json")["State"]
        assert after["Running"]
        assert after["Pid"] == before["Pid"]

    def test_two_engines_do_not_meet_and_leave_nothing_behind(self, make_engine: Callable[..., DockerEngine]) -> None:
        forwarding = bridge.forwarding()
        first, second = make_engine(), make_engine()
        first.api.json("POST", "/networks/create", {"Name": "one"})
        assert [row["Name"] for row in second.api.json("GET", "/networks") if row["Name"] == "one"] == []
        links = first.links | second.links
        assert len(links) == 2
        # by their indexes: a name that is given up may be taken by what runs beside this
        ours = {link["ifindex"] for link in bridge._ip("link") if link["ifname"] in links}
        assert len(ours) == 2
        first.destroy()
        second.stop()
        assert not ours & {link["ifindex"] for link in bridge._ip("link")}
        assert bridge.forwarding() == forwarding
        assert str(first.folder) not in Path("/proc/self/mounts").read_text()

    def test_an_image_can_come_without_a_registry(self, tidy_engine: DockerEngine) -> None:
        sample = Sample("local")
        tidy_engine.api.load(archive(sample, "built/here:1"))
        assert tidy_engine.api.json("GET", "/images/built/here:1/json")["Id"] == image_id(sample)


class TestSampleBehaviours:
    @pytest.mark.parametrize(("behaviour", "code"), [("exits", 3), ("exits_after", 4)])
    def test_those_that_end_do_so_with_their_code(
        self, tidy_engine: DockerEngine, sample_images: SampleImages, behaviour: str, code: int
    ) -> None:
        image = sample_images.push(
            "1", name=f"team/{behaviour}", behaviour=behaviour, variables={"SAMPLE_SECONDS": "0.1"}
        )
        pull(tidy_engine, image.reference)
        container = start_container(tidy_engine, image.reference)
        assert tidy_engine.api.json("POST", f"/containers/{container}/wait")["StatusCode"] == code

    def test_never_healthy_answers_503(self, tidy_engine: DockerEngine, sample_images: SampleImages) -> None:
        image, port = sample_images.push("1"), free_port()
        pull(tidy_engine, image.reference)
        start_container(tidy_engine, image.reference, Env=["SAMPLE_BEHAVIOUR=never_healthy"], **published(port))
        assert await_page(port, "/healthz") == (503, "the database cannot be reached")

    def test_plain_ends_when_asked_and_ignores_term_does_not(
        self, tidy_engine: DockerEngine, sample_images: SampleImages
    ) -> None:
        image = sample_images.push("1")
        pull(tidy_engine, image.reference)
        codes = {}
        for behaviour in ("plain", "ignores_term"):
            port = free_port()
            container = start_container(
                tidy_engine, image.reference, Env=[f"SAMPLE_BEHAVIOUR={behaviour}"], **published(port)
            )
            await_page(port)
            tidy_engine.api.json("POST", f"/containers/{container}/stop?t=1")
            codes[behaviour] = tidy_engine.api.json("GET", f"/containers/{container}/json")["State"]["ExitCode"]
        assert codes == {"plain": 0, "ignores_term": 137}


class TestSshServer:
    def test_lets_the_authorized_key_in(self, sshd: SshServer, ssh_key: SshKey) -> None:
        assert ssh(sshd, ssh_key, "echo", "aboard").stdout == "aboard\n"

    def test_a_changed_host_key_is_another_fingerprint(
        self, make_sshd: Callable[..., SshServer], ssh_key: SshKey
    ) -> None:
        server = make_sshd()
        before = server.fingerprint()
        server.change_host_key()
        assert server.fingerprint() != before
        assert ssh(server, ssh_key, "true").returncode == 0

    def test_killed_connections_end_and_new_ones_work(
        self, make_sshd: Callable[..., SshServer], ssh_key: SshKey, folder: Path
    ) -> None:
        server = make_sshd()
        known = folder / "killed.known"
        known.write_text(f"{server.known_hosts_line()}\n")
        argv = [
            "ssh",
            "-F",
            "none",
            "-i",
            str(ssh_key.path),
            "-o",
            f"UserKnownHostsFile={known}",
            "-p",
            str(server.port),
        ]
        log = folder / "killed.log"
        session = Process([*argv, f"{server.user}@{server.address}", "echo in; cat /dev/zero > /dev/null"], log=log)
        session.start()
        session.wait_ready(lambda: "in\n" in log.read_text())
        server.restart()
        assert session.alive
        server.kill_connections()
        assert session.wait() == 255
        assert ssh(server, ssh_key, "true").returncode == 0

    def test_options_are_obeyed(self, make_sshd: Callable[..., SshServer], ssh_key: SshKey) -> None:
        server = make_sshd(options={"ForceCommand": "echo forced"})
        assert ssh(server, ssh_key, "echo", "asked").stdout == "forced\n"


class TestValkey:
    def test_keeps_what_was_written_over_a_kill(self, make_valkey: Callable[[], Valkey]) -> None:
        server = make_valkey()
        with redis.Redis.from_url(server.url) as client:
            client.set("tide", "high")
            client.execute_command("WAITAOF", 1, 0, 2000)
        server.kill()
        assert not server.answers()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("tide") == b"high"

    def test_frozen_it_does_not_answer(self, make_valkey: Callable[[], Valkey]) -> None:
        server = make_valkey()
        server.freeze()
        assert not server.answers()
        server.resume()
        assert server.answers()


class TestPostgres:
    def test_comes_back_after_a_crash(self, postgres_server: Postgres) -> None:
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE tide (height int)")
        postgres_server.restart(immediate=True)
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            connection.execute("DROP TABLE tide")


class TestLeftovers:
    def test_a_killed_run_is_cleared_up_by_the_next(self) -> None:
        """A run of its own starts parts and is killed; what it left goes, and this run's own parts stay."""
        script = (
            "import os, signal; from parts.part import temporary_folder; from parts.dockerd import DockerEngine;"
            "from parts.registry import Registry; f = temporary_folder('left');"
            "e = DockerEngine(f / 'e'); e.start(); r = Registry(f / 'r'); r.start();"
            "print(f, e.process.pid, r.process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
        )
        killed = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": "bin"},
            check=False,
        )
        folder, *pids = killed.stdout.split()
        assert all(start_time(int(pid)) for pid in pids)
        assert Path(folder) in clear_leftovers()
        assert not Path(folder).exists()
        assert not any(start_time(int(pid)) for pid in pids)
