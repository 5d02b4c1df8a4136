"""Shows what the delivery of webhooks counts the way Prometheus wants it."""

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pushery.workers.options import HookStats

_COUNTERS: Final = (
    ("delivered", "Events that a webhook has accepted."),
    ("failed_attempts", "Requests to webhooks that were not accepted."),
    ("dead", "Events that were given up and became dead letters."),
    ("dropped", "Events that were lost because more waited than may."),
)


class HookCollector(Collector):
    """Reads the counts at the moment of a scrape."""

    def __init__(self, stats: HookStats) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """All metrics of webhooks."""
        yield GaugeMetricFamily("pushery_webhooks_queued", "Events that wait or are under way.", self._stats.queued)
        for name, text in _COUNTERS:
            yield CounterMetricFamily(f"pushery_webhooks_{name}", text, getattr(self._stats, name))
