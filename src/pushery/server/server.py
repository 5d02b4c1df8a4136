"""The server: listens, turns the wheel, and stops in order.

A stop is: no new connections, answers to what is in flight, a close frame (1012) to every socket in slices, and an
end to whatever is left at the deadline.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence

import structlog

from pushery.core.wheel import Wheel
from pushery.server.compression import SharedDeflater
from pushery.server.http import HttpConnection
from pushery.server.shared import TICK_S, Connection, Shared

log = structlog.get_logger("pushery.server")

_DUE_PER_TURN = 1000
"""Deadlines looked at before the loop gets its turn: after a restart ten thousands of pings fall due together."""


_POLL_S = 0.02

_OTHER_DESCRIPTORS = 32
"""What the process has open besides connections, generously: listeners, log, registry, the loop's own."""


class Server:
    """One listener and all connections that came in on it."""

    def __init__(
        self, shared: Shared, wall_ms: Callable[[], int], monotonic: Callable[[], float], descriptors: int
    ) -> None:
        self._shared = shared
        self._descriptors = descriptors
        """How many files the process may have open; every connection is one."""
        self._full = False
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._deflater = None if shared.compress_from is None else SharedDeflater(shared.compress_from)
        self._listeners: list[asyncio.Server] = []
        self._ticking: asyncio.Task[None] | None = None

    async def start(self, sockets: Sequence[socket.socket], backlog: int, tls: ssl.SSLContext | None) -> None:
        """Accept connections on `sockets`, already bound, from now on."""
        shared, deflater = self._shared, self._deflater
        for listening in sockets:
            listener = await shared.loop.create_server(
                lambda: HttpConnection(shared, deflater), sock=listening, backlog=backlog, ssl=tls
            )
            self._listeners.append(listener)
        self._ticking = shared.loop.create_task(self._tick())

    async def stop(self, timeout_s: float) -> None:
        """Stop as the module says; returns within `timeout_s` and a moment."""
        shared = self._shared
        shared.draining = True
        deadline = self._monotonic() + timeout_s
        for listener in self._listeners:
            listener.close()
        for _ in range(2):  # read what has come in on connections that were accepted last
            await asyncio.sleep(0)
        await self._until(lambda: not shared.exchanges, deadline)
        await self._drain()
        await self._until(lambda: not len(shared.wheel), deadline)
        left = list(shared.wheel)
        for connection in left:
            connection.abort()
        if left:
            log.info("connections_cut", count=len(left))
            await asyncio.sleep(0)
        if self._ticking is not None:
            self._ticking.cancel()

    async def _drain(self) -> None:
        connections = list(self._shared.wheel)
        slice_size = self._shared.node.hub.fanout_slice
        for start in range(0, len(connections), slice_size):
            for connection in connections[start : start + slice_size]:
                connection.drain()
            await asyncio.sleep(0)

    async def _until(self, done: Callable[[], bool], deadline: float) -> None:
        while not done() and self._monotonic() < deadline:  # noqa: ASYNC110  # once per process; no event to miss
            await asyncio.sleep(_POLL_S)

    async def _tick(self) -> None:
        """Turn the wheel, for ever."""
        shared = self._shared
        while True:
            await asyncio.sleep(TICK_S)
            shared.replies.set_date(self._wall_ms() // 1000)
            shared.wheel.turn(self._monotonic())
            self._watch_descriptors()
            while due := shared.wheel.take(_DUE_PER_TURN):
                for connection in due:
                    self._look_after(connection)
                await asyncio.sleep(0)

    def _watch_descriptors(self) -> None:
        """Say once that newcomers wait in vain; those who are there are served as before."""
        full = len(self._shared.wheel) > self._descriptors - _OTHER_DESCRIPTORS
        if full and not self._full:
            self._shared.stats.errors["out_of_descriptors"] += 1
            log.warning("out_of_descriptors", connections=len(self._shared.wheel), limit=self._descriptors)
        self._full = full

    def _look_after(self, connection: Connection) -> None:
        try:
            connection.due()
        except Exception:
            log.exception("connection_failed")
            connection.abort()


def new_wheel(monotonic: Callable[[], float]) -> Wheel[Connection]:
    """The wheel as the server turns it."""
    return Wheel(TICK_S, monotonic())
