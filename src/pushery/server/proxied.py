"""What stands before HTTP where proxies speak the PROXY protocol: it learns who is connected, and then steps aside.

The specification (section 2) forbids to guess whether a connection begins with a header: here those of trusted proxies
do and all others do not. Invariant: its successor gets exactly the client's bytes, and no byte of a connection whose
header is bad, late or missing.
"""

import asyncio
from typing import cast

import structlog

from pushery.core.wheel import NEVER
from pushery.server.door import Door
from pushery.server.http import HttpConnection
from pushery.server.proxies import is_trusted
from pushery.server.replying import peer_address
from pushery.server.shared import TICK_S, Connection
from pushery.wire.proxyprotocol import ProxyHeader, ProxyHeaderError, ProxyHeaderReader

log = structlog.get_logger("pushery.server")


class ProxiedConnection(asyncio.Protocol, Connection):
    """A connection of which it is not known yet who is at its other end; after it comes HTTP."""

    __slots__ = ("_door", "_proxy", "_reader", "_shared", "_transport", "wheel_slot")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._shared = door.shared
        self._reader = ProxyHeaderReader()
        self._proxy = ""
        self.wheel_slot = NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header of a trusted proxy; whoever else it is speaks HTTP."""
        shared = self._shared
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are, without saying so
        self._proxy = peer_address(transport)
        if is_trusted(self._proxy, shared.trusted_proxies):
            shared.wheel.arm(self, shared.wheel.now + TICK_S + shared.timeouts.header)
        else:
            self._step_aside()

    def data_received(self, data: bytes) -> None:
        """Read on in the header."""
        try:
            header = self._reader.feed(data)
        except ProxyHeaderError as error:
            self._drop(str(error))
            return
        if header is not None:
            self._shared.wheel.cancel(self)
            self._hand_over(header)

    def _hand_over(self, header: ProxyHeader) -> None:
        successor = self._step_aside()
        if header.peer is not None:
            successor.vouch(header.peer, header.secure)
        if header.rest:
            successor.data_received(header.rest)

    def _step_aside(self) -> HttpConnection:
        successor = HttpConnection(self._door)
        self._transport.set_protocol(successor)
        successor.connection_made(self._transport)
        return successor

    def _drop(self, problem: str) -> None:
        self._shared.stats.errors["bad_proxy_header"] += 1
        log.info("bad_proxy_header", proxy=self._proxy, problem=problem)
        self._transport.abort()

    def due(self) -> None:
        """It took too long."""
        self._drop("it did not arrive in time")

    def drain(self) -> None:
        """The server is stopping, and nothing is under way here."""
        self._transport.close()

    def abort(self) -> None:
        """Let go of it at once."""
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone, as health checks that only connect do."""
        self._shared.wheel.cancel(self)
