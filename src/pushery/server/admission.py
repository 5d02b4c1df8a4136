"""Whether one more socket may come in, and one more connection at all.

Whoever is in stays: only newcomers are refused, with the time after which to try again. Sockets are refused before
connections are, so that backends reach a server that is full of clients. Source of what is left free: `getrlimit(2)`,
since a process without descriptors can neither accept nor open its database.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from pushery.core.exchange import Refusal
from pushery.core.rates import Buckets, TokenBucket
from pushery.core.sources import source_of
from pushery.core.stats import Stats

log = structlog.get_logger("pushery.server")

RETRY_FULL_S: Final = 5
"""When to try again at a full server: pusher-js itself waits up to 10 s."""

_OTHER_DESCRIPTORS: Final = 64
"""What a process has open besides connections, generously: listeners, log, databases, webhooks, the loop's own."""

_FOR_BACKENDS: Final = 256
"""Connections that no client's socket may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may, as the settings of these names say; 0 is any number."""

    max_sockets: int = 0
    max_sockets_per_address: int = 0
    handshakes_per_second: int = 0
    handshakes_per_second_per_address: int = 0
    client_messages_per_second: int = 0


class Admission:
    """Counts who is in. `descriptors` is how many files the process may have open."""

    def __init__(self, limits: Limits, stats: Stats, descriptors: int, monotonic: Callable[[], float]) -> None:
        self.limits = limits
        self.connections = 0
        """Connections that are open now, of clients and backends; each is a descriptor."""
        self.stats = stats
        self._monotonic = monotonic
        self._descriptors = descriptors
        self.most_connections = descriptors - min(_OTHER_DESCRIPTORS, descriptors // 3)
        """Connections there may be at a time."""
        self.most_with_sockets = self.most_connections - min(_FOR_BACKENDS, self.most_connections // 4)
        """The same, when one more is a client's socket, or comes where only clients should."""
        self._sockets: Counter[str] = Counter()
        """Of each source, while there is a limit."""
        self._rate = TokenBucket()
        self._rates = Buckets()
        self._full = False

    @property
    def most_sockets(self) -> int:
        """Sockets there may be at a time."""
        limit = self.limits.max_sockets
        return min(limit, self.most_with_sockets) if limit else self.most_with_sockets

    def admit(self, peer: str) -> str:
        """Count one more socket in, of the client at `peer` ("ip:port"). Raises Refusal (429, 503).

        Returns what to tell `left` when it is gone.
        """
        limits = self.limits
        if self.connections > self.most_with_sockets:
            text = "The server has no room for more clients: try again later."
            raise Refusal(503, "out_of_descriptors", text, headers=_retry_after(RETRY_FULL_S))
        if limits.max_sockets and self.stats.connections >= limits.max_sockets:
            text = "The server has as many clients as it may have: try again later."
            raise Refusal(503, "too_many_sockets", text, headers=_retry_after(RETRY_FULL_S))
        source = ""
        if limits.max_sockets_per_address or limits.handshakes_per_second_per_address:
            source = source_of(peer)
            self._check_source(source)
        if limits.handshakes_per_second:
            self._check_rate()
        if not limits.max_sockets_per_address:
            return ""
        self._sockets[source] += 1
        return source

    def _check_rate(self) -> None:
        rate, now = self.limits.handshakes_per_second, self._monotonic()
        if not self._rate.take(1, rate, now):
            text = "Too many clients come at once: try again in a moment."
            raise Refusal(503, "too_many_handshakes", text, headers=_retry_after(self._rate.wait(rate, now)))

    def _check_source(self, source: str) -> None:
        limits = self.limits
        most, rate = limits.max_sockets_per_address, limits.handshakes_per_second_per_address
        if most and self._sockets[source] >= most:
            text = "Your address has as many sockets open as it may have: try again later."
            raise Refusal(429, "too_many_sockets_of_address", text, headers=_retry_after(RETRY_FULL_S))
        if rate:
            bucket, now = self._rates.of(source), self._monotonic()
            if not bucket.take(1, rate, now):
                text = "Too many sockets are opened from your address: try again in a moment."
                raise Refusal(429, "too_many_handshakes_of_address", text, headers=_retry_after(bucket.wait(rate, now)))

    def left(self, source: str) -> None:
        """A socket is gone; `source` is what `admit` returned for it."""
        if source:
            self._sockets[source] -= 1
            if self._sockets[source] <= 0:
                del self._sockets[source]

    def look(self) -> None:
        """Say once that newcomers are refused for want of descriptors; who is there is served as before."""
        full = self.connections >= self.most_with_sockets
        if full and not self._full:
            log.warning("out_of_descriptors", connections=self.connections, limit=self._descriptors)
        self._full = full


def no_room() -> Refusal:
    """What a connection is told that there is no descriptor for."""
    text = "The server has no room for more connections: try again later."
    return Refusal(503, "out_of_descriptors", text, headers=_retry_after(RETRY_FULL_S))


def _retry_after(wait_s: float) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", str(max(1, math.ceil(wait_s)))),)
