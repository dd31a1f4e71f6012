"""How often, and how well, over the last fourteen days."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Final

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from deployments.models import Deployment
from deployments.states import DEPLOYMENT_ENDS, DeploymentStatus

DAYS: Final = 14
_HEIGHT: Final = 56
_WIDTH: Final = 22
MEDIAN_OF: Final = 500  # Deployments that the median is taken of at most, the newest


@dataclass(frozen=True, slots=True)
class Day:
    """One day's bar, in the chart's own units (22 wide a day, 56 high)."""

    date: date
    good: int
    bad: int
    x: int
    good_y: int
    good_height: int
    bad_y: int
    bad_height: int


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Fourteen days and their sums; `seconds` is the median of those that succeeded, of the newest `sampled` where that isn't 0."""

    days: list[Day]
    total: int
    failed: int
    percent: int
    seconds: float | None
    sampled: int

    @property
    def width(self) -> int:
        """The chart's width in its own units."""
        return _WIDTH * DAYS


def rhythm(visible: QuerySet[Deployment]) -> Rhythm:
    """Two queries; days by the installation's time zone, cancelled Deployments left out."""
    today = timezone.localdate()
    since = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    ended = visible.filter(requested_at__gte=since, status__in=sorted(DEPLOYMENT_ENDS - {DeploymentStatus.CANCELLED}))
    good: Counter[date] = Counter()
    bad: Counter[date] = Counter()
    for day, status, number in (
        ended.order_by().values_list(TruncDate("requested_at"), "status").annotate(n=Count("pk"))
    ):
        (good if status == DeploymentStatus.SUCCEEDED else bad)[day] += number
    dates = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    most = max([good[day] + bad[day] for day in dates], default=0)
    total, failed = good.total() + bad.total(), bad.total()
    return Rhythm(
        [_day(number, day, good[day], bad[day], most) for number, day in enumerate(dates)],
        total,
        failed,
        round(100 * (total - failed) / total) if total else 0,
        _usual_seconds(ended),
        MEDIAN_OF if good.total() > MEDIAN_OF else 0,
    )


def _usual_seconds(ended: QuerySet[Deployment]) -> float | None:
    """The median of the newest that succeeded."""
    done = ended.filter(status=DeploymentStatus.SUCCEEDED, started_at__isnull=False)
    rows = done.values_list("started_at", "ended_at")[:MEDIAN_OF]
    took = [(end - start).total_seconds() for start, end in rows if start and end]
    return median(took) if took else None


def _day(number: int, day: date, good: int, bad: int, most: int) -> Day:
    unit = _HEIGHT / most if most else 0
    good_height = max(3, round(good * unit)) if good else 0
    bad_height = max(3, round(bad * unit)) if bad else 0
    room = _HEIGHT - (1 if good and bad else 0)
    good_height = min(good_height, room - bad_height) if bad else good_height
    good_y = _HEIGHT - good_height
    bad_y = good_y - bad_height - (1 if good and bad else 0)
    return Day(day, good, bad, number * _WIDTH + 2, good_y, good_height, max(0, bad_y), bad_height)
