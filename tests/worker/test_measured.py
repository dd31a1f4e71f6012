"""What a process counts about itself reaches the record with its beat."""

import json
import threading
from contextlib import nullcontext

import pytest

from deployments.measures import COUNTERS, GAUGES, SSH_RESULTS, TIMES
from deployments.models import WorkerProcess
from worker import presence
from worker.connections.connects import counted
from worker.engine.errors import AuthenticationRefused, Cancelled, HostKeyChanged, HostLost, SocketRefused
from worker.measured import Measured, measured


def test_what_never_happened_is_left_out() -> None:
    assert Measured().as_json()["counts"] == {}
    assert Measured().as_json()["times"] == {}


def test_counts_and_times() -> None:
    own = Measured()
    own.count("ssh_connects", "connected")
    own.count("ssh_connects", "connected")
    own.count("ssh_connects", "unreachable")
    own.count("log_lines", by=400)
    for seconds in (0.02, 0.025, 0.3, 99.0):
        own.took("log_lag_seconds", seconds)
    told = json.loads(json.dumps(own.as_json()))
    assert told["counts"] == {"ssh_connects": {"connected": 2, "unreachable": 1}, "log_lines": {"": 400}}
    assert told["times"] == {"log_lag_seconds": {"sum": 99.345, "each": [2, 0, 0, 0, 1, 0, 0, 0, 0, 1]}}
    assert set(told["now"]) == set(GAUGES)
    assert all(value > 0 for value in told["now"].values())


def test_nobody_counts_what_has_no_name() -> None:
    with pytest.raises(KeyError):
        Measured().count("oddities")
    with pytest.raises(KeyError):
        Measured().took("oddities", 1.0)


def test_many_threads_lose_nothing() -> None:
    own = Measured()

    def count() -> None:
        for _ in range(1000):
            own.count("log_lines")
            own.took("log_lag_seconds", 0.1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    told = own.as_json()
    assert told["counts"]["log_lines"] == {"": 8000}
    assert sum(told["times"]["log_lag_seconds"]["each"]) == 8000


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "connected"),
        (HostLost("web-1 doesn't answer."), "unreachable"),
        (AuthenticationRefused("No such key."), "login_refused"),
        (HostKeyChanged("web-1 shows another key."), "key_changed"),
        (SocketRefused("no"), "unreachable"),
        (Cancelled(), "given_up"),
    ],
)
def test_an_attempt_to_connect_is_counted_by_its_result(error: Exception | None, result: str) -> None:
    def seen() -> tuple[int, int]:
        told = measured.as_json()
        times = told["times"].get("ssh_connect_seconds", {"each": []})
        return told["counts"].get("ssh_connects", {}).get(result, 0), sum(times["each"])

    assert result in SSH_RESULTS
    before = seen()
    with pytest.raises(type(error)) if error else nullcontext(), counted():
        if error is not None:
            raise error
    assert seen() == (before[0] + 1, before[1] + 1)


@pytest.mark.django_db
def test_a_beat_writes_it_down() -> None:
    measured.count("log_lines")
    presence.beat("deploy@one", "deploy")
    first = WorkerProcess.objects.get().measured
    measured.count("log_lines")
    presence.beat("deploy@one", "deploy")
    second = WorkerProcess.objects.get().measured
    assert first is not None
    assert second is not None
    assert second["counts"]["log_lines"][""] == first["counts"]["log_lines"][""] + 1


def test_buckets_rise() -> None:
    for times in TIMES.values():
        assert list(times.buckets) == sorted(set(times.buckets))
    assert not set(TIMES) & set(COUNTERS)
