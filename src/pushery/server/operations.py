"""What operators and their machines ask: is it alive, is it ready, how is it doing."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pushery.core.backlog import Backlog
from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Hub
from pushery.core.stats import Histogram
from pushery.server.admission import Admission

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS: Final = (
    ("connections_opened", "Client sockets accepted since the start."),
    ("http_requests", "HTTP requests answered, WebSocket handshakes included."),
    ("messages_in", "Messages received from client sockets."),
    ("messages_out", "Messages handed to client sockets: one push to a thousand sockets counts a thousand."),
    ("bytes_in", "Bytes received from clients and backends."),
    ("bytes_out", "Bytes of pushed messages handed to client sockets, before compression."),
    ("pushes", "Pushes published, whether anybody received them or not."),
    ("slow_clients", "Client sockets closed because their outbox was full."),
)


class StatsCollector(Collector):
    """Shows what the server counts the way Prometheus wants it, at the moment of a scrape."""

    def __init__(self, hub: Hub, admission: Admission, backlog: Backlog, *, per_app: bool) -> None:
        self._hub = hub
        self._admission = admission
        self._stats = admission.stats
        self._backlog = backlog
        self._per_app = per_app

    def collect(self) -> Iterable[Metric]:
        """All metrics of ours."""
        stats = self._stats
        yield GaugeMetricFamily("pushery_connections", "Client sockets open now.", stats.connections)
        crowds = self._hub.crowds.values()
        channels = sum(len(crowd.channels.by_name) for crowd in crowds)
        yield GaugeMetricFamily("pushery_channels", "Channels that somebody is subscribed to.", channels)
        users = sum(len(crowd.users) for crowd in crowds)
        yield GaugeMetricFamily("pushery_users", "Users who are signed in.", users)
        text = "Bytes that wait for slow clients, and of bodies and messages that have come in part."
        yield GaugeMetricFamily("pushery_buffered_bytes", text, self._backlog.size)
        text = "Network connections open now, of clients and backends."
        yield GaugeMetricFamily("pushery_network_connections", text, self._admission.connections)
        for name, text in _COUNTERS:
            yield CounterMetricFamily(f"pushery_{name}", text, getattr(stats, name))
        errors = CounterMetricFamily(
            "pushery_errors", "Refused requests and sockets closed for cause.", labels=["kind"]
        )
        for kind, count in sorted(stats.errors.items()):
            errors.add_metric([kind], count)
        yield errors
        text = "From a parsed push until its frames are queued for all receivers; for a broadcast, written."
        yield _histogram("pushery_push_seconds", text, stats.push_seconds)
        if self._per_app:
            yield from self._of_apps()

    def _of_apps(self) -> Iterable[Metric]:
        connections = GaugeMetricFamily("pushery_app_connections", "Client sockets open now.", labels=["app_key"])
        pushes = CounterMetricFamily("pushery_app_pushes", "Pushes published.", labels=["app_key"])
        messages = CounterMetricFamily("pushery_app_messages_out", "Messages handed to sockets.", labels=["app_key"])
        for key, crowd in self._hub.crowds.items():
            connections.add_metric([key], len(crowd))
            pushes.add_metric([key], crowd.pushes)
            messages.add_metric([key], crowd.messages_out)
        return (connections, pushes, messages)


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    buckets, running = [], 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        running += count
        buckets.append((bound, running))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)


class Operations:
    """The routes of the operator. `further` metrics are shown too."""

    def __init__(
        self,
        hub: Hub,
        admission: Admission,
        backlog: Backlog,
        *,
        per_app: bool,
        is_stopping: Callable[[], bool],
        further: Iterable[Collector] = (),
    ) -> None:
        self._is_stopping = is_stopping
        self._registry = CollectorRegistry()
        self._registry.register(StatsCollector(hub, admission, backlog, per_app=per_app))
        for collector in further:
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def routes(self) -> list[Route]:
        """Every route there is for operators."""
        return [
            Route("GET", "/healthz", self.health, "200 while the process answers at all.", door="both"),
            Route("GET", "/readyz", self.readiness, "200 while new clients are welcome, 503 while stopping."),
            Route("GET", "/metrics", self.metrics, "Metrics for Prometheus."),
        ]

    def health(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /healthz"""
        return Reply(200, b'{"status":"ok"}')

    def readiness(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /readyz"""
        if self._is_stopping():
            return Reply(503, b'{"status":"stopping"}')
        return Reply(200, b'{"status":"ready"}')

    def metrics(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /metrics"""
        return Reply(200, generate_latest(self._registry), content_type=_TEXT)
