"""One client's WebSocket after the handshake: keeps it alive, feeds its session, and closes it in order.

It knows no dialect: messages go to the session, what the session wants goes to the node. Its frames are written by the
fan-out straight to `entry`; nothing here runs for a delivery unless the client is slow.

What a client sends is read a share at a time, at the rate that the settings allow; the rest waits, at first in the
reader, then in the network. Invariant: every message is acted on once, in order, and closes and failures behind the
messages before them.
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
from pushery.server.access import NO_CODE, Visit
from pushery.server.compression import SharedDeflater
from pushery.server.replying import peer_address
from pushery.server.sending import plain_socket
from pushery.server.shared import LARGE_PIECE, Connection, Shared
from pushery.wire.websocket import CLOSE, PING, PONG, TEXT, FrameReader, Message, close_frame, encode_frame

log = structlog.get_logger("pushery.server")

_PING_FRAME: Final = encode_frame(PING, b"")

_SHARE: Final = 64
"""Frames read before other connections get their turn, large ones counting more (`FrameReader.feed`). Measured: 64 of
the smallest take 0.1 ms, so eight clients that send nothing else make the others wait for 1 ms."""

_ROUNDING: Final = 1e-6
"""What floating point may take off a whole message."""

_CLOSING_PAUSE_S: Final = 0.01
"""How long a client who goes on sending after our close is not read from between two shares: only its close matters."""

_WAKES_PER_S: Final = 8
"""How often a client who sends too fast is read from, at most, unless that makes whole shares."""

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
        "_holds",
        "_outbox",
        "_paid",
        "_paused",
        "_pinged",
        "_reader",
        "_session",
        "_shared",
        "_socket",
        "_source",
        "_transport",
        "_waits",
        "_write",
        "entry",
        "place",
        "visit",
        "wheel_slot",
    )

    def __init__(
        self,
        shared: Shared,
        transport: asyncio.Transport,
        session: Session,
        deflater: SharedDeflater | None,
        source: str,
    ) -> None:
        self._shared = shared
        self._source = source
        """What `Admission` has called where it comes from."""
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
        self._holds = False
        """Whether a part of a message is kept, and counted in the backlog."""
        self._waits = False
        """Whether nothing is read before `_read_on`."""
        self._paid = 0.0
        """Until when (the loop's time) its messages so far have used up what it may send; it may be a second ahead."""
        self._heard = shared.wheel.now
        self._pinged: float | None = None
        """When it was pinged; None when it has been heard since."""
        self.wheel_slot = NEVER
        self.visit: Visit | None = None
        """What the access log will say of it; None when there is none."""

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
        if self._waits:  # a transport may have had more in hand than it was asked for
            self._reader.feed(data, share=0)
        elif not self._failed:
            self._read(data)
            if len(data) > LARGE_PIECE or self._reader.pending:
                # Else the transport reads on, up to eight MiB, before anybody else has a turn.
                self._wait()

    def _wait(self) -> None:
        """Read no more before the others had their turn, and this client has the right to."""
        transport, shared = self._transport, self._shared
        if transport.is_closing():
            return
        transport.pause_reading()
        self._waits = True
        rate = shared.limits.client_messages_per_second
        if self._closing:
            shared.loop.call_later(_CLOSING_PAUSE_S, self.guarded, self._read_on)
        elif self._reader.pending and self._allowed(rate) == 0:
            enough = min(_SHARE, max(1, rate // _WAKES_PER_S)) / rate
            wait_s = self._paid + enough - 1.0 - shared.loop.time()
            shared.loop.call_later(wait_s, self.guarded, self._read_on)
        else:
            shared.loop.call_soon(self.guarded, self._read_on)

    def _read_on(self) -> None:
        if self._transport.is_closing():
            return
        self._waits = False
        if self._reader.pending:
            self._read(b"")
        if self._reader.pending:
            self._wait()
        elif not self._transport.is_closing():
            self._heard = self._shared.wheel.now  # what it has said since may be in the network
            self._transport.resume_reading()

    def _allowed(self, rate: int) -> int:
        """How many messages may be read now. When all is over they are dropped anyway, and its close is awaited."""
        if not rate or self._closing:
            return _SHARE
        ahead = max(0.0, self._paid - self._shared.loop.time())
        return min(_SHARE, int((1.0 - ahead) * rate + _ROUNDING))

    def _read(self, data: bytes) -> None:
        """Act on what has come with `data`, up to a share of it."""
        reader, rate = self._reader, self._shared.limits.client_messages_per_second
        allowed = self._allowed(rate)
        messages = reader.feed(data, _SHARE, allowed)
        if rate and allowed:
            # A share in which no message ended counts as one: fragments are not free.
            used = len(messages) or int(reader.pending)
            self._paid = max(self._paid, self._shared.loop.time()) + used / rate
        for message in messages:
            try:
                self._take(message)
            except Exception:
                self._give_up()
        if self._holds or reader.held:
            self._count_held()
        failure = reader.failure
        if failure is not None:
            self._failed = True
            if failure is not codes.NORMAL and not self._transport.is_closing():
                self._fail(failure)

    def _count_held(self) -> None:
        held, backlog = self._reader.held, self._shared.backlog
        self._holds = held > 0
        if held:
            backlog.hold(self, held)
        else:
            backlog.release(self)

    def give_up(self) -> None:
        """Too much waits in this process, and what this client has sent in part is among the largest."""
        self._reader, self._failed, self._holds = FrameReader(0), True, False
        if not self._transport.is_closing():
            self.guarded(lambda: self._fail(codes.OVERLOADED))

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
            if self.visit is not None:
                self.visit.messages += 1
            self._shared.node.apply(self, self._session.received(payload))

    @property
    def address(self) -> str:
        """Where its connection comes from."""
        return peer_address(self._transport)

    @property
    def waiting(self) -> int:
        """What its outbox and its transport hold, in bytes."""
        waiting = 0 if self._outbox is None else self._outbox.size
        return waiting + self._transport.get_write_buffer_size()

    def send(self, text: bytes) -> None:
        """Give it one text message, after what it has been given before."""
        if not self._closing:
            self.entry(encode_frame(TEXT, text))

    def close(self, close: Close) -> None:
        """Count it out and begin the closing handshake; what was written before still goes out first."""
        if self._closing:
            return
        self._shared.node.leave(self, close)
        if close.code in _FOR_CAUSE:
            self._shared.stats.errors[f"close_{close.code}"] += 1
        close, last_words = self._session.farewell(close)
        if self.visit is not None:
            self.visit.code = close.code
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
            if self.visit is not None:
                self.visit.code = int.from_bytes(payload[:2]) if payload else NO_CODE
        if self._outbox is None:
            self._transport.close()
        else:
            self._shared.wheel.arm(self, self._shared.wheel.now + self._shared.timeouts.close)

    def pause_writing(self) -> None:
        """The transport is full: from now on the outbox takes what is for this client. Called within a fan-out."""
        self._paused = True
        if self._outbox is None and not self._closing:
            self._outbox = Outbox(self._shared.outbox_limit, self._overflow, self._shared.backlog)
            self.entry = self._compressing(self._outbox.put)
            self._shared.node.redirect(self)

    def resume_writing(self) -> None:
        """The transport has room again: empty the outbox, and go back to writing directly when that is done."""
        self._paused = False
        self.guarded(self._empty_outbox)  # a transport would go on behind a failure, and the stream have a hole

    def _empty_outbox(self) -> None:
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
        self._shared.loop.call_soon(self.guarded, self._close_slow)

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
        if self._waits and self._pinged is not None:
            self._heard = now  # its pong may be among what waits
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
        self.close(self._shared.goodbye)

    def abort(self) -> None:
        """Let go of the client at once."""
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, however that came."""
        self._shared.wheel.cancel(self)
        try:
            self._shared.node.leave(self)
        finally:
            self._count_out()

    def _count_out(self) -> None:
        shared = self._shared
        shared.admission.connections -= 1
        shared.admission.left(self._source)
        shared.backlog.release(self)
        shared.stats.connections -= 1
        if shared.verbose:
            log.debug("socket_closed", connections=shared.stats.connections)
        if self.visit is not None:
            self.visit.end()
        if self._socket is not None:
            self._socket.detach()  # the transport closes it
        self._closing = True
        if self._outbox is not None:
            self._outbox.discard()
            self._outbox = None
        self.entry = self._write = _drop
