"""One client's HTTP connection: requests in, replies out, in order, until it closes or becomes something else.

It keeps deadlines and the order of replies; parsing is `wire.http`'s, meaning is the dialects'. Requests of one
connection are answered one after another, so what a backend pushes in order is published in order.
"""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Final, cast

import structlog

from pushery.core.effects import AskHook, OpenSocket, OpenStream, Session
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.wheel import NEVER
from pushery.server.admission import no_room
from pushery.server.cors import with_cors
from pushery.server.door import Door
from pushery.server.fallbacks import peer_for
from pushery.server.receivers import PollReceiver, StreamReceiver
from pushery.server.shared import LARGE_PIECE, LINGER_S, TICK_S, Connection, stopping
from pushery.server.websocket import WebSocketPeer
from pushery.wire.deflate import negotiate
from pushery.wire.handshake import check_handshake, handshake_answer
from pushery.wire.http import BODY, HEAD, IDLE, RequestParser
from pushery.wire.replies import CONTINUE
from pushery.wire.xhr import PRELUDE, QUIET_PRELUDE

log = structlog.get_logger("pushery.server")

_PER_TURN: Final = 64
"""Pipelined requests answered before other connections get their turn."""

_LARGE: Final = 16 * 1024
"""Bytes from which a reply is written at once instead of gathered: what a client does not read must not pile up."""

_MOST_EARLY: Final = 16 * 1024
"""Bytes that are kept of a client who does not wait for the answer to its handshake; then it is not read from."""

_FRESH: Final = -1
"""The phase of a connection on which nothing has come yet."""

_TIMED_OUT: Final = Refusal(408, "request_timeout", "The request did not arrive in time: send it faster.")

_OVERLOADED: Final = Refusal(
    503, "overloaded", "Too much waits in the server just now: try again.", headers=(("Retry-After", "5"),)
)


class HttpConnection(asyncio.Protocol, Connection):
    """Speaks HTTP/1.1 to one client."""

    __slots__ = (
        "_busy",
        "_door",
        "_early",
        "_ended",
        "_handed_over",
        "_lingering",
        "_parser",
        "_paused",
        "_phase",
        "_poll",
        "_queue",
        "_replies",
        "_secure",
        "_shared",
        "_since",
        "_transport",
        "_unsent",
        "wheel_slot",
    )

    def __init__(self, door: Door) -> None:
        self._door = door
        self._shared = door.shared
        self._secure = door.secure
        """Whether the client speaks TLS to us, or to a proxy that vouches for it."""
        self.wheel_slot = NEVER
        self._queue: list[Request] = []
        """Requests not yet begun, the next one last."""
        self._replies: list[bytes] = []
        """Encoded and not yet written: what a turn of the loop brings on many connections is answered at its end,
        so that nobody who is answered early makes the rest wait by asking again."""
        self._busy = False
        """Whether a request is being worked on, or the next ones wait for their turn of the loop."""
        self._paused = False
        """Whether the client does not read its replies."""
        self._lingering = False
        """Set when the last reply is out and only the client's end is awaited."""
        self._ended = False
        """Set when the client has sent its last."""
        self._handed_over = False
        """Set when the transport is somebody else's: a `WebSocketPeer`'s, or a `StreamReceiver`'s."""
        self._poll: asyncio.Future[Reply] | asyncio.Future[bool] | None = None
        """What a request waits for that has its time: the reply of a poll, or an app's word whether the client may come
        in. Only then the client's end is watched for meanwhile."""
        self._early: bytes | None = None
        """What has come behind a handshake while it is asked whether the client may come in; None else."""
        self._unsent = 0
        """How many bytes of replies it had not read when it was last looked at."""
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
            self._replies.append(shared.replies.encode(self._door.refused(no_room()), keep_alive=False))
            self._close()

    def vouch(self, peer: str, secure: bool) -> None:
        """A trusted proxy says who the client is ("ip:port"), before anything comes of it."""
        self._parser = RequestParser(self._shared.http_limits, peer)
        self._secure = secure

    def data_received(self, data: bytes) -> None:
        """Take in what is complete and answer it."""
        if self._early is not None:
            self._keep(data)
            return
        self._shared.stats.bytes_in += len(data)
        if self._lingering:
            return
        parser = self._parser
        requests = parser.feed(data)
        if requests or parser.phase != self._phase:
            self._enter(parser.phase)
        if requests:
            requests.reverse()
            self._queue[:0] = requests
        if not self._busy:
            self._serve()
        elif self._poll is not None:
            self._after_serving()
        if parser.phase == BODY:
            self._shared.backlog.hold(self, parser.held)
        if len(data) > LARGE_PIECE and not self._transport.is_closing():
            self._transport.pause_reading()
            self._shared.loop.call_soon(self._read_on)

    def _keep(self, data: bytes) -> None:
        """Keep what comes too early, up to a bound."""
        self._early = (self._early or b"") + data
        if self._early:
            self._shared.backlog.hold(self, len(self._early))
        if len(self._early) > _MOST_EARLY:
            self._transport.pause_reading()

    def _read_on(self) -> None:
        """Go on reading after a large piece, unless there is a reason not to."""
        if self._transport.is_closing() or self._handed_over:
            return
        if self._lingering:
            self._transport.resume_reading()
        elif not self._busy or self._poll is not None:
            self._after_serving()

    def _enter(self, phase: int) -> None:
        shared = self._shared
        if self._phase == BODY:
            shared.backlog.release(self)
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
        for _ in range(_PER_TURN):
            if not self._queue or self._busy or self._paused:
                break
            self._begin(self._queue.pop())
        else:
            if self._queue and not self._busy:
                self._busy = True
                self._shared.loop.call_soon(self._serve)
        if not self._lingering and not self._handed_over and not self._transport.is_closing():
            self._after_serving()

    def _after_serving(self) -> None:
        transport, parser = self._transport, self._parser
        if self._queue or self._paused or (self._busy and self._poll is None):
            transport.pause_reading()
        elif self._busy:
            if not transport.is_reading():
                transport.resume_reading()
        elif parser.refusal is not None:
            self._refuse(parser.refusal)
        elif self._ended:
            self._close()
        else:
            if parser.take_continue():
                self._send()
                transport.write(CONTINUE)
            if not transport.is_reading():
                transport.resume_reading()

    def _begin(self, request: Request) -> None:
        """Answer one request, now or later."""
        request.secure = self._secure
        answer = self._door.answer(request)
        result: Reply | Awaitable[Reply] | None
        if isinstance(answer, AskHook):
            result = self._ask(request, answer)
        elif isinstance(answer, OpenSocket | OpenStream):
            result = self._become(request, answer)
        else:
            result = answer
        if isinstance(result, Reply):
            self._reply(request, result)
        elif result is not None:
            self._busy = True
            if result is not self._poll:
                self._shared.exchanges.add(self)
            task = asyncio.ensure_future(result)
            task.add_done_callback(partial(self._finish, request))

    def _become(self, request: Request, wanted: OpenSocket | OpenStream) -> Reply | Awaitable[Reply] | None:
        """Be what a dialect wants; None when the connection is somebody else's now, and answered."""
        try:
            if isinstance(wanted, OpenStream):
                return self._receive(request, wanted)
            self._upgrade(request, wanted.session)
        except Refusal as refusal:
            return self._door.refused(refusal)
        except Exception as error:
            return self._door.failed(error)
        return None

    def _ask(self, request: Request, wanted: AskHook) -> Reply | None:
        """Ask an app's backend whether the client may come in; None when that is under way."""
        try:
            self._accept(request)
        except Refusal as refusal:
            return self._door.refused(refusal)
        hooks = self._shared.connect_hooks
        asking = asyncio.ensure_future(hooks.admits(wanted.app_key, wanted.url, wanted.token, wanted.tag))
        self._busy, self._poll = True, asking
        self._keep(self._parser.upgrade_rest)
        asking.add_done_callback(partial(self._asked, request, wanted))
        return None

    def _asked(self, request: Request, wanted: AskHook, asking: "asyncio.Future[bool]") -> None:
        """The app's word is there, or not wanted any more: the client has gone, or the server is stopping."""
        self._poll = None
        self._shared.backlog.release(self)
        if self._transport.is_closing() or self._lingering:
            if not asking.cancelled():
                asking.exception()
            return
        try:
            if asking.cancelled():
                raise stopping()
            self._upgrade(request, wanted.answer(asking.result()).session)
        except Exception as error:
            self._early = None
            self._reply(request, self._door.failed(error))

    def _receive(self, request: Request, outcome: OpenStream) -> Awaitable[Reply] | None:
        """Let a session speak in the reply."""
        shared = self._shared
        peer = peer_for(shared, outcome, request.peer)
        if outcome.lasting:
            stream = StreamReceiver(shared, self._transport)
            self._hand_over(stream)
            self._queue.clear()
            stream.begin(request, outcome.headers, PRELUDE if peer.is_new else QUIET_PRELUDE)
            peer.listen(stream)
            return None
        poll = PollReceiver(shared.loop, outcome.headers)
        peer.listen(poll)
        self._poll = poll.reply
        return poll.reply

    def _finish(self, request: Request, task: "asyncio.Future[Reply]") -> None:
        """A reply that took time is there: send it and go on with what was queued behind it."""
        self._shared.exchanges.discard(self)
        self._poll = None
        if task.cancelled():
            return
        error = task.exception()
        if self._transport.is_closing():
            return
        self._reply(request, task.result() if error is None else self._door.failed(error))
        if not self._transport.is_closing():
            self._serve()

    def _reply(self, request: Request, reply: Reply) -> None:
        shared = self._shared
        if shared.verbose:
            log.debug("answered", method=request.method, status=reply.status, peer=request.peer)
        if shared.cors_origins:
            reply = with_cors(request, reply, shared.cors_origins)
        keep_alive = request.keep_alive and not request.upgrade and not shared.draining
        head_only = request.method == "HEAD"
        encoded = shared.replies.encode(reply, keep_alive, head_only, request.version, request.secure)
        if not self._replies:
            shared.unsent.add(self._send)
        self._replies.append(encoded)
        if len(encoded) > _LARGE:
            self._send()
        if not keep_alive:
            self._queue.clear()
            self._linger()

    def _send(self) -> None:
        """Write the replies that wait, in one piece. At the latest the end of the loop's turn does that."""
        replies = self._replies
        if replies:
            self._transport.write(replies[0] if len(replies) == 1 else b"".join(replies))
            replies.clear()

    def _close(self) -> None:
        self._send()
        self._transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """What came is no request, or too much: answer that and close."""
        reply = self._door.refused(refusal)
        self._replies.append(self._shared.replies.encode(reply, keep_alive=False, secure=self._secure))
        self._linger()

    def _linger(self) -> None:
        """End our side; the client's end, or a short while, ends the rest (RFC 9112 9.6)."""
        self._send()
        self._lingering = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self._unsent = self._transport.get_write_buffer_size()
            self._shared.wheel.arm(self, self._shared.wheel.now + LINGER_S)
            if not self._transport.is_reading():
                self._transport.resume_reading()
        else:
            self._transport.close()

    def _upgrade(self, request: Request, session: Session) -> None:
        """Answer the handshake and let the connection go on as a WebSocket, counted in before anybody else's turn."""
        shared, transport = self._shared, self._transport
        accept = self._accept(request)
        deflater, extension = shared.deflater, b""
        if deflater is not None:
            extension = negotiate(request.header(b"sec-websocket-extensions"))
            deflater = deflater if extension else None
        rest = self._parser.upgrade_rest if self._early is None else self._early
        source = shared.admission.admit(request.peer)
        peer = WebSocketPeer(shared, transport, session, deflater, source)
        self._hand_over(peer)
        peer.open(handshake_answer(accept, extension), rest)

    def _accept(self, request: Request) -> bytes:
        """What is in the answer to a handshake. Raises Refusal when it is not in order."""
        accept = check_handshake(request)
        if not request.upgrade:  # what follows it has been read as HTTP already, not as frames
            message = "A WebSocket handshake has no body."
            raise Refusal(400, "bad_handshake", message, headers=(("Sec-WebSocket-Version", "13"),))
        if self._shared.draining:
            raise stopping()
        return accept

    def _hand_over(self, successor: asyncio.Protocol) -> None:
        """Let somebody else have the transport, once all that was answered before is written."""
        transport = self._transport
        self._shared.wheel.cancel(self)
        self._send()
        self._handed_over = True
        transport.set_protocol(successor)
        if self._paused:  # the transport says so once, and has said it to us
            successor.pause_writing()
        if not transport.is_reading():
            transport.resume_reading()

    def give_up(self) -> None:
        """Too much waits in this process, and the body that this client sends is among the largest."""
        if not self._transport.is_closing():
            self._parser = RequestParser(self._shared.http_limits, "")
            self._early = None
            if self._poll is not None:
                self._poll.cancel()
            self._refuse(_OVERLOADED)

    def pause_writing(self) -> None:
        """The client does not read its replies: it is not read from either."""
        self._paused = True
        self._unsent = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """It reads again."""
        self._paused = False
        if not self._busy and not self._lingering and not self._transport.is_closing():
            self._serve()

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

    def _unless_moving(self, patience_s: float) -> None:
        """Cut a client, unless it has read some of its replies since it was last looked at."""
        unsent = self._transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self._shared.wheel.arm(self, self._shared.wheel.now + patience_s)
        else:
            self._transport.abort()

    def drain(self) -> None:
        """The server is stopping: what is under way is answered, with "Connection: close"."""
        if self._early is not None and self._poll is not None:
            self._poll.cancel()
        elif not self._busy and self._phase not in (HEAD, BODY) and not self._lingering:
            self._close()

    def abort(self) -> None:
        """Let go of the client at once."""
        self._transport.abort()

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


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The client's "ip:port"; IPv4 is shown as such when it came in on an IPv6 socket."""
    peername = transport.get_extra_info("peername")
    if not isinstance(peername, tuple):
        return "unknown:0"
    host, port = str(peername[0]).removeprefix("::ffff:"), peername[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
