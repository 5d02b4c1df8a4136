"""The replies in which clients without a socket receive: one that goes on and on, and one that ends with what is said.

They carry lines, and tell whoever speaks in them when the client is gone or reads again. What is said, when a reply
ends, and which session it belongs to is the business of `server.fallbacks`. Invariant: a client's end is noticed
while it waits, so that nothing is said to nobody which could still be said to somebody.
"""

import asyncio
from typing import Final, Protocol

from pushery.core.exchange import Reply, Request
from pushery.core.wheel import NEVER
from pushery.server.shared import LINGER_S, Connection, Shared
from pushery.wire.xhr import CLIENT_BUFFER, HEARTBEAT, LAST_CHUNK, characters, chunk, open_ended

Headers = tuple[tuple[str, str], ...]

_CONTENT_TYPE: Final = "text/plain; charset=utf-8"


class Speaker(Protocol):
    """Who speaks in a reply."""

    def resumed(self) -> None:
        """The client reads again."""

    def lost(self, receiver: "Receiver") -> None:
        """The client has gone away from this reply."""


class PollReceiver:
    """A reply that is made once there is something to say. Cancel `reply` when the client is gone."""

    __slots__ = ("_headers", "_lines", "reply", "room", "speaker")

    def __init__(self, loop: asyncio.AbstractEventLoop, headers: Headers) -> None:
        self.reply: asyncio.Future[Reply] = loop.create_future()
        self.reply.add_done_callback(self._done)
        self.speaker: Speaker | None = None
        self.room = CLIENT_BUFFER
        """How many characters it still takes before it is long enough."""
        self._headers = headers
        self._lines: list[bytes] = []

    @property
    def gone(self) -> bool:
        """Whether nothing can be said any more."""
        return self.reply.done()

    @property
    def ready(self) -> bool:
        """Whether something can be said at once."""
        return not self.gone

    @property
    def has_said(self) -> bool:
        """Whether there is anything to reply."""
        return bool(self._lines)

    def say(self, lines: bytes) -> None:
        """Add lines to the reply."""
        self.room -= characters(lines)
        self._lines.append(lines)

    def end(self) -> None:
        """Reply; harmless when the client is gone."""
        self.speaker = None
        if not self.gone:
            self.reply.set_result(Reply(200, b"".join(self._lines) or HEARTBEAT, self._headers, _CONTENT_TYPE))

    def abort(self) -> None:
        """Let go of the client."""
        self.reply.cancel()

    def _done(self, reply: "asyncio.Future[Reply]") -> None:
        if reply.cancelled() and self.speaker is not None:
            self.speaker.lost(self)


class StreamReceiver(asyncio.Protocol, Connection):
    """A reply without an end, on a transport of its own: what the client sends behind its request is ignored."""

    __slots__ = ("_chunked", "_paused", "_shared", "_transport", "_unsent", "room", "speaker", "wheel_slot")

    def __init__(self, shared: Shared, transport: asyncio.Transport) -> None:
        self._shared = shared
        self._transport = transport
        self._chunked = True
        self._paused = False
        self._unsent = 0
        """How many bytes the client had not read when it was last looked at, after the end."""
        self.speaker: Speaker | None = None
        self.room = CLIENT_BUFFER + 1
        """How many characters it still takes before the client drops it for a new one."""
        self.wheel_slot = NEVER

    def begin(self, request: Request, headers: Headers, prelude: bytes) -> None:
        """Answer the request, up to where the first line of the session goes."""
        reply = Reply(200, b"", headers, _CONTENT_TYPE)
        head = self._shared.replies.encode(reply, keep_alive=False, secure=request.secure)
        self._chunked = request.version != "1.0"
        self._transport.write(open_ended(head, request.version))
        self.say(prelude)

    @property
    def gone(self) -> bool:
        """Whether nothing can be said any more."""
        return self._transport.is_closing()

    @property
    def ready(self) -> bool:
        """Whether the client reads what is said."""
        return not self._paused and not self.gone

    def say(self, lines: bytes) -> None:
        """Write lines to the client."""
        self.room -= characters(lines)
        self._transport.write(chunk(lines) if self._chunked else lines)

    def end(self) -> None:
        """End the reply and with it our side; the client's end, or a short while, ends the rest (RFC 9112 9.6)."""
        self.speaker = None
        transport = self._transport
        if transport.is_closing():
            return
        if self._chunked:
            transport.write(LAST_CHUNK)
        if transport.can_write_eof():
            transport.write_eof()
            self._unsent = transport.get_write_buffer_size()
            self._shared.wheel.arm(self, self._shared.wheel.now + LINGER_S)
        else:
            transport.close()

    def abort(self) -> None:
        """Let go of the client at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """It has nothing to say here."""
        self._shared.stats.bytes_in += len(data)

    def eof_received(self) -> bool:
        """Browsers end their side by ending the connection, not otherwise."""
        self._lose()
        return False

    def pause_writing(self) -> None:
        """The transport is full. Called within a fan-out."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has room again."""
        self._paused = False
        if self.speaker is not None:
            self.speaker.resumed()

    def due(self) -> None:
        """The reply has ended: cut a client that has not read any of the rest since it was last looked at."""
        unsent = self._transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self._shared.wheel.arm(self, self._shared.wheel.now + LINGER_S)
        else:
            self._transport.abort()

    def drain(self) -> None:
        """The server is stopping: the end is on its way already."""

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, however that came."""
        self._shared.admission.connections -= 1
        self._shared.wheel.cancel(self)
        self._lose()

    def _lose(self) -> None:
        speaker, self.speaker = self.speaker, None
        if speaker is not None:
            speaker.lost(self)


Receiver = PollReceiver | StreamReceiver
