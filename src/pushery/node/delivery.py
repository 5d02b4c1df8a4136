"""From a frame to the sockets, over the turns of the event loop: gathers, counts, and carries broadcasts on.

Invariant: what is handed over within one turn of the loop is written at the latest one turn later.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import structlog

from pushery.core import codes
from pushery.core.fanout import Done, FanOut
from pushery.core.hub import Crowd
from pushery.core.stats import Stats
from pushery.node.peers import Peer

log = structlog.get_logger("pushery.node")

Total = int | asyncio.Future[int]
"""How many sockets a frame was handed to: at once, or for a huge audience once that is known."""


class Delivery:
    """All fan-outs of a node."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._unflushed: dict[FanOut, None] = {}
        """Those that have taken frames since the last flush."""
        self._stepping: set[FanOut] = set()
        """Those whose broadcasts are being carried on by the event loop."""

    def hand_over(self, crowd: Crowd, fanout: FanOut, size: int, publish: Callable[[Done], int | None]) -> Total:
        """Let `publish` give a frame of `size` bytes to `fanout`, and see that it gets out. Raises what that raises."""
        future: asyncio.Future[int] | None = None

        def done(total: int) -> None:
            self._count(crowd, total, size)
            if future is not None and not future.cancelled():
                future.set_result(total)

        total = publish(done)
        if total is None:
            future = asyncio.get_running_loop().create_future()
            self._carry_on(fanout)
            return future
        self.handed_over(crowd, fanout, size, total)
        return total

    def handed_over(self, crowd: Crowd, fanout: FanOut, size: int, total: int) -> None:
        """A frame of `size` bytes was given to `fanout`, for `total` sockets: see that it gets out."""
        self._count(crowd, total, size)
        if not self._unflushed:
            # One turn later, behind this turn's replies: while a large audience is being written, backends that have
            # their answer send what the next turn gathers.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._flush)
        self._unflushed[fanout] = None

    def _flush(self) -> None:
        """Write what has been gathered."""
        fanouts, self._unflushed = self._unflushed, {}
        for fanout in fanouts:
            fanout.flush()
            if fanout.broken:
                self._end_broken(fanout)

    def _end_broken(self, fanout: FanOut) -> None:
        """Writes do not fail but without memory or through a defect of ours: that must not go unnoticed, neither here
        nor by the clients, who would never know what they have missed."""
        broken, fanout.broken = fanout.broken, []
        self._stats.errors["write_failed"] += len(broken)
        log.error("writes_failed", count=len(broken))
        for peer in cast("list[Peer]", broken):
            with suppress(Exception):  # then the server's wheel finds it
                peer.close(codes.INTERNAL_ERROR)

    def _count(self, crowd: Crowd, total: int, size: int) -> None:
        crowd.messages_out += total
        self._stats.messages_out += total
        self._stats.bytes_out += total * size

    def _carry_on(self, fanout: FanOut) -> None:
        """Keep a fan-out's broadcasts going, a slice for each turn of the loop."""
        if fanout in self._stepping:
            return
        self._stepping.add(fanout)
        loop = asyncio.get_running_loop()

        def step() -> None:
            if fanout.step():
                loop.call_soon(step)
            else:
                self._stepping.discard(fanout)
            if fanout.broken:
                self._end_broken(fanout)

        loop.call_soon(step)


async def sum_of(totals: list[Total]) -> list[int]:
    """The totals as numbers, once all are known."""
    return [total if isinstance(total, int) else await total for total in totals]
