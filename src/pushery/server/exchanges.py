"""One client's HTTP exchanges: requests in, each answered in its turn and in time.

It keeps deadlines and turns; parsing is `wire.http`'s, replies are `server.replying`'s, and what becomes of a request
`server.http`'s.
Requests of one connection are answered one after another, so what a backend pushes in order is published in order.
"""

import asyncio
import time
from collections.abc import Awaitable
from functools import partial
from typing import Final, cast

from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.wheel import NEVER
from pushery.server.admission import no_room
from pushery.server.door import Door
from pushery.server.replying import Replying, peer_address
from pushery.server.shared import LARGE_PIECE, LINGER_S, TICK_S
from pushery.wire.http import BODY, ENDED, HEAD, IDLE, RequestParser
from pushery.wire.replies import CONTINUE

_PER_TURN: Final = 64
"""Pipelined requests answered before other connections get their turn."""

_SHARE: Final = 16 * 1024
"""Bytes of requests read before other connections get their turn. Measured: 16 KiB of the smallest take 2 ms."""

_LONGEST_TURN_S: Final = 0.001
"""How long one connection's requests are answered before other connections get their turn."""

_ALL_TURNS_S: Final = 0.004
"""How long those of all connections whose requests queue are, in one turn of the loop: the more queue, the less has
each, but never less than one request."""

_LEAST_SHARE: Final = 1024
_FULL_SHARES: Final = 4
"""How many connections may queue until each reads less at a time."""

_MOST_EARLY: Final = 16 * 1024
"""Bytes that are kept of a client who does not wait for the answer to its handshake; then it is not read from."""

_FRESH: Final = -1
"""The phase of a connection on which nothing has come yet."""

_TIMED_OUT: Final = Refusal(408, "request_timeout", "The request did not arrive in time: send it faster.")

_OVERLOADED: Final = Refusal(
    503, "overloaded", "Too much waits in the server just now: try again.", headers=(("Retry-After", "5"),)
)


class HttpExchanges(asyncio.Protocol, Replying):
    """Speaks HTTP/1.1 to one client."""

    __slots__ = (
        "_busy",
        "_early",
        "_ended",
        "_handed_over",
        "_holds",
        "_parser",
        "_paused",
        "_phase",
        "_poll",
        "_proof",
        "_queue",
        "_reads_on",
        "_since",
        "wheel_slot",
    )

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self.wheel_slot = NEVER
        self._queue: list[Request] = []
        """Requests not yet begun, the next one last."""
        self._reads_on = False
        """Whether `_read_on` is to be called, and nothing is read before."""
        self._busy = False
        """Whether a request is being worked on, or the next ones wait for their turn of the loop."""
        self._paused = False
        """Whether the client does not read its replies."""
        self._ended = False
        """Set when the client has sent its last."""
        self._handed_over = False
        """Set when the transport is somebody else's: a `WebSocketPeer`'s, or a `StreamReceiver`'s."""
        self._holds = False
        """Whether the backlog counts what is kept of it: a body that has not come to its end, and what is pending."""
        self._poll: asyncio.Future[Reply] | asyncio.Future[bool] | None = None
        """What a request waits for that has its time: the reply of a poll, or an app's word whether the client may come
        in. Only then the client's end is watched for meanwhile."""
        self._early: bytes | None = None
        """What has come behind a handshake while it is asked whether the client may come in; None else."""
        self._proof = ("", "")
        """Of which peer which credentials were last found to be right here: mostly they are the same all the time."""
        self._phase = _FRESH
        self._since = 0.0
        """When the present phase began, at the latest: the wheel's time may be a tick old, and nobody is cut early."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        shared = self._shared
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are, without saying so
        self._parser = RequestParser(shared.http_limits, peer_address(transport))
        self._since = shared.wheel.now + TICK_S
        shared.admission.connections += 1
        shared.wheel.arm(self, self._since + shared.timeouts.header)
        if shared.admission.connections > self._door.most_connections:
            # At once, without waiting for its end: every one that lingers would keep another out.
            self._say_last(no_room())
            self._lingering = True
            self._close()

    def data_received(self, data: bytes) -> None:
        """Take in what is complete and answer it."""
        if self._early is not None:
            self._keep(data)
            return
        self._shared.stats.bytes_in += len(data)
        if self._lingering:
            return
        parser = self._parser
        share = _SHARE * _FULL_SHARES // (_FULL_SHARES + self._shared.queueing)
        requests = parser.feed(data, max(_LEAST_SHARE, share))
        if requests or parser.phase != self._phase:
            self._enter(parser.phase)
        if requests:
            requests.reverse()
            self._queue[:0] = requests
        if not self._busy:
            self._serve()
        elif self._poll is not None:
            self._after_serving()
        held = parser.held
        if (held or self._holds) and not self._handed_over and self._early is None:
            self._count_held(held)
        if len(data) > LARGE_PIECE and not self._transport.is_closing():
            self._wait()

    def _count_held(self, held: int) -> None:
        backlog = self._shared.backlog
        self._holds = held > 0
        if held:
            backlog.hold(self, held)
        else:
            backlog.release(self)

    def _wait(self) -> None:
        """Read no more before the others had their turn."""
        self._transport.pause_reading()
        if not self._reads_on:
            self._reads_on = True
            self._shared.loop.call_soon(self.guarded, self._read_on)

    def _resume(self) -> None:
        """Read on, what has been fed first."""
        if self._parser.pending:
            self._wait()
        elif not self._reads_on and not self._transport.is_reading():
            self._transport.resume_reading()

    def _keep(self, data: bytes) -> None:
        """Keep what comes too early, up to a bound."""
        self._early = (self._early or b"") + data
        if self._early:
            self._shared.backlog.hold(self, len(self._early))
        if len(self._early) > _MOST_EARLY:
            self._transport.pause_reading()

    def _read_on(self) -> None:
        """Go on reading after a large piece, unless there is a reason not to."""
        self._reads_on = False
        if self._transport.is_closing() or self._handed_over:
            return
        if self._lingering:
            self._transport.resume_reading()
        elif (
            self._parser.pending and not self._queue and not self._paused and (not self._busy or self._poll is not None)
        ):
            self.data_received(b"")
        elif not self._busy or self._poll is not None:
            self._after_serving()

    def _enter(self, phase: int) -> None:
        shared = self._shared
        self._phase = phase
        self._since = shared.wheel.now + TICK_S
        if phase in (HEAD, BODY):
            shared.wheel.arm(self, self._deadline())

    def _deadline(self) -> float:
        timeouts = self._shared.timeouts
        if self._phase == IDLE:
            return self._since + timeouts.keepalive
        return self._since + (timeouts.body if self._phase == BODY else timeouts.header)

    def _serve(self) -> None:
        """Answer what is queued, up to the first that takes time, to this turn's share, or to what the client reads."""
        self._busy = False
        queue = self._queue
        if queue and not self._paused:
            self._begin(queue.pop())
            if queue:
                share_s = _ALL_TURNS_S / (1 + self._shared.queueing)
                self._serve_more(time.monotonic() + min(share_s, _LONGEST_TURN_S))
        if not self._lingering and not self._handed_over and not self._transport.is_closing():
            self._after_serving()

    def _serve_more(self, until: float) -> None:
        for _ in range(_PER_TURN):
            if not self._queue or self._busy or self._paused:
                return
            if time.monotonic() > until:
                break
            self._begin(self._queue.pop())
        if self._queue and not self._busy:
            self._busy = True
            self._shared.queueing += 1
            self._shared.loop.call_soon(self.guarded, self._serve_on)

    def _serve_on(self) -> None:
        """Its turn has come again."""
        self._shared.queueing -= 1
        self._serve()

    def _after_serving(self) -> None:
        transport, parser = self._transport, self._parser
        if self._queue or self._paused or (self._busy and self._poll is None):
            transport.pause_reading()
        elif self._busy:
            self._resume()
        elif parser.refusal is not None:
            self._refuse(parser.refusal)
        elif self._ended and not parser.pending:
            self._close()
        else:
            if parser.take_continue():
                self._send()
                transport.write(CONTINUE)
            self._resume()

    def _begin(self, request: Request) -> None:
        """Answer one request with `_reply`, or see to it: now, or later with `_work_on`."""
        raise NotImplementedError

    def _work_on(self, request: Request, coming: Awaitable[Reply]) -> None:
        """Send the reply to a request once it is there; what is queued behind it waits."""
        self._busy = True
        if coming is not self._poll:
            self._shared.exchanges.add(self)
        task = asyncio.ensure_future(coming)
        task.add_done_callback(lambda done: self.guarded(partial(self._finish, request, done)))

    def _finish(self, request: Request, task: "asyncio.Future[Reply]") -> None:
        """A reply that took time is there: send it and go on with what was queued behind it."""
        self._shared.exchanges.discard(self)
        self._poll = None
        is_over = self._lingering or self._transport.is_closing()
        if task.cancelled():
            if not is_over:  # its session has been let go of at once: there is nothing to be said here any more
                self.abort()
            return
        error = task.exception()
        if is_over:
            return
        self._reply(request, task.result() if error is None else self._door.failed(error))
        if not self._transport.is_closing():
            self._serve()

    def _reply(self, request: Request, reply: Reply) -> None:
        keep_alive = request.keep_alive and not request.upgrade and not self._shared.draining
        if not keep_alive:
            self._queue.clear()
        self._reply_with(request, reply, keep_alive)

    def give_up(self) -> None:
        """Too much waits in this process, and the body that this client sends is among the largest."""
        self.guarded(self._refuse_the_rest)

    def _refuse_the_rest(self) -> None:
        if self._transport.is_closing():
            return
        self._parser = RequestParser(self._shared.http_limits, "")
        asks, self._early = self._early is not None, None
        if self._lingering:  # it has got its last reply
            return
        if (self._poll is not None and self._poll.cancel()) or asks or not self._busy:
            self._refuse(_OVERLOADED)
        else:  # what is under way is answered first: else it would be asked for again, and what a poll has said be lost
            self._parser.refusal, self._parser.phase = _OVERLOADED, ENDED

    def pause_writing(self) -> None:
        """The client does not read its replies: it is not read from either."""
        self._paused = True
        self._unsent = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """It reads again."""
        self._paused = False
        if not self._busy and not self._lingering and not self._transport.is_closing():
            self.guarded(self._serve)  # a transport goes on as if nothing had happened

    def eof_received(self) -> bool:
        """The client has sent its last. What it asked before is still answered, where the transport allows that."""
        self._ended = True
        self._send()
        if self._poll is not None:  # a client that has gone away looks the same, and must not be told anything
            self._poll.cancel()
            return False
        unanswered = self._busy or bool(self._queue)
        return unanswered and not self._lingering and self._transport.can_write_eof()

    def due(self) -> None:
        """Cut whoever sends too slowly, and close what has been idle for long."""
        shared = self._shared
        now = shared.wheel.now
        deadline = self._deadline()
        if self._lingering:
            self._unless_moving(LINGER_S)
        elif self._busy:
            shared.wheel.arm(self, now + shared.timeouts.keepalive)
        elif now < deadline:
            shared.wheel.arm(self, deadline)
        elif self._paused:
            self._unless_moving(shared.timeouts.keepalive)
        elif self._phase in (HEAD, BODY):
            self._refuse(_TIMED_OUT)
        else:
            self._close()

    def drain(self) -> None:
        """The server is stopping: what is under way is answered, with "Connection: close"."""
        if self._early is not None and self._poll is not None:
            self._poll.cancel()
        elif not self._busy and self._phase not in (HEAD, BODY) and not self._lingering:
            self._close()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        shared = self._shared
        shared.admission.connections -= 1
        shared.backlog.release(self)
        shared.wheel.cancel(self)
        shared.exchanges.discard(self)
        self._queue.clear()
        self._replies.clear()
        if self._poll is not None:
            self._poll.cancel()
