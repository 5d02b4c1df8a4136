"""Shows what is counted of webhooks and connect hooks the way Prometheus wants it."""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pushery.core.stats import Histogram
from pushery.workers.connecthook import OUTCOMES
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
        text = "For how long the event has waited that waits the longest; 0 when none does."
        yield GaugeMetricFamily("pushery_webhooks_oldest_age_seconds", text, self._oldest_age_s())
        text = "How long requests to webhooks took, accepted or not."
        yield _histogram("pushery_webhooks_request_seconds", text, self._stats.request_seconds)
        text = "From when an event happened until a webhook accepted it."
        yield _histogram("pushery_webhooks_delay_seconds", text, self._stats.delay_seconds)
        for name, text in _COUNTERS:
            yield CounterMetricFamily(f"pushery_webhooks_{name}", text, getattr(self._stats, name))

    def _oldest_age_s(self) -> float:
        oldest_ms = self._stats.oldest_ms
        return 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)


class ConnectHookCollector(Collector):
    """The same for connect hooks: how often each of their outcomes came."""

    def __init__(self, outcomes: Mapping[str, int]) -> None:
        self._outcomes = outcomes

    def collect(self) -> Iterable[Metric]:
        """The one metric there is."""
        text = "Clients for whom an app's connect hook was to be asked, by what came of it."
        metric = CounterMetricFamily("pushery_connect_hooks", text, labels=["outcome"])
        for outcome in OUTCOMES:
            metric.add_metric([outcome], self._outcomes.get(outcome, 0))
        yield metric


def _histogram(name: str, text: str, counted: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=counted.cumulative(), sum_value=counted.total)
