"""How a client reaches the server, and what it hears of it: here by a WebSocket, in `fallback` without one.

Nothing here knows what the messages mean.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Protocol, cast

from soak.wire import CLOSE, PING, PONG, TEXT, FrameReader, WireError, handshake, masked


class Listener(Protocol):
    """Whom a transport tells what happens."""

    def on_open(self) -> None:
        """The server has let it in."""

    def on_refused(self, status: int, body: bytes) -> None:
        """The server has answered the handshake with an error."""

    def on_text(self, text: bytes) -> None:
        """A message has come."""

    def on_pong(self) -> None:
        """The oldest ping that was not answered yet is."""

    def on_close(self, code: int, reason: str) -> None:
        """The server has closed, or answered a close."""

    def on_gone(self) -> None:
        """The connection is no more, without a close."""

    def on_fault(self, what: str) -> None:
        """The server has broken the protocol."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is."""

    host: str
    port: int


class Transport(Protocol):
    """What a client can do with its connection."""

    kind: str

    def send(self, text: str) -> None:
        """Send a message."""

    def ping(self) -> None:
        """Ask for a pong."""

    def close(self) -> None:
        """Begin a polite end, where there is such a thing."""

    def reset(self) -> None:
        """Be gone, without a word."""


class WebSocket(asyncio.Protocol):
    """One WebSocket. `window` makes it a client with a small receive buffer."""

    def __init__(self, listener: Listener, path: str, *, compress: bool = False) -> None:
        self.kind = "ws+deflate" if compress else "ws"
        self.frames = FrameReader()
        self._listener = listener
        self._path = path
        self._compress = compress
        self._transport: asyncio.Transport | None = None
        self._head: bytes | None = b""
        """What has come of the reply to the handshake; None once it is complete."""
        self._closed = False
        """Whether a close has come."""
        self._closing = False
        """Whether one was sent."""
        self._done = False
        """Whether we have let go of it: nothing more is told."""

    async def connect(self, address: Address, window: int = 0) -> None:
        """Open the connection and send the handshake; what becomes of it the listener hears. Raises OSError."""
        loop = asyncio.get_running_loop()
        if not window:
            await loop.create_connection(lambda: self, address.host, address.port)
            return
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        found.setblocking(False)
        await loop.sock_connect(found, (address.host, address.port))
        await loop.create_connection(lambda: self, sock=found)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(handshake(self._path, compress=self._compress))

    def data_received(self, data: bytes) -> None:
        """Take bytes apart and tell."""
        if self._done:
            return
        try:
            if self._head is not None:
                data = self._opening(data)
                if not data:
                    return
            for opcode, payload in self.frames.feed(data):
                self._take(opcode, payload)
        except WireError as error:
            self._listener.on_fault(f"the server has sent {error}")

    def _opening(self, data: bytes) -> bytes:
        assert self._head is not None
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return b""
        head, rest = self._head[:end], self._head[end + 4 :]
        if not head.startswith(b"HTTP/1.1 101 "):
            self._done = True
            self._listener.on_refused(int(head.split(b" ", 2)[1]), rest)
            assert self._transport is not None
            self._transport.abort()
            return b""
        self.frames.compressed = b"permessage-deflate" in head
        if self.frames.compressed and not self._compress:
            raise WireError("an extension that nobody offered")
        self._head = None
        self._listener.on_open()
        return rest

    def _take(self, opcode: int, payload: bytes) -> None:
        if self._done:
            return
        if self._closed:
            raise WireError("a frame behind its close")
        if opcode == TEXT:
            self._listener.on_text(payload)
        elif opcode == PONG:
            self._listener.on_pong()
        elif opcode == PING:
            self._write(masked(PONG, payload))
        elif opcode == CLOSE:
            self._closed = True
            if not self._closing:
                self._closing = True
                self._write(masked(CLOSE, payload[:2]))
            code = int.from_bytes(payload[:2], "big") if payload else 1005
            self._listener.on_close(code, payload[2:].decode())

    def connection_lost(self, error: Exception | None) -> None:
        """The end, expected or not."""
        if not self._done and not self._closed:
            self._done = True
            self._listener.on_gone()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def send(self, text: str) -> None:
        """Send a message."""
        self._write(masked(TEXT, text.encode()))

    def ping(self) -> None:
        """Ask for a pong."""
        self._write(masked(PING, b"?"))

    def close(self) -> None:
        """Send a close; the server's answer ends it."""
        self._closing = True
        self._write(masked(CLOSE, struct.pack("!H", 1000)))

    def reset(self) -> None:
        """Be gone at once: the server sees a reset, or the end of a connection."""
        self._done = True
        if self._transport is None:
            return
        found = self._transport.get_extra_info("socket")
        if found is not None:
            with contextlib.suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def pause(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()
