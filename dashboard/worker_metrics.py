"""The metrics of the worker's side: each process wrote them down with its last beat, at most seven seconds before, while it lives."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from deployments.figures import RECONCILER, Process
from deployments.measures import COUNTERS, GAUGES, TIMES

_OF: Final = ["worker", "role"]
_OF_RECONCILERS: Final = frozenset({"duty_failures"})
ROLES: Final = ("deploy", "look", RECONCILER)


def families(processes: Sequence[Process]) -> Iterator[Metric]:
    """Of all that live; of a silent reconciler only for how long it is."""
    living = [each for each in processes if each.lives]
    yield from _presence(processes, living)
    for name, about in GAUGES.items():
        gauge = GaugeMetricFamily(f"estiva_{name}", about, labels=_OF)
        for each in living:
            value = _part(each, "now", name)
            if _is_number(value):
                gauge.add_metric([each.name, each.role], value)
        yield gauge
    for name in COUNTERS:
        yield _counter(name, living)
    for name in TIMES:
        yield _histogram(name, living)


def _presence(processes: Sequence[Process], living: Sequence[Process]) -> Iterator[Metric]:
    workers = GaugeMetricFamily("estiva_workers", "Processes that reported lately, by role.", labels=["role"])
    busy = GaugeMetricFamily("estiva_workers_busy", "Deploys and looks being worked on.", labels=["role"])
    capacity = GaugeMetricFamily(
        "estiva_workers_capacity", "Deploys and looks that could be worked on at once.", labels=["role"]
    )
    for role in ROLES:
        ours = [each for each in living if each.role == role]
        workers.add_metric([role], len(ours))
        if role != RECONCILER:
            busy.add_metric([role], sum(each.busy for each in ours))
            capacity.add_metric([role], sum(each.capacity for each in ours))
    yield from (workers, busy, capacity)
    beat = GaugeMetricFamily("estiva_worker_beat_age_seconds", "How long ago the process reported.", labels=_OF)
    for each in living:
        beat.add_metric([each.name, each.role], each.age)
    yield beat
    round_age = GaugeMetricFamily(
        "estiva_reconciler_last_round_age_seconds",
        "How long ago a reconciler last reported from a round; absent where none runs, or after a day of silence.",
        labels=[],
    )
    ages = [each.age for each in processes if each.role == RECONCILER]
    if ages:
        round_age.add_metric([], min(ages))
    yield round_age


def _counter(name: str, living: Sequence[Process]) -> CounterMetricFamily:
    known = COUNTERS[name]
    family = CounterMetricFamily(f"estiva_{name}", known.about, labels=[*_OF, *([known.label] if known.label else [])])
    for process in living:
        told = _part(process, "counts", name)
        if not isinstance(told, Mapping):
            told = {}  # it has never happened there: a rate needs the 0 before the 1
        if process.role == RECONCILER and name not in _OF_RECONCILERS:
            continue
        for value in known.values or sorted(told):
            number = told.get(value, 0)
            if _is_number(number):
                family.add_metric([process.name, process.role, *([value] if known.label else [])], number)
    return family


def _histogram(name: str, living: Sequence[Process]) -> HistogramMetricFamily:
    known = TIMES[name]
    family = HistogramMetricFamily(f"estiva_{name}", known.about, labels=_OF)
    bounds = [*(str(bound) for bound in known.buckets), "+Inf"]
    for process in living:
        told = _part(process, "times", name)
        each = told.get("each") if isinstance(told, Mapping) else None
        if not isinstance(each, list) or len(each) != len(bounds):  # of a version that had other buckets
            continue
        buckets = list(zip(bounds, accumulate(each), strict=True))
        family.add_metric([process.name, process.role], buckets=buckets, sum_value=told.get("sum", 0.0))
    return family


def _part(process: Process, kind: str, name: str) -> Any:
    """What it has to say of that; None where it has nothing, as one of another version may."""
    told = process.measured.get(kind)
    return told.get(name) if isinstance(told, Mapping) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
