"""The server: listens, turns the wheel, and stops in order.

A stop is: no new connections, answers to what is in flight, a close frame (1012) to every socket at a set rate, and
an end to whatever is left at the deadline. Sockets whose turn has not come go on as before, and whoever asks on a
connection is answered, to the end.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

import structlog

from pushery.core import codes
from pushery.core.codes import Close
from pushery.core.wheel import NEVER, Wheel
from pushery.server.door import Door
from pushery.server.http import HttpConnection
from pushery.server.proxied import ProxiedConnection
from pushery.server.shared import TICK_S, Connection, Shared

log = structlog.get_logger("pushery.server")

_DUE_PER_TURN = 1000
"""Deadlines looked at before the loop gets its turn: after a restart ten thousands of pings fall due together."""


_POLL_S = 0.02

_CLOSING_S = 1.0
"""How long before the deadline the last socket is closed, at the latest: its client has to answer."""

_LAST_ASKED_S = 0.5
"""How long whoever was let in last has to say what it wants, before connections on which nothing goes on are closed."""


class Server:
    """All listeners, and all connections that came in on them."""

    def __init__(self, shared: Shared, wall_ms: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._shared = shared
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._listeners: list[asyncio.Server] = []
        self._given_up = 0
        """Connections closed since that was last logged, since too much waited."""
        self._ticking: asyncio.Task[None] | None = None

    async def listen(
        self,
        sockets: Iterable[socket.socket],
        door: Door,
        backlog: int,
        tls: ssl.SSLContext | None,
        *,
        proxied: bool = False,
    ) -> None:
        """Accept connections on `sockets`, already bound, from now on: they lead to this door.

        `proxied`: those of trusted proxies begin with the PROXY protocol.
        """
        protocol = ProxiedConnection if proxied else HttpConnection
        loop = self._shared.loop
        for listening in sockets:
            listener = await loop.create_server(partial(protocol, door), sock=listening, backlog=backlog, ssl=tls)
            self._listeners.append(listener)
        if self._ticking is None:
            self._ticking = loop.create_task(self._tick())

    def make_room(self) -> None:
        """Too much waits for clients: let go of those for whom most does."""
        self._given_up += self._shared.backlog.make_room()

    async def stop(self, timeout_s: float, drain_rate: int = 0, goodbye: Close = codes.RESTART) -> None:
        """Stop as the module says; returns within `timeout_s` and a moment.

        `drain_rate` sockets are closed in a second, more if that would take too long; 0: all at once. `goodbye` is
        what they are told.
        """
        shared = self._shared
        shared.goodbye, shared.last_call = goodbye, True
        shared.draining = True
        started = self._monotonic()
        deadline = started + timeout_s
        for listener in self._listeners:
            listener.close()
        for _ in range(2):  # read what has come in on connections that were accepted last
            await asyncio.sleep(0)
        await self._until(lambda: not shared.exchanges, started + timeout_s / 2)
        await self._drain_sockets(drain_rate, deadline)
        await self._until(lambda: not self._askers(), min(started + _LAST_ASKED_S, deadline))
        shared.last_call = False
        await self._drain_sockets(0, deadline)  # whoever was let in meanwhile
        for connection in self._askers():
            connection.guarded(connection.drain)
        await self._until(lambda: not len(shared.wheel), deadline)
        left = list(shared.wheel)
        for connection in left:
            connection.abort()
        if left:
            log.info("connections_cut", count=len(left))
            await asyncio.sleep(0)
        if self._ticking is not None:
            self._ticking.cancel()

    def _askers(self) -> list[Connection]:
        """Connections on which requests come: they hold no socket, and are told with their next answer to go."""
        return [connection for connection in self._shared.wheel if isinstance(connection, HttpConnection)]

    async def _drain_sockets(self, rate: int, deadline: float) -> None:
        sockets = [connection for connection in self._shared.wheel if not isinstance(connection, HttpConnection)]
        slice_size = self._shared.node.hub.fanout_slice
        started = self._monotonic()
        pace = drain_pace(len(sockets), rate, deadline - started)
        closed = 0
        while closed < len(sockets):
            turn = int((self._monotonic() - started) * pace) + 1 if pace else len(sockets)
            upto = min(turn, closed + slice_size)
            for connection in sockets[closed:upto]:
                if connection.wheel_slot != NEVER:  # else it has gone by itself meanwhile
                    connection.guarded(connection.drain)
            closed = max(closed, upto)
            await asyncio.sleep(_POLL_S if pace else 0)

    async def _until(self, done: Callable[[], bool], deadline: float) -> None:
        while not done() and self._monotonic() < deadline:  # noqa: ASYNC110  # once per process; no event to miss
            await asyncio.sleep(_POLL_S)

    async def _tick(self) -> None:
        """Turn the wheel, for ever: without it nobody who is slow or gone would be let go of."""
        while True:
            due_at = self._monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            try:
                await self._turn(due_at)
            except Exception as error:
                with suppress(Exception):  # there may be no memory for the log either
                    log.error("unexpected_error", message="the wheel goes on", exc_info=error)

    async def _turn(self, due_at: float) -> None:
        shared = self._shared
        shared.stats.loop_lag_seconds.observe(max(0.0, self._monotonic() - due_at))
        shared.replies.set_date(self._wall_ms() // 1000)
        shared.wheel.turn(self._monotonic())
        while due := shared.wheel.take(_DUE_PER_TURN):
            for connection in due:
                connection.guarded(connection.due)
            await asyncio.sleep(0)
        shared.admission.look()
        if self._given_up:
            closed, self._given_up = self._given_up, 0
            log.warning("too_much_buffered", closed=closed, limit=shared.backlog.limit)


def new_wheel(monotonic: Callable[[], float]) -> Wheel[Connection]:
    """The wheel as the server turns it."""
    return Wheel(TICK_S, monotonic())


def drain_pace(count: int, rate: int, time_s: float) -> float:
    """How many of `count` sockets to close in a second, so that all are in good time before `time_s` is over.

    At least `rate`, but 0 when all are to be closed at once: because `rate` says so, or because there is no time.
    """
    usable_s = time_s - min(_CLOSING_S, time_s / 4)
    if not rate or usable_s <= 0:
        return 0.0
    return max(float(rate), count / usable_s)
