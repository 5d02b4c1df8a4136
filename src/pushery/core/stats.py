"""What the server counts. Plain integers that the hot path adds to; a scrape reads them, nobody resets them."""

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import Final

PUSH_SECONDS_BOUNDS: Final = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip


LOOP_LAG_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


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

    def cumulative(self) -> list[tuple[str, float]]:
        """The buckets as Prometheus has them: each upper end, and how many values were not above it."""
        ends = (*map(str, self.bounds), "+Inf")
        return list(zip(ends, accumulate(self.counts), strict=True))


class Stats:
    """The counters of one server process since its start; `connections` and what is said of reloads are as of now."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "compressed_bytes",
        "connections",
        "connections_opened",
        "errors",
        "handshakes_refused",
        "http_requests",
        "http_responses",
        "loop_lag_seconds",
        "messages_in",
        "messages_out",
        "push_seconds",
        "pushes",
        "registry_failures",
        "reload_failed",
        "reloaded_at",
        "slow_clients",
        "uncompressed_bytes",
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
        self.registry_failures = 0
        self.uncompressed_bytes = 0
        """Of pushed pieces that were compressed, each once, before that."""
        self.compressed_bytes = 0
        """Of the same pieces, after it."""
        self.reload_failed = False
        """Whether the last reload of the settings was refused, in whole or in part."""
        self.reloaded_at = 0.0
        """When the settings were last taken over, the start included; unix time in seconds."""
        self.http_responses = [0] * 6
        """By status class: at 2 those from 200 to 299."""
        self.handshakes_refused: Counter[str] = Counter()
        """Clients that wanted a socket and got none, by the `code` of the refusal."""
        self.errors: Counter[str] = Counter()
        """Errors by kind: the `code` of a refused request, or `close_<code>` of a socket we closed for cause."""
        self.push_seconds = Histogram(PUSH_SECONDS_BOUNDS)
        """From the parsed push until its frames are queued for all receivers, in seconds; for a broadcast, written."""
        self.loop_lag_seconds = Histogram(LOOP_LAG_BOUNDS)
        """How late the event loop was for an appointment that it has twice a second, in seconds."""
