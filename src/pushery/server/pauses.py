"""How long the garbage collector has held the event loop: while it runs, nobody is served.

It measures what `gc.callbacks` tell; what the collector costs besides shows in the CPU time of the process.
Invariant: nothing that it does while a collection is under way makes objects that the collector would look at.
"""

import gc
import time
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pushery.core.stats import Histogram

_BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class CollectorPauses(Collector):
    """Every collection since `watch`, by how long it took."""

    def __init__(self) -> None:
        self._pauses = Histogram(_BOUNDS)
        self._started = 0.0

    def watch(self) -> None:
        """Measure from now on; harmless when it does already."""
        if self._on_collection not in gc.callbacks:
            gc.callbacks.append(self._on_collection)

    def unwatch(self) -> None:
        """Measure no more."""
        gc.callbacks.remove(self._on_collection)

    def collect(self) -> Iterable[Metric]:
        """The one metric."""
        buckets, total = self._pauses.cumulative(), self._pauses.total
        text = "How long a run of the garbage collector has held the event loop."
        yield HistogramMetricFamily("pushery_gc_pause_seconds", text, buckets=buckets, sum_value=total)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self._pauses.observe(time.perf_counter() - self._started)


PAUSES: Final = CollectorPauses()
"""Those of this process, which has one garbage collector however many servers it runs."""
