"""One client on a WebSocket of an ASGI server: a `node.Peer` that writes by telling that server.

Frames are the ASGI server's, so what the node hands over is taken apart again: a frame that was just encoded is
unmasked and whole, and says itself how long it is. Pings are the ASGI server's as well. Invariant: messages are sent in
the order in which they were handed over, by one task, and no more of them wait than `outbox_limit` has bytes.
"""

import asyncio
from typing import Final

import structlog

from pushery.asgi.scopes import Message, Receive, Send
from pushery.core import codes
from pushery.core.audience import Write
from pushery.core.codes import Close
from pushery.core.effects import Session
from pushery.core.exchange import Request
from pushery.core.outbox import Outbox
from pushery.core.rates import TokenBucket
from pushery.core.wheel import NEVER
from pushery.node import Place
from pushery.server.access import NO_CODE, Visit
from pushery.server.shared import Connection, Shared
from pushery.wire.websocket import CLOSE, TEXT, close_frame, encode_frame, payload_of, split_frames

log = structlog.get_logger("pushery.asgi")

_OPCODE: Final = 0x0F

_IN_HAND: Final = 64 * 1024
"""Bytes that are taken out of the outbox at a time, and no longer counted there."""

_LOOK_S: Final = 60.0
"""How often the wheel hands out a socket that nothing is due for. It stands there for the server's stop to find it."""

_FAREWELL_S: Final = 1.0
"""How long a goodbye may take when the ASGI server cancels us: it has stopped by itself, and waits for that."""

_FOR_CAUSE: Final = frozenset(close.code for close in (codes.TOO_BIG, codes.NOT_TEXT, codes.MALFORMED))

_FREE: Final = 3000
"""From here on codes are the applications' (RFC 6455 7.4.2). Some ASGI servers take no others, but for 1000."""


class AsgiPeer(Connection):
    """Counted in with `run`, which returns when the client is gone."""

    __slots__ = (
        "_closing",
        "_end",
        "_outbox",
        "_rate",
        "_session",
        "_shared",
        "_source",
        "_visit",
        "_waiting",
        "_writer",
        "address",
        "entry",
        "place",
        "wheel_slot",
    )

    def __init__(self, shared: Shared, session: Session, request: Request, source: str) -> None:
        self._shared = shared
        self._session = session
        self.address = request.peer
        self._visit = Visit(request) if shared.logs_access else None
        """What the access log will say of it; None when there is none."""
        self._source = source
        """What `Admission` has called where it comes from."""
        self._outbox = Outbox(shared.outbox_limit, self._overflow, shared.backlog)
        self.entry: Write = self._put
        self.place: Place | None = None
        self._waiting = asyncio.Event()
        """Set when there is something to write."""
        self._end = asyncio.Event()
        """Set when the client is gone, or has to be let go."""
        self._writer: asyncio.Task[None] | None = None
        self._closing = False
        """Set when a close frame was handed over: nothing else is after it."""
        self._rate = TokenBucket()
        self.wheel_slot = NEVER

    @property
    def waiting(self) -> int:
        """Bytes that wait for it because it reads too slowly."""
        return self._outbox.size

    async def run(self, receive: Receive, send: Send) -> None:
        """Let it in, have the handshake accepted, and serve it to the end: who is answered is counted in already."""
        shared = self._shared
        shared.admission.connections += 1
        shared.stats.connections += 1
        shared.stats.connections_opened += 1
        shared.stats.http_responses[1] += 1
        shared.wheel.arm(self, shared.wheel.now + _LOOK_S)
        reader: asyncio.Task[None] | None = None
        try:
            try:
                shared.node.apply(self, self._session.opened())
            except Exception:
                self._give_up()
            reader = shared.loop.create_task(self._read(receive))
            self._writer = shared.loop.create_task(self._write(send))
            await self._end.wait()
        except asyncio.CancelledError:
            await self._say_goodbye()
            raise
        finally:
            self._leave()
            for task in (reader, self._writer):
                if task is not None:
                    task.cancel()

    async def _say_goodbye(self) -> None:
        """The ASGI server stops. It may know no lifespan, or end its sockets before that: nobody else tells them."""
        self.close(self._shared.goodbye)
        if self._writer is not None:
            await asyncio.wait((self._writer,), timeout=_FAREWELL_S)

    def _leave(self) -> None:
        shared = self._shared
        shared.wheel.cancel(self)
        shared.node.leave(self)
        shared.admission.connections -= 1
        shared.admission.left(self._source)
        shared.stats.connections -= 1
        if self._visit is not None:
            self._visit.end()
        self._closing = True
        self.entry = _drop
        self._outbox.discard()
        self._outbox = Outbox(0, _drop, shared.backlog)  # the old one knows us: a cycle

    async def _read(self, receive: Receive) -> None:
        """Hand what the client sends to the session, until it is gone."""
        try:
            while (message := await receive())["type"] == "websocket.receive":
                await self._wait_for_turn()
                if not self._closing:
                    self._take(message)
            if self._visit is not None and not self._closing:
                self._visit.code = message.get("code", NO_CODE)
        except Exception:
            log.exception("asgi_receive_failed")
        finally:
            self._end.set()

    async def _wait_for_turn(self) -> None:
        """Read no faster than the client may send: meanwhile what it sends waits in the network."""
        shared = self._shared
        rate = shared.limits.client_messages_per_second
        while rate and not self._rate.take(1, rate, shared.loop.time()):  # noqa: ASYNC110  # time is all it takes
            await asyncio.sleep(self._rate.wait(rate, shared.loop.time()))

    def _take(self, message: Message) -> None:
        shared, text = self._shared, message.get("text")
        payload: str | bytes = text if text is not None else message["bytes"]
        size = len(payload.encode()) if isinstance(payload, str) else len(payload)
        shared.stats.messages_in += 1
        shared.stats.bytes_in += size
        if self._visit is not None:
            self._visit.messages += 1
        if size > self._session.message_limit:
            self.close(codes.TOO_BIG)
            return
        try:
            shared.node.apply(self, self._session.received(payload))
        except Exception:
            self._give_up()

    def _give_up(self) -> None:
        """The session has a defect."""
        log.exception("session_failed")
        self.close(codes.INTERNAL_ERROR)

    async def _write(self, send: Send) -> None:
        """Accept the handshake, then send what waits, whenever something does, up to a close."""
        try:
            await send({"type": "websocket.accept"})
            while True:
                await self._waiting.wait()
                for frame in self._next_frames():
                    if frame[0] & _OPCODE == CLOSE:
                        await _close(send, payload_of(frame))
                        return
                    await send({"type": "websocket.send", "text": str(payload_of(frame), "utf-8")})
        except Exception as error:  # ASGI servers differ in what they raise when the client has gone
            log.info("asgi_send_failed", error=str(error) or type(error).__name__)
            self._end.set()

    def _next_frames(self) -> list[bytes]:
        """What has waited longest, some of it."""
        waiting, count, size = self._outbox.drain(), 0, 0
        while count < len(waiting) and size < _IN_HAND:
            size += len(waiting[count])
            count += 1
        if count < len(waiting):
            self._outbox.refill(waiting[count:])
        else:
            self._waiting.clear()
        return split_frames(waiting[0] if count == 1 else b"".join(waiting[:count]))

    def _put(self, data: bytes) -> None:
        """Take frames, one or several. Often called within a fan-out."""
        self._outbox.put(data)
        self._waiting.set()

    def _overflow(self, frame: bytes) -> None:
        """The outbox is full. A fan-out is under way, whose audiences must not change: close behind it."""
        self._shared.loop.call_soon(self._close_slow)

    def _close_slow(self) -> None:
        if self._end.is_set():
            return
        shared = self._shared
        shared.stats.slow_clients += 1
        log.info("slow_client_closed", outbox_limit=shared.outbox_limit)
        self._outbox = Outbox(shared.outbox_limit, _drop, shared.backlog)
        self._closing = False  # the outbox may have held a close frame; it is gone, so this is the first one
        self.close(codes.SLOW_CLIENT)

    def send(self, text: bytes) -> None:
        """Give it one text message, after what it has been given before."""
        if not self._closing:
            self.entry(encode_frame(TEXT, text))

    def close(self, close: Close) -> None:
        """Count it out and begin the closing handshake; what was handed over before still goes out first."""
        if self._closing:
            return
        shared = self._shared
        shared.node.leave(self, close)
        if self._visit is not None:
            self._visit.code = close.code
        if close.code in _FOR_CAUSE:
            shared.stats.errors[f"close_{close.code}"] += 1
        goodbye, last_words = self._session.farewell(close)
        if last_words is not None:
            self.send(last_words)
        self.entry(close_frame(goodbye))
        self._closing = True
        shared.wheel.arm(self, shared.wheel.now + shared.timeouts.close)

    def due(self) -> None:
        """Let go when the close took too long."""
        if self._closing:
            self.abort()
        else:
            self._shared.wheel.arm(self, self._shared.wheel.now + _LOOK_S)

    def drain(self) -> None:
        """The server is stopping."""
        self.close(self._shared.goodbye)

    def abort(self) -> None:
        """Let go of the client at once."""
        self._end.set()


async def _close(send: Send, payload: memoryview) -> None:
    """Close with the code and reason of this close frame, or a code that stands for it."""
    code = int.from_bytes(payload[:2], "big")
    message: Message = {"type": "websocket.close", "code": code, "reason": str(payload[2:], "utf-8")}
    try:
        await send(message)
    except Exception:
        if code >= _FREE:
            raise
        await send({**message, "code": _stand_in(code).code})


def _stand_in(code: int) -> Close:
    """What tells a client to do the same as this code does, in the range that is ours."""
    return codes.MALFORMED if code in _FOR_CAUSE else codes.RESTARTING


def _drop(frame: bytes) -> None:
    """Takes the frames of a socket that is gone."""
