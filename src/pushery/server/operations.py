"""What operators and their machines ask: is it alive, is it ready, how is it doing.

Invariant: however many ask for the metrics, making them takes a small share of the event loop's time.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

from pushery.core.apps import Directory
from pushery.core.backlog import Backlog
from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Hub
from pushery.server.admission import Admission
from pushery.server.measures import StatsCollector

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

_SHARE: Final = 0.05
"""How much of the loop's time making metrics may take. Past it, whoever asks gets those that were made last: with
metrics that take 2 ms to make, at most 40 ms old."""

_SAVED_S: Final = 0.25
"""How much of that time may be saved up: some scrapes may come at once."""


class Operations:
    """The routes of the operator. `further` metrics are shown too."""

    def __init__(
        self,
        hub: Hub,
        admission: Admission,
        backlog: Backlog,
        directory: Directory,
        *,
        per_app: bool,
        is_stopping: Callable[[], bool],
        further: Iterable[Collector] = (),
        monotonic: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`monotonic` measures what making the metrics takes."""
        self.collector = StatsCollector(hub, admission, backlog, directory, per_app=per_app)
        self._is_stopping = is_stopping
        self._monotonic = monotonic
        self._registry = CollectorRegistry()
        self._registry.register(self.collector)
        for collector in further:
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._made = b""
        """The metrics that were made last; the same for whoever may ask."""
        self._made_at = monotonic()
        self._saved_s = _SAVED_S

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
        now = self._monotonic()
        saved = min(_SAVED_S, self._saved_s + (now - self._made_at) * _SHARE)
        if saved > 0:
            self._made = generate_latest(self._registry)
            self._made_at = self._monotonic()
            self._saved_s = saved - (self._made_at - now)
        return Reply(200, self._made, content_type=_TEXT)
