"""Shows what is counted of webhooks and connect hooks the way Prometheus wants it."""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

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
        for name, text in _COUNTERS:
            yield CounterMetricFamily(f"pushery_webhooks_{name}", text, getattr(self._stats, name))


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
