"""A new version that is proven and then ends, while the old one is handing over: the old one goes on serving, and whoever asks it never notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from parts.dockerd import DockerEngine
from parts.faults import asking
from parts.processes import kill_all
from parts.sshd import SshServer
from tests.integration.engine_stage import RealStage, last, until
from tests.real_parts import SampleImages, SshKey
from tests.worker.engine.stage import lines
from worker.connections.pool import Pool
from worker.engine.events import Event, Line, Verdict
from worker.engine.rollout import deploy

PROVEN, HANDED_OVER, BACK = "is healthy after", "is not found as shop", "answers as shop on shop-net again"
SLOW = "no answer within 3 s"  # a machine with much else to do; who had ended would refuse, or break off


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def stage(
    pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_engine: DockerEngine, sample_images: SampleImages
) -> RealStage:
    return RealStage(pool, sshd, ssh_key, tidy_engine, sample_images).start_first()


@dataclass
class Askers:
    """Two who ask twenty times a second: one the old version's address, one the name, as what runs in that network does."""

    stage: RealStage
    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    back: float = 0.0  # when the old version had its names again

    def begin(self) -> None:
        """Ask from now on."""
        (old,) = self.stage.containers()
        lodger = self._run_beside()
        page = {"name": "web-1", "port": 5000, "address": old.networks["shop-net"], "alias": "", "dns": ""}
        self._ask("address", [], page)
        self._ask("name", ["nsenter", "-t", lodger, "-n"], page | {"address": "", "alias": "shop", "dns": "127.0.0.11"})
        assert until(lambda: len(self.answers("address")) > 5 and len(self.answers("name")) > 5)

    def _run_beside(self) -> str:
        """Somebody else's container in the same network; the number of its process."""
        image, api = self.stage.containers()[0].image, self.stage.engine.api
        made = api.json(
            "POST", "/containers/create?name=lodger", {"Image": image, "HostConfig": {"NetworkMode": "shop-net"}}
        )
        assert api.request("POST", f"/containers/{made['Id']}/start", b"", {})[0] == 204
        return str(api.json("GET", "/containers/lodger/json")["State"]["Pid"])

    def _ask(self, name: str, first: list[str], page: dict[str, Any]) -> None:
        command = [*first, sys.executable, asking.__file__, str(self.folder / name)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write(json.dumps([page]) + "\n")
        process.stdin.close()
        self.processes.append(process)

    def end(self) -> None:
        """No more questions."""
        kill_all([process.pid for process in self.processes])
        for process in self.processes:
            process.wait()

    def answers(self, name: str) -> list[tuple[float, str]]:
        """When each was asked, and what was wrong with its answer."""
        place = self.folder / name
        rows = [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []
        return sorted((asked, wrong) for _name, asked, _answered, _text, wrong in rows)


@pytest.fixture
def askers(stage: RealStage, tmp_path: Path) -> Iterator[Askers]:
    found = Askers(stage, tmp_path)
    yield found
    found.end()


def ending(stage: RealStage, askers: Askers, line: str, nth: int, delay: float) -> list[Event]:
    """Deploy a second version whose process dies so long after the nth such line."""
    assert last(stage.deploy(1, stage.images.push("1"))).verdict == Verdict.SUCCEEDED
    askers.begin()
    events: list[Event] = []
    with stage.host() as host:
        for event in deploy(stage.spec(2, stage.images.push("2")), host):
            events.append(event)
            if isinstance(event, Line) and BACK in event.text:
                askers.back = time.time()
            if isinstance(event, Line) and line in event.text:
                nth -= 1
                if nth == 0:
                    threading.Timer(delay, crash, [stage]).start()
    settled = time.time()
    assert until(lambda: askers.answers("name")[-1][0] > settled + 0.5)
    return events


def crash(stage: RealStage) -> None:
    """The new version's process is gone, as after a crash."""
    (name,) = [
        each["Names"][0] for each in stage.engine.api.json("GET", "/containers/json") if "-r2." in each["Names"][0]
    ]
    os.kill(stage.engine.api.json("GET", f"/containers{name}/json")["State"]["Pid"], signal.SIGKILL)


@pytest.mark.parametrize(
    ("line", "nth", "delay"), [(PROVEN, 2, 0.0), (HANDED_OVER, 1, 0.0), (HANDED_OVER, 1, 0.5), (HANDED_OVER, 1, 1.0)]
)
@pytest.mark.parametrize("policy", ["no", "unless-stopped"])
def test_the_old_version_is_not_stopped(
    stage: RealStage, askers: Askers, policy: str, line: str, nth: int, delay: float
) -> None:
    stage.start_first(restart=policy)
    events = ending(stage, askers, line, nth, delay)
    asked = askers.answers("address")
    assert [each for each in asked if each[1] not in ("", SLOW)] == [], "0 failed requests"
    nowhere = [at for at, wrong in askers.answers("name") if wrong == "no address"]
    assert [at for at in nowhere if at > askers.back] == [], "who asks by name finds the old one again"
    end = last(events)
    assert (end.verdict, end.serving_release) == (Verdict.FAILED_RESTORED, 1), end
    assert end.failed_step in ({"health", "verify"} if line == PROVEN else {"verify"})
    assert "was proven, but did not stay well" in end.what
    assert "Stopping the old version" not in str(lines(events))
    (left,) = stage.containers()
    assert (left.labels["estiva.release"], left.restart_policy, left.restart_count) == ("1", policy, 0)
    assert "shop" in left.network_aliases["shop-net"]
