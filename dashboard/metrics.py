"""What /metrics says, in Prometheus' text format. Read from the database at each scrape: no process keeps figures of its own."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from deployments import figures


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
        """As prometheus_client asks."""
        now = figures.look()
        yield InfoMetricFamily("estiva_build", "The running version of Estiva.", {"version": self.version})
        yield _labelled("estiva_deployments", "Deployments by status, over all of history.", "status", now.deployments)
        yield _labelled("estiva_targets", "Shares of deployments on one server, by status.", "status", now.targets)
        yield _labelled("estiva_servers", "Registered servers by state.", "state", now.hosts)
        yield _labelled("estiva_workers", "Processes that reported lately, by role.", "role", now.workers)
        yield GaugeMetricFamily(
            "estiva_operations_waiting", "Looks at servers that wait or run.", now.operations_waiting
        )
        yield GaugeMetricFamily(
            "estiva_queue_age_seconds", "How long the oldest waiting deployment waits.", now.queue_age
        )
        yield GaugeMetricFamily("estiva_stalled_targets", "Shares of deployments whose worker went away.", now.stalled)
        yield GaugeMetricFamily("estiva_workers_busy", "Deploys and looks being worked on.", now.busy)
        yield GaugeMetricFamily(
            "estiva_workers_capacity", "Deploys and looks that could be worked on at once.", now.capacity
        )
        yield GaugeMetricFamily("estiva_streams", "Browsers that this web process feeds live.", self.streams)


def _labelled(name: str, text_: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text_, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
