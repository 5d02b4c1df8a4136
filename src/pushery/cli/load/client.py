"""One client's socket, as lean as it can be in Python: a protocol without tasks, queues or timers of its own.

Invariant: `ready` is done exactly once, with success when the client is in, or with the reason why not.
"""

import asyncio
import base64
import os
import time
from typing import Final, cast

from pushery.cli.load import payload
from pushery.cli.load.dialect import Dialect
from pushery.cli.load.frames import CLOSE, PING, PONG, TEXT, FrameError, ServerFrames, client_frame
from pushery.cli.load.tally import Receiver

_LONGEST_HEAD: Final = 16 * 1024


class NotIn(Exception):
    """Why a client could not get in, in one line."""


class Client(asyncio.Protocol):
    """Connects to `path`, and tells `receiver` what it gets of the run."""

    __slots__ = ("_dialect", "_frames", "_head", "_host", "_path", "_run", "_transport", "ended", "ready", "receiver")

    def __init__(self, dialect: Dialect, receiver: Receiver, *, host: str, path: str, run: bytes) -> None:
        self._dialect = dialect
        self._host = host
        self._path = path
        self._run = run
        self._frames = ServerFrames()
        self._head: bytes | None = b""
        """What has come of the answer to the handshake; None once that is through."""
        self.receiver = receiver
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = ""
        """Why the socket is closed; "" while it is open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake (RFC 6455 4.1)."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are, without saying so
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take in frames."""
        if self._head is not None:
            data = self._handshake(data)
            if self._head is not None:
                return
        now_ns = time.perf_counter_ns()
        try:
            frames = self._frames.feed(data)
        except FrameError as error:
            self._end(str(error))
            return
        for opcode, message in frames:
            if opcode == TEXT:
                self._text(message, now_ns)
            else:
                self._control(opcode, message)

    def _control(self, opcode: int, message: bytes) -> None:
        if opcode == PING:
            self._transport.write(client_frame(PONG, message))
        if opcode == CLOSE:
            code = int.from_bytes(message[:2], "big")
            self._end(f"closed by the server: {code} {message[2:].decode('utf-8', 'replace')}".rstrip())

    def _text(self, message: bytes, now_ns: int) -> None:
        marks = payload.read(message)
        if marks is not None:
            if marks.run == self._run:
                self.receiver.take(marks.lane, marks.number, (now_ns - marks.sent_ns) // 1000)
            return
        if not self.ready.done() and self._dialect.is_in(message):
            self.ready.set_result(None)

    def _handshake(self, data: bytes) -> bytes:
        """Read on in the answer; returns what comes behind it."""
        assert self._head is not None
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(head) > _LONGEST_HEAD:
                self._end("the answer to the handshake has no end")
            return b""
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if " 101" not in status:
            said = rest.decode("utf-8", "replace").strip()
            self._end(f"the handshake is answered: {status} {said}"[:300].rstrip())
            return b""
        self._head = None
        hello = self._dialect.hello()
        if hello is None:
            self.ready.set_result(None)
        else:
            self._transport.write(client_frame(TEXT, hello))
        return rest

    def _end(self, why: str) -> None:
        self.ended = self.ended or why
        if not self.ready.done():
            self.ready.set_exception(NotIn(why))
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self._end("the connection was lost")

    def leave(self) -> None:
        """Say goodbye, and close without waiting for the answer."""
        if self.ended:
            return
        self.ended = "left"
        self._transport.write(client_frame(CLOSE, (1000).to_bytes(2, "big")))
        self._transport.close()
