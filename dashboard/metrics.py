"""What /metrics says, in Prometheus' text format. Read from the database at each scrape: no process keeps figures of its own.

What has ended was counted as it ended (`deployments.tallies`); what workers do they write down themselves (`dashboard.worker_metrics`).
"""

import os
from collections.abc import Iterator, Mapping

from django.db import connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric

from dashboard import worker_metrics
from deployments import figures, queue
from deployments.database import is_away
from deployments.figures import Ended, Figures


def text(version: str, streams: int) -> bytes:
    """The metrics of this installation; `streams` are the browsers that this process feeds live."""
    registry = CollectorRegistry()
    registry.register(_Collector(version, streams))
    return generate_latest(registry)


class _Collector:
    def __init__(self, version: str, streams: int) -> None:
        self.version = version
        self.streams = streams

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks. Where the database is away, that is said, and what needs none of it."""
        yield InfoMetricFamily("estiva_build", "The running version of Estiva.", {"version": self.version})
        yield from _of_this_process(self.streams)
        yield from _of_the_broker()
        try:
            now = figures.look()
        except Exception as error:
            if not is_away(error):
                raise
            connection.close()
            yield GaugeMetricFamily("estiva_database_up", "1 if the database answers.", 0)
            return
        yield GaugeMetricFamily("estiva_database_up", "1 if the database answers.", 1)
        yield from _of_deploys(now)
        yield from _of_queues(now)
        yield from _of_servers(now)
        yield from _of_backups(now)
        yield from worker_metrics.families(now.processes)


def _of_this_process(streams: int) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "estiva_stream_viewers",
        "Browsers that are fed live by the web process that answered this, by its number; others tell in their own answers.",
        labels=["process"],
    )
    family.add_metric([str(os.getpid())], streams)
    yield family


def _of_the_broker() -> Iterator[Metric]:
    broker = queue.look()
    yield GaugeMetricFamily("estiva_broker_up", "1 if Redis answers this web process.", int(broker is not None))
    if broker is None:
        return
    yield _labelled("estiva_broker_hints", "Hints to workers that nobody has taken yet.", "queue", broker.hints)
    yield GaugeMetricFamily(
        "estiva_broker_live_entries",
        "Entries of the live tail; they leave after ten minutes, or when there are 20,000.",
        broker.live_entries,
    )


def _of_deploys(now: Figures) -> Iterator[Metric]:
    yield _labelled("estiva_deployments", "Deployments that are not over, by status.", "status", now.deployments)
    yield _labelled(
        "estiva_targets", "Shares of deployments on one server that are not over, by status.", "status", now.targets
    )
    yield from _ended(
        "estiva_deployments_ended", "estiva_deployment_seconds", "Deployments", "click", now.deployments_ended
    )
    yield from _ended(
        "estiva_targets_ended",
        "estiva_target_seconds",
        "Shares of deployments on one server",
        "first claim",
        now.targets_ended,
    )
    lost = CounterMetricFamily(
        "estiva_leases_lost", "Claims whose worker fell silent, by what it held: target or operation.", labels=["kind"]
    )
    for kind, times in now.leases_lost.items():
        lost.add_metric([kind], times)
    yield lost
    yield GaugeMetricFamily(
        "estiva_attention_open",
        "Servers that a deployment left in doubt and that nobody has dealt with.",
        now.attention,
    )


def _of_queues(now: Figures) -> Iterator[Metric]:
    waiting = {"deploy": now.deploy_queue, "look": now.look_queue}
    yield _labelled(
        "estiva_queue_length",
        "What waits for nothing but a free worker: shares of deployments (deploy), looks at servers (look).",
        "queue",
        {name: each.length for name, each in waiting.items()},
    )
    yield _labelled(
        "estiva_queue_age_seconds",
        "How long the oldest of these has waited since its turn came; 0 when none waits.",
        "queue",
        {name: each.age for name, each in waiting.items()},
    )
    yield _labelled("estiva_operations", "Looks at servers and other acts, by status.", "status", now.operations)


def _of_servers(now: Figures) -> Iterator[Metric]:
    yield _labelled("estiva_servers", "Registered servers by state.", "state", now.hosts)
    yield GaugeMetricFamily(
        "estiva_oldest_server_check_seconds",
        "How old the oldest look is at a server that is looked at regularly over SSH; 0 when there is none.",
        now.oldest_check,
    )


def _of_backups(now: Figures) -> Iterator[Metric]:
    yield CounterMetricFamily("estiva_backups", "Backups that `manage.py backup` wrote to their end.", now.backups)
    last = GaugeMetricFamily(
        "estiva_last_backup_timestamp_seconds",
        "When the last of them ended; absent before the first. Whether the file was kept, nobody knows here.",
        labels=[],
    )
    if now.backed_up_at is not None:
        last.add_metric([], now.backed_up_at.timestamp())
    yield last


def _ended(counter: str, took: str, what: str, since: str, ended: Mapping[str, Ended]) -> Iterator[Metric]:
    counts = CounterMetricFamily(counter, f"{what} that have ended, by status.", labels=["status"])
    times = SummaryMetricFamily(took, f"Seconds from the {since} to the end, by how it ended.", labels=["status"])
    for status, each in sorted(ended.items()):
        counts.add_metric([status], each.times)
        times.add_metric([status], each.times, each.seconds)
    yield counts
    yield times


def _labelled(name: str, about: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
