"""What the server counts. Plain integers that the hot path adds to; a scrape reads them, nobody resets them."""

from bisect import bisect_left
from collections import Counter
from typing import Final

PUSH_SECONDS_BOUNDS: Final = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip


class Histogram:
    """Counts per bucket. `bounds` are inclusive upper ends in rising order; one more bucket takes the rest."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Stats:
    """The counters of one server process since its start; `connections` is the one gauge."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "connections",
        "connections_opened",
        "errors",
        "http_requests",
        "messages_in",
        "messages_out",
        "push_seconds",
        "pushes",
        "slow_clients",
    )

    def __init__(self) -> None:
        self.connections = 0
        self.connections_opened = 0
        self.http_requests = 0
        self.messages_in = 0
        self.messages_out = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.pushes = 0
        self.slow_clients = 0
        self.errors: Counter[str] = Counter()
        """Errors by kind: the `code` of a refused request, or `close_<code>` of a socket we closed for cause."""
        self.push_seconds = Histogram(PUSH_SECONDS_BOUNDS)
        """From the parsed push until its frames are queued for all receivers, in seconds; for a broadcast, written."""
