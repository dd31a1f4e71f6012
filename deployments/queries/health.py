"""A server's health over time as charts, and what of it is worth a warning."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deployments import clock
from deployments.host_samples import KEPT, LONG, SHORT
from deployments.models import Host, HostSample

WIDTH: Final = 600
HEIGHT: Final = 64

DISK_WARN, DISK_BAD = 0.10, 0.05
"""Of the disk, free."""

MEMORY_WARN: Final = 0.05
LOAD_WARN: Final = 2.0
"""For each processor, in every stretch that is fresh: a build or a backup may take all of them for some minutes."""

FRESH: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Chart:
    """One line: `lines` are SVG points of its unbroken pieces, `areas` the same closed below. `now` and `most` in words."""

    key: str
    title: str
    lines: list[str]
    areas: list[str]
    now: float | None
    most: float | None
    unit: str
    note: str = ""

    width = WIDTH
    height = HEIGHT


@dataclass(frozen=True, slots=True)
class Reach:
    """One stretch in which the server was not reached at every look: where it is drawn."""

    x: float
    width: float
    at: datetime
    missed: int
    looks: int


@dataclass(frozen=True, slots=True)
class HealthPage:
    """All charts of a server for two days, or sixty."""

    is_long: bool
    since: datetime
    charts: list[Chart]
    covered: list[tuple[float, float]]
    """Where it was looked at, reached or not: (x, width)."""

    gaps: list[Reach]
    looks: int
    reached: int

    width = WIDTH
    height = HEIGHT

    @property
    def percent_reached(self) -> float | None:
        """Of all looks; None before the first."""
        return 100 * self.reached / self.looks if self.looks else None


def health_page(host: Host, *, is_long: bool) -> HealthPage:
    """The read model, in one query."""
    span, step = KEPT[is_long], LONG if is_long else SHORT
    now = clock.now()
    since = now - span
    rows = list(HostSample.objects.filter(host=host, is_hourly=is_long, at__gte=since))

    def place(moment: datetime) -> float:
        return round((moment - since) / span * WIDTH, 1)

    drawn = [
        ("disk", _("Disk used"), "%", _used("disk_free", "disk_total"), 100.0),
        ("memory", _("Memory used"), "%", _used("memory_free", "memory_total"), 100.0),
        ("load", _("Load"), "", lambda row: row.load, None),
    ]
    charts = [_chart(key, title, unit, rows, value, top, place, step) for key, title, unit, value, top in drawn]
    charts[-1] = replace(charts[-1], note=_cores(rows))
    width = round(step / span * WIDTH, 1)
    gaps = [
        Reach(place(row.at), max(1.0, width), row.at, row.looks - row.reached, row.looks)
        for row in rows
        if row.reached < row.looks
    ]
    covered = [
        (place(piece[0][0]), max(1.0, round(place(piece[-1][0]) - place(piece[0][0]) + width, 1)))
        for piece in _pieces([(row.at, float(row.looks)) for row in rows], step)
    ]
    return HealthPage(
        is_long, since, charts, covered, gaps, sum(row.looks for row in rows), sum(row.reached for row in rows)
    )


def _cores(rows: Sequence[HostSample]) -> str:
    """What the load is to be measured by; nothing where there is none either."""
    cores = next((row.cores for row in reversed(rows) if row.cores), None)
    if cores:
        return ngettext("%(cores)s processor", "%(cores)s processors", cores) % {"cores": cores}
    return _("processors unknown") if any(row.load is not None for row in rows) else ""


def _used(free: str, total: str) -> Callable[[HostSample], float | None]:
    def value(row: HostSample) -> float | None:
        has, all_of_it = getattr(row, free), getattr(row, total)
        return None if has is None or not all_of_it else 100 * (1 - has / all_of_it)

    return value


def _chart(
    key: str,
    title: str,
    unit: str,
    rows: Sequence[HostSample],
    value: Callable[[HostSample], float | None],
    top: float | None,
    place: Callable[[datetime], float],
    step: timedelta,
) -> Chart:
    known = [(row.at, value(row)) for row in rows]
    numbers = [number for _at, number in known if number is not None]
    ceiling = top or max([1.0, *numbers]) * 1.1
    pieces = [[(place(at), _height(number, ceiling)) for at, number in piece] for piece in _pieces(known, step)]
    return Chart(
        key,
        title,
        [_points(piece) for piece in pieces],
        [_points([(piece[0][0], HEIGHT), *piece, (piece[-1][0], HEIGHT)]) for piece in pieces],
        numbers[-1] if numbers else None,
        max(numbers, default=None),
        unit,
    )


def _pieces(known: Iterable[tuple[datetime, float | None]], step: timedelta) -> list[list[tuple[datetime, float]]]:
    """Broken where nothing is known for longer than two steps."""
    found: list[list[tuple[datetime, float]]] = []
    before: datetime | None = None
    for at, number in known:
        if number is None:
            continue
        if before is None or at - before > 2 * step:
            found.append([])
        found[-1].append((at, number))
        before = at
    return found


def _height(number: float, ceiling: float) -> float:
    return round(HEIGHT - 1 - min(1.0, number / ceiling) * (HEIGHT - 3), 1)


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in pairs)


@dataclass(frozen=True, slots=True)
class Warned:
    """A server that runs out of something. `tone` is bad or warn."""

    host: Host
    tone: str
    title: str
    text: str


def warnings(hosts: QuerySet[Host]) -> list[Warned]:
    """Those that run out of disk or memory, or are overloaded, in one query."""
    fresh = HostSample.objects.filter(host=OuterRef("pk"), is_hourly=False, at__gte=Now() - FRESH).order_by("-at")
    rows = hosts.only("name", "disk_free", "disk_total").annotate(
        memory_free=Subquery(fresh.values("memory_free")[:1]),
        memory_total=Subquery(fresh.values("memory_total")[:1]),
        cores=Subquery(fresh.values("cores")[:1]),
        lasting_load=Subquery(fresh.order_by().values("host").annotate(least=Min("load")).values("least")),
    )
    found = []
    for host in rows.order_by("name"):
        if host.disk_total and host.disk_free is not None and host.disk_free < DISK_WARN * host.disk_total:
            tone = "bad" if host.disk_free < DISK_BAD * host.disk_total else "warn"
            title = _("%(server)s runs out of disk.") % {"server": host.name}
            found.append(Warned(host, tone, title, _percent_free(host.disk_free, host.disk_total)))
        if host.memory_total and (host.memory_free or 0) < MEMORY_WARN * host.memory_total:
            title = _("%(server)s runs out of memory.") % {"server": host.name}
            found.append(Warned(host, "warn", title, _percent_free(host.memory_free or 0, host.memory_total)))
        if host.cores and host.lasting_load is not None and host.lasting_load > LOAD_WARN * host.cores:
            found.append(Warned(host, "warn", _("%(server)s is overloaded.") % {"server": host.name}, _load(host)))
    return found


def _load(host: Any) -> str:
    words = {"load": f"{host.lasting_load:.1f}", "cores": host.cores, "minutes": int(FRESH.total_seconds() // 60)}
    said = ngettext(
        "At every look of the last %(minutes)s minutes the load was %(load)s or more, on %(cores)s processor.",
        "At every look of the last %(minutes)s minutes the load was %(load)s or more, on %(cores)s processors.",
        host.cores,
    )
    return said % words


def _percent_free(free: int, total: int) -> str:
    return _("%(percent)s %% is free.") % {"percent": f"{100 * free / total:.1f}"}
