"""One client's WebSocket after the handshake: keeps it alive, feeds its session, and closes it in order.

It knows no dialect: messages go to the session, what the session wants goes to the node. Its frames are written by the
fan-out straight to `entry`; nothing here runs for a delivery unless the client is slow.
"""

import asyncio
from typing import Final, cast

import structlog

from pushery.core import codes
from pushery.core.audience import Write
from pushery.core.codes import Close
from pushery.core.effects import Session
from pushery.core.outbox import Outbox
from pushery.core.wheel import NEVER
from pushery.node import Place
from pushery.server.compression import SharedDeflater
from pushery.server.sending import plain_socket
from pushery.server.shared import LARGE_PIECE, Connection, Shared
from pushery.wire.websocket import CLOSE, PING, PONG, TEXT, FrameReader, Message, close_frame, encode_frame

log = structlog.get_logger("pushery.server")

_PING_FRAME: Final = encode_frame(PING, b"")

# The client's own doing, not the end of a connection that went well.
_FOR_CAUSE: Final = frozenset(
    close.code
    for close in (codes.TOO_BIG, codes.PROTOCOL_ERROR, codes.BAD_UTF8, codes.NO_PONG, codes.NOT_TEXT, codes.MALFORMED)
)


def _drop(frame: bytes) -> None:
    """Takes the frames of a socket that is gone."""


class WebSocketPeer(asyncio.Protocol, Connection):
    """A `node.Peer` on a transport."""

    __slots__ = (
        "_closing",
        "_deflater",
        "_failed",
        "_heard",
        "_outbox",
        "_paused",
        "_pinged",
        "_reader",
        "_session",
        "_shared",
        "_socket",
        "_transport",
        "_write",
        "entry",
        "place",
        "wheel_slot",
    )

    def __init__(
        self,
        shared: Shared,
        transport: asyncio.Transport,
        session: Session,
        deflater: SharedDeflater | None,
    ) -> None:
        self._shared = shared
        self._transport = transport
        self._session = session
        self._reader = FrameReader(session.message_limit, deflate=deflater is not None)
        self._socket = plain_socket(transport)
        """The socket itself, for frames that need not wait; None where only the transport can send (TLS)."""
        self._deflater = deflater
        """Set when the client has agreed to compression."""
        self._write = self._compressing(self._raw_write)
        self.entry: Write = self._write
        self.place: Place | None = None
        self._outbox: Outbox | None = None
        """What waits while the transport is full; None while the client keeps up."""
        self._paused = False
        self._closing = False
        """Set when a close frame has been sent: nothing else is sent after it."""
        self._failed = False
        """Set when the client has said its last, or what it sends makes no sense: nothing more is read."""
        self._heard = shared.wheel.now
        self._pinged: float | None = None
        """When it was pinged; None when it has been heard since."""
        self.wheel_slot = NEVER

    def _send(self, data: bytes) -> None:
        """Send past the transport. It has nothing to send itself, or the outbox would take the frame."""
        assert self._socket is not None
        try:
            sent = self._socket.send(data)
        except OSError:  # full, or broken: the transport deals with either
            sent = 0
        if sent != len(data):
            self._transport.write(data[sent:])

    @property
    def _raw_write(self) -> Write:
        return self._transport.write if self._socket is None else self._send

    def _compressing(self, write: Write) -> Write:
        return write if self._deflater is None else self._deflater.writer(write)

    def open(self, answer: bytes, rest: bytes) -> None:
        """Answer the handshake, in one piece with what the session says first: a system call is a tenth of all that
        letting somebody in costs. `rest` is what the client sent right behind its request.
        """
        shared = self._shared
        shared.stats.connections += 1
        shared.stats.connections_opened += 1
        if shared.verbose:
            log.debug("socket_opened", connections=shared.stats.connections)
        shared.wheel.arm(self, self._heard + shared.timeouts.ping_idle)
        pieces, entry = [answer], self.entry
        self.entry = self._compressing(pieces.append)
        try:
            shared.node.apply(self, self._session.opened())
        except Exception:
            self._give_up()
        self.entry = entry
        shared.node.redirect(self)
        self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if rest:
            self.data_received(rest)

    def data_received(self, data: bytes) -> None:
        """Read frames and act on them."""
        shared = self._shared
        self._heard = shared.wheel.now
        shared.stats.bytes_in += len(data)
        if self._failed:
            return
        reader = self._reader
        for message in reader.feed(data):
            try:
                self._take(message)
            except Exception:
                self._give_up()
        failure = reader.failure
        if failure is not None:
            self._failed = True
            if failure is not codes.NORMAL and not self._transport.is_closing():
                self._fail(failure)
        if len(data) > LARGE_PIECE and not self._transport.is_closing():
            # Else the transport reads on, up to eight MiB, before anybody else has a turn.
            self._transport.pause_reading()
            shared.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _give_up(self) -> None:
        """The session has a defect. From here on only the client's close is awaited, so this happens once."""
        log.exception("session_failed")
        self.close(codes.INTERNAL_ERROR)

    def _take(self, message: Message) -> None:
        opcode, payload = message
        if opcode == CLOSE:
            self._answer_close(cast(bytes, payload))
        elif self._closing or opcode == PONG:
            return
        elif opcode == PING:
            self.entry(encode_frame(PONG, cast(bytes, payload)))
        else:
            self._shared.stats.messages_in += 1
            self._shared.node.apply(self, self._session.received(payload))

    def send(self, text: bytes) -> None:
        """Give it one text message, after what it has been given before."""
        if not self._closing:
            self.entry(encode_frame(TEXT, text))

    def close(self, close: Close) -> None:
        """Count it out and begin the closing handshake; what was written before still goes out first."""
        if self._closing:
            return
        self._shared.node.leave(self)
        if close.code in _FOR_CAUSE:
            self._shared.stats.errors[f"close_{close.code}"] += 1
        close, last_words = self._session.farewell(close)
        if last_words is not None:
            self.send(last_words)
        self.entry(close_frame(close))
        self._closing = True
        self._shared.wheel.arm(self, self._shared.wheel.now + self._shared.timeouts.close)

    def _fail(self, close: Close) -> None:
        """RFC 6455 7.1.7. No more is read, so the end of our side is shown at once instead of waiting for an answer."""
        log.info("socket_failed", code=close.code, reason=close.reason)
        self.close(close)
        if self._outbox is None and self._transport.can_write_eof():
            self._transport.write_eof()

    def _answer_close(self, payload: bytes) -> None:
        """RFC 6455 5.5.1: echo the code unless this answers ours, then the server closes the connection (7.1.1)."""
        self._shared.node.leave(self)
        if not self._closing:
            self.entry(encode_frame(CLOSE, payload))
            self._closing = True
        if self._outbox is None:
            self._transport.close()
        else:
            self._shared.wheel.arm(self, self._shared.wheel.now + self._shared.timeouts.close)

    def pause_writing(self) -> None:
        """The transport is full: from now on the outbox takes what is for this client. Called within a fan-out."""
        self._paused = True
        if self._outbox is None and not self._closing:
            self._outbox = Outbox(self._shared.outbox_limit, self._overflow)
            self.entry = self._compressing(self._outbox.put)
            self._shared.node.redirect(self)

    def resume_writing(self) -> None:
        """The transport has room again: empty the outbox, and go back to writing directly when that is done."""
        self._paused = False
        outbox = self._outbox
        if outbox is None or outbox.overflowed:
            return
        waiting, write = outbox.drain(), self._raw_write
        for index, frame in enumerate(waiting):
            write(frame)
            if self._paused:
                outbox.refill(waiting[index + 1 :])
                return
        self._outbox = None
        self.entry = self._write
        self._shared.node.redirect(self)
        if self._closing and self._reader.failure is not None:
            self._transport.close()

    def _overflow(self, frame: bytes) -> None:
        """The outbox is full. A fan-out is under way, whose audiences must not change: close behind it."""
        self._shared.loop.call_soon(self._close_slow)

    def _close_slow(self) -> None:
        if self._transport.is_closing():
            return
        self._shared.stats.slow_clients += 1
        log.info("slow_client_closed", outbox_limit=self._shared.outbox_limit)
        self._outbox = None
        self.entry = self._compressing(self._transport.write)  # behind what the transport holds, not past it
        self._closing = False  # the outbox may have held a close frame; it is gone, so this is the first one
        self.close(codes.SLOW_CLIENT)

    def due(self) -> None:
        """Ping it when it has been idle; close it when it has not answered; let go when the close took too long."""
        shared, timeouts = self._shared, self._shared.timeouts
        now = shared.wheel.now
        if self._closing:
            self._transport.abort()
        elif self._pinged is not None and self._heard < self._pinged:
            log.info("ping_unanswered")
            self.close(codes.NO_PONG)
        elif now - self._heard >= timeouts.ping_idle:
            self._pinged = now
            self.entry(_PING_FRAME)
            shared.wheel.arm(self, now + timeouts.ping_timeout)
        else:
            self._pinged = None
            shared.wheel.arm(self, self._heard + timeouts.ping_idle)

    def drain(self) -> None:
        """The server is stopping."""
        self.close(codes.RESTART)

    def abort(self) -> None:
        """Let go of the client at once."""
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, however that came."""
        shared = self._shared
        shared.wheel.cancel(self)
        shared.node.leave(self)
        shared.stats.connections -= 1
        if shared.verbose:
            log.debug("socket_closed", connections=shared.stats.connections)
        if self._socket is not None:
            self._socket.detach()  # the transport closes it
        self._closing = True
        self._outbox = None
        self.entry = self._write = _drop
