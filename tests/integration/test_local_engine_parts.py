"""What the engine beside a worker needs from the machine: its network told apart, and Compose as on any server."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from parts.dockerd import DockerEngine
from parts.engine26 import ComposeCli
from parts.environment import ROOT
from parts.processes import process_ids
from parts.sshd import SshServer
from tests.integration.compose_stage import ComposeStage
from tests.integration.engine_stage import until
from tests.integration.test_compose_deploys import ALL, GOOD
from tests.real_parts import SampleImages, SshKey
from tests.worker.engine.stage import ended, steps
from worker.brief import NO_CREDENTIAL, NO_HOST_KEY
from worker.connections import local_channels
from worker.connections.beside import look
from worker.connections.compose import ComposeDockerHost
from worker.connections.login import Beside, SshAddress
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.events import Verdict

LOOK = "import sys; from worker.connections.beside import look; print(look(sys.argv[1]).whole)"


class StageBeside(ComposeStage):
    """The same stage without SSH; commands begin in `folder`."""

    folder: Path

    def runs(self) -> list[str]:
        """Command lines of Compose at work on this engine."""
        lines = [Path(f"/proc/{pid}/cmdline") for pid in process_ids()]
        read = [_text(each) for each in lines]
        return [each for each in read if "/estiva-runs/" in each and str(self.engine.socket) in each]

    @contextmanager
    def host(self, signals: Signals | None = None) -> Iterator[ComposeDockerHost]:
        """A connection of its own."""
        socket = str(self.engine.socket)
        address = SshAddress("web-1", "", 0, "", beside=Beside(look(socket).identity, socket, str(self.folder)))
        with self.pool.session(address, NO_CREDENTIAL, NO_HOST_KEY, signals or Signals()) as session:
            yield ComposeDockerHost(session, socket)


@pytest.fixture
def stage(
    compose_cli: ComposeCli,
    sshd: SshServer,
    ssh_key: SshKey,
    tidy_engine: DockerEngine,
    sample_images: SampleImages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[StageBeside]:
    for name, value in compose_cli.variables.items():  # where Compose is unpacked for tests; else it is installed
        monkeypatch.setitem(local_channels.ENVIRONMENT, name, value)
    pool = Pool()
    found = StageBeside(pool, sshd, ssh_key, tidy_engine, sample_images)
    found.folder = tmp_path
    yield found
    pool.close()


def test_within_a_network_of_its_own_a_worker_can_only_build(tidy_engine: DockerEngine) -> None:
    """As in a container. The same question, asked within this network, is answered the other way."""
    asked = [sys.executable, "-c", LOOK, str(tidy_engine.socket)]
    within = subprocess.run(["unshare", "--net", *asked], cwd=ROOT, capture_output=True, text=True, check=True)
    here = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (within.stdout.strip(), here.stdout.strip()) == ("False", "True")


def test_compose_beside_the_worker(stage: StageBeside) -> None:
    """Up, changed, and a run that is cancelled: its processes are gone and what served serves."""
    first = stage.deploy(1, stage.text(stage.web("1")))
    assert steps(first) == GOOD, ended(first)
    assert set(stage.containers()) == ALL
    second = stage.deploy(2, stage.text(stage.web("2")))
    assert steps(second) == GOOD, ended(second)
    assert stage.running()["web"] == "2"

    signals = Signals()

    def cancel() -> None:
        until(lambda: bool(stage.runs()))
        signals.cancelled.set()

    watching = threading.Thread(target=cancel)
    watching.start()
    third = stage.deploy(3, stage.text(stage.web("3", behaviour="never_healthy", tag="sick")), signals)
    watching.join()
    assert ended(third).verdict == Verdict.CANCELLED_RESTORED, ended(third)
    assert stage.runs() == []
    assert stage.running()["web"] == "2"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
