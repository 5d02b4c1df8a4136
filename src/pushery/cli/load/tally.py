"""Counts what arrives: how late, and whether anything is lost, comes twice, or comes out of order.

Pure. Each push has a lane (the connection it is published on) and a number in it, from 0 up; within a lane, pushes are
published one after another, and every client has to get them in that order. Invariant: of each client and lane, what
was expected is the sum of what came in order or out of order and what was lost.
"""

from array import array
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

_SHARES: Final = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))
_MOST_SAMPLES: Final = 20_000_000
"""Latencies that are kept, 4 bytes each; what comes after is counted, but not ranked."""


class Faults(msgspec.Struct, frozen=True):
    """What must not happen, in deliveries."""

    lost: int = 0
    duplicate: int = 0
    out_of_order: int = 0

    @property
    def any(self) -> bool:
        """Whether any of it happened."""
        return bool(self.lost or self.duplicate or self.out_of_order)


class Tally:
    """What all clients have got. `lanes`: how many connections publish."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.deliveries = 0
        self.latencies_us = array("I")
        self.duplicate = 0
        self.out_of_order = 0

    def add(self, latency_us: int) -> None:
        """One delivery of one push."""
        self.deliveries += 1
        if len(self.latencies_us) < _MOST_SAMPLES:
            self.latencies_us.append(min(max(latency_us, 0), 0xFFFFFFFF))


class Receiver:
    """What one client has got."""

    __slots__ = ("_missing", "_next", "_tally")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._next = [0] * tally.lanes
        """The number that comes next, by lane."""
        self._missing: set[tuple[int, int]] | None = None
        """What was skipped and has not come since; None as long as nothing was."""

    def take(self, lane: int, number: int, latency_us: int) -> None:
        """A push has arrived."""
        expected = self._next[lane]
        if number >= expected:
            self._next[lane] = number + 1
            if number > expected:
                self._missing = self._missing or set()
                self._missing.update((lane, skipped) for skipped in range(expected, number))
            self._tally.add(latency_us)
            return
        if self._missing and (lane, number) in self._missing:
            self._missing.discard((lane, number))
            self._tally.out_of_order += 1
            self._tally.add(latency_us)
            return
        self._tally.duplicate += 1

    def lost(self, sent: Sequence[int], failed: Collection[tuple[int, int]]) -> int:
        """How many pushes have not come: of so many that were sent in each lane, without those that were not taken."""
        behind = sum(count - got for count, got in zip(sent, self._next, strict=True))
        excused = sum(number >= self._next[lane] for lane, number in failed)
        skipped = self._missing or set()
        return behind - excused + len(skipped.difference(failed))


def percentiles(latencies_us: "array[int]") -> dict[str, float]:
    """p50 to p99.9 and the largest, in milliseconds; empty when nothing arrived."""
    if not latencies_us:
        return {}
    ranked = sorted(latencies_us)
    last = len(ranked) - 1
    found = {name: ranked[min(last, int(share * len(ranked)))] / 1000 for name, share in _SHARES}
    return {**found, "max": ranked[last] / 1000}
