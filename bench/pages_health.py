"""The servers' health, written to a day and an hour: what pages ask of it lies within the last minutes and the last two days."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from bench.pages_copy import copies, stamp
from deployments.models import Host, HostSample

LARGE: Final = 100_000  # deployments: in a smaller world the health of some servers is on record
SOME: Final = 20
AHEAD: Final = 12  # stretches of five minutes, so that there is fresh health for as long as pages are measured
KINDS: Final = ((False, timedelta(minutes=5), 576, AHEAD), (True, timedelta(hours=1), 1440, 0))
"""Whether hourly, how long a stretch is, how many there are, and how many of them lie ahead: two days, and sixty."""
_COLUMNS: Final = (
    "host_id",
    "is_hourly",
    "at",
    "looks",
    "reached",
    "disk_free",
    "disk_total",
    "memory_free",
    "memory_total",
    "load",
    "cores",
)
_FACTS: Final = (5, 5, 31_000_000_000, 80_000_000_000, 3_000_000_000, 8_000_000_000, 0.7, 4)


def stretches(now: datetime) -> Iterator[tuple[bool, datetime]]:
    """Whether it is an hour's, and when it begins: every stretch of a server's."""
    for is_hourly, span, amount, ahead in KINDS:
        newest = int(now.timestamp() // span.total_seconds()) + ahead
        for number in range(newest - amount + 1, newest + 1):
            yield is_hourly, datetime.fromtimestamp(number * span.total_seconds(), tz=now.tzinfo)


def write(hosts: Sequence[Host], now: datetime, deployments: int) -> None:
    """Of all these servers, of some in a small world."""
    moments = [("t" if is_hourly else "f", stamp(at)) for is_hourly, at in stretches(now)]
    with copies((HostSample, _COLUMNS)) as (rows,):
        for host in hosts if deployments >= LARGE else hosts[:SOME]:
            for hourly, at in moments:
                rows.add(host.pk, hourly, at, *_FACTS)


def write_anew(now: datetime, deployments: int) -> None:
    """As if it were written now: what a kept data set has is as old as that is, and pages wouldn't find it."""
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(HostSample._meta.db_table)
        cursor.execute(f"TRUNCATE {table}")
        write(list(Host.objects.order_by("pk")), now, deployments)
        cursor.execute(f"VACUUM ANALYZE {table}")
