"""What dies is started again, with all that its master had begun; who leaves ends it for good."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from parts.faults.estiva import Estiva
from parts.faults.keeping import Keeper
from parts.processes import Process, descendants, start_time, wait_until

LONG = "1000"


@pytest.mark.parametrize("count", [1, 2])
def test_it_runs_again_and_what_it_had_begun_does_not(tmp_path: Path, count: int) -> None:
    made: list[Process] = []

    def start() -> Process:
        process = Process(["sh", "-c", f"sleep {LONG} & wait"], log=tmp_path / "log")
        process.start()
        made.append(process)
        return process

    with Keeper(Estiva(tmp_path)) as keeper:
        keeper.keep("web", start, start())
        for _ in range(count):
            master = made[-1]
            wait_until(lambda: len(descendants(made[-1].pid)) == 1, "it has begun something")
            (child,) = descendants(master.pid)
            master.send_signal(signal.SIGKILL)
            wait_until(lambda: made[-1] is not master and made[-1].alive, "it runs again")  # noqa: B023 - awaited here
            assert start_time(child) is None
            assert keeper.running("web") == [made[-1]]
            assert keeper.running("look") == []
    assert len(made) == count + 1
    assert not any(each.alive for each in made)
