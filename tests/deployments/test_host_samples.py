"""Health over time: the worst of each stretch, a bounded number of rows, charts that break where nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deployments import clock, host_samples
from deployments.host_samples import Seen
from deployments.models import Host, HostSample
from deployments.queries.alarms import alarms_for
from deployments.queries.health import HEIGHT, WIDTH, health_page, warnings
from tests import factories as make

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
WELL = Seen(disk_free=80, disk_total=100, memory_free=50, memory_total=100, load=0.5)


@pytest.fixture
def host() -> Host:
    """A ready server."""
    make.worker()
    return make.host("web-1")


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """The database's clock."""
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_a_stretch_keeps_the_worst(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, NOON)
    host_samples.record(host.pk, WELL)
    host_samples.record(host.pk, Seen(disk_free=60, disk_total=100, memory_free=70, load=2.0))
    host_samples.record(host.pk, None)
    at(monkeypatch, NOON + timedelta(minutes=5))
    host_samples.record(host.pk, Seen())
    short, later = HostSample.objects.filter(is_hourly=False)
    assert (short.at, later.at) == (NOON.replace(second=0), NOON.replace(minute=5, second=0))
    assert (short.disk_free, short.memory_free, short.memory_total, short.load) == (60, 50, 100, 2.0)
    assert (short.looks, short.reached) == (3, 2)
    assert (later.disk_free, later.looks) == (None, 1)
    hour = HostSample.objects.get(is_hourly=True)
    assert (hour.at, hour.looks, hour.disk_free) == (NOON.replace(second=0), 4, 60)


def test_rows_are_bounded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    HostSample.objects.bulk_create(
        HostSample(host=host, is_hourly=hourly, at=NOON - timedelta(hours=hours))
        for hourly, hours in ((False, 47), (False, 49), (True, 49), (True, 60 * 24 - 1), (True, 60 * 24 + 1))
    )
    at(monkeypatch, NOON)
    host_samples.record(host.pk, WELL)
    ages = {(row.is_hourly, round((NOON - row.at) / timedelta(hours=1))) for row in HostSample.objects.all()}
    assert ages == {(False, 0), (False, 47), (True, 0), (True, 49), (True, 60 * 24 - 1)}


def test_charts_break_where_nothing_is_known(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes in (0, 5, 10, 60, 65):
        at(monkeypatch, NOON + timedelta(minutes=minutes))
        host_samples.record(host.pk, WELL)
    host_samples.record(host.pk, None)
    page = health_page(host, is_long=False)
    disk, memory, load = page.charts
    assert [len(line.split()) for line in disk.lines] == [3, 2]
    assert disk.now == pytest.approx(20)
    assert (memory.now, load.now, load.most) == (50.0, 0.5, 0.5)
    points = [tuple(map(float, point.split(","))) for line in disk.lines for point in line.split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert (page.looks, page.reached, len(page.gaps)) == (6, 5, 1)
    assert len(page.covered) == 2, "what was never looked at is drawn as nothing"
    assert page.percent_reached == pytest.approx(83.3, abs=0.1)
    assert health_page(host, is_long=True).looks == 6


def test_a_server_without_samples_has_empty_charts(host: Host) -> None:
    page = health_page(host, is_long=False)
    assert (page.looks, page.percent_reached, [chart.lines for chart in page.charts]) == (0, None, [[], [], []])


@pytest.mark.parametrize(("free", "tone"), [(11, None), (9, "warn"), (4, "bad")])
def test_little_disk_warns_on_the_overview(host: Host, free: int, tone: str | None) -> None:
    Host.objects.filter(pk=host.pk).update(disk_free=free, disk_total=100)
    found = alarms_for(make.ana(), [])
    assert [each.tone for each in found] == ([tone] if tone else [])
    assert [(each.host, each.title) for each in found] == ([(host, "web-1 runs out of disk.")] if tone else [])


def test_little_memory_warns_while_that_is_fresh(host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(disk_free=90, disk_total=100)
    host.refresh_from_db()
    host_samples.record(host.pk, Seen(memory_free=3, memory_total=100))
    assert [(each.tone, each.title, each.text) for each in warnings(Host.objects.all())] == [
        ("warn", "web-1 runs out of memory.", "3.0 % is free.")
    ]
    HostSample.objects.update(at=clock.now() - timedelta(hours=1))
    assert warnings(Host.objects.all()) == []


@pytest.mark.parametrize(
    ("loads", "cores", "warned"),
    [
        ((8.1,), 4, True),
        ((7.9,), 4, False),
        ((8.1, 30.0, 9.0), 4, True),
        ((30.0, 1.0, 30.0), 4, False),  # it has paused
        ((2.5,), 1, True),
        ((80.0,), None, False),  # what can't be measured is not warned of
    ],
)
def test_a_load_that_lasts_warns_on_the_overview(
    host: Host, monkeypatch: pytest.MonkeyPatch, loads: tuple[float, ...], cores: int | None, warned: bool
) -> None:
    now = clock.now()
    for number, load in enumerate(loads):
        at(monkeypatch, now - timedelta(minutes=5 * (len(loads) - 1 - number)))
        host_samples.record(host.pk, Seen(load=load, cores=cores))
    found = alarms_for(make.ana(), [])
    assert [(each.tone, each.host, each.title) for each in found] == (
        [("warn", host, "web-1 is overloaded.")] if warned else []
    )
    if warned:
        noun = "processor" if cores == 1 else "processors"
        words = f"At every look of the last 15 minutes the load was {min(loads):.1f} or more, on {cores} {noun}."
        assert found[0].text == words


def test_the_load_is_shown_with_what_it_is_measured_by(host: Host) -> None:
    host_samples.record(host.pk, Seen(disk_free=1, disk_total=2))
    assert health_page(host, is_long=False).charts[-1].note == ""
    host_samples.record(host.pk, Seen(load=0.3))
    assert health_page(host, is_long=False).charts[-1].note == "processors unknown"
    host_samples.record(host.pk, Seen(load=0.3, cores=4))
    host_samples.record(host.pk, Seen())
    assert [each.note for each in health_page(host, is_long=True).charts] == ["", "", "4 processors"]
