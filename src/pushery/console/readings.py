"""How the server is doing, second by second: differences of its counters, as the console draws them.

Counts nothing itself and reads no clock. Invariant: what a reading says of a second is what happened between it and
the reading before.
"""

from collections import Counter, deque
from typing import Final

import msgspec

from pushery.core.backlog import Backlog
from pushery.core.hub import Crowd, Hub
from pushery.core.stats import Stats

KEPT: Final = 300
"""Readings that are kept for whoever opens the page: five minutes."""


class Totals(msgspec.Struct, frozen=True):
    """Since the start."""

    pushes: int
    deliveries: int
    slow_clients: int = 0
    errors: int = 0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The server in one second. `p50_ms` and `p99_ms` are of its pushes, from push to written; None without any.

    `lag_ms` is by how much this reading came late: for so long the event loop was busy with something else.
    """

    at_ms: int
    connections: int
    apps: int
    tags: int
    channels: int
    users: int
    opened_per_s: float
    pushes_per_s: float
    deliveries_per_s: float
    bytes_out_per_s: float
    requests_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    slow_per_s: float
    errors_per_s: float
    errors: dict[str, int]
    totals: Totals
    buffered_bytes: int
    lag_ms: float


class AppReading(msgspec.Struct, frozen=True, kw_only=True):
    """One app in one second."""

    at_ms: int
    connections: int
    tags: int
    channels: int
    users: int
    pushes_per_s: float
    deliveries_per_s: float
    totals: Totals


class Readings:
    """Takes the server's readings. The console's own sockets and what they get are not counted, but for the bytes."""

    def __init__(self, stats: Stats, hub: Hub, backlog: Backlog, own: str) -> None:
        """`own` is the key of the app whose sockets are the console's."""
        self._stats = stats
        self._hub = hub
        self._backlog = backlog
        self._own = own
        self.kept: deque[Reading] = deque(maxlen=KEPT)
        self._before = self._counters()
        self._errors = Counter(stats.errors)
        self._buckets = list(stats.push_seconds.counts)

    def _counters(self) -> tuple[int, ...]:
        stats, own = self._stats, self._hub.look(self._own)
        return (
            stats.connections_opened,
            stats.pushes,
            stats.messages_out - own.messages_out,
            stats.bytes_out,
            stats.http_requests,
            stats.slow_clients,
        )

    def take(self, at_ms: int, seconds: float, apps: int, late_s: float) -> Reading:
        """The reading of the `seconds` since the last one."""
        stats, now = self._stats, self._counters()
        opened, pushes, deliveries, size, requests, slow = (
            (after - before) / seconds for after, before in zip(now, self._before, strict=True)
        )
        errors, buckets = Counter(stats.errors), list(stats.push_seconds.counts)
        recent = errors - self._errors
        counts = [after - before for after, before in zip(buckets, self._buckets, strict=True)]
        self._before, self._errors, self._buckets = now, errors, buckets
        crowds = [crowd for key, crowd in self._hub.crowds.items() if key != self._own]
        bounds = stats.push_seconds.bounds
        reading = Reading(
            at_ms=at_ms,
            connections=stats.connections - len(self._hub.look(self._own)),
            apps=apps,
            tags=sum(len(crowd.tags.audiences) for crowd in crowds),
            channels=sum(len(crowd.channels.by_name) for crowd in crowds),
            users=sum(len(crowd.users) for crowd in crowds),
            opened_per_s=opened,
            pushes_per_s=pushes,
            deliveries_per_s=deliveries,
            bytes_out_per_s=size,
            requests_per_s=requests,
            p50_ms=quantile_ms(bounds, counts, 0.5),
            p99_ms=quantile_ms(bounds, counts, 0.99),
            slow_per_s=slow,
            errors_per_s=recent.total() / seconds,
            errors=dict(recent),
            totals=Totals(stats.pushes, now[2], stats.slow_clients, errors.total()),
            buffered_bytes=self._backlog.size,
            lag_ms=late_s * 1000,
        )
        self.kept.append(reading)
        return reading


class AppReadings:
    """Takes the readings of one app."""

    def __init__(self, crowd: Crowd) -> None:
        self._before = (crowd.pushes, crowd.messages_out)

    def take(self, crowd: Crowd, at_ms: int, seconds: float) -> AppReading:
        """The reading of the `seconds` since the last one."""
        now = (crowd.pushes, crowd.messages_out)
        pushes, deliveries = (max(after - before, 0) / seconds for after, before in zip(now, self._before, strict=True))
        self._before = now
        return AppReading(
            at_ms=at_ms,
            connections=len(crowd),
            tags=len(crowd.tags.audiences),
            channels=len(crowd.channels.by_name),
            users=len(crowd.users),
            pushes_per_s=pushes,
            deliveries_per_s=deliveries,
            totals=Totals(*now),
        )


def quantile_ms(bounds: tuple[float, ...], counts: list[int], quantile: float) -> float | None:
    """The quantile of a histogram in milliseconds, even within its bucket; None when nothing was counted.

    `bounds` are in seconds; what lies above the last of them is given as that.
    """
    wanted, below = quantile * sum(counts), 0
    if not wanted:
        return None
    for number, count in enumerate(counts[: len(bounds)]):
        if below + count >= wanted:
            lower = bounds[number - 1] if number else 0.0
            return 1000 * (lower + (bounds[number] - lower) * (wanted - below) / count)
        below += count
    return 1000 * bounds[-1]
