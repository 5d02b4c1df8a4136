"""One client's HTTP connection: what its requests make of it, beside being answered.

A request may turn its connection into a WebSocket or into a reply without an end, perhaps after an app's backend was
asked. Order, deadlines and replies are `server.exchanges`', what a request means is the dialects'.
"""

import asyncio
import time
from collections.abc import Awaitable
from functools import partial

from pushery.core.effects import AskHook, OpenSocket, OpenStream, Session
from pushery.core.exchange import Refusal, Reply, Request
from pushery.server import access
from pushery.server.exchanges import HttpExchanges
from pushery.server.fallbacks import peer_for
from pushery.server.receivers import PollReceiver, StreamReceiver
from pushery.server.shared import stopping
from pushery.server.websocket import WebSocketPeer
from pushery.wire.deflate import negotiate
from pushery.wire.handshake import check_handshake, handshake_answer
from pushery.wire.http import RequestParser
from pushery.wire.xhr import PRELUDE, QUIET_PRELUDE


class HttpConnection(HttpExchanges):
    """Answers one client, and becomes what the client asks for."""

    __slots__ = ()

    def vouch(self, peer: str, secure: bool) -> None:
        """A trusted proxy says who the client is ("ip:port"), before anything comes of it."""
        self._parser = RequestParser(self._shared.http_limits, peer)
        self._secure = secure

    def _begin(self, request: Request) -> None:
        """Answer one request, now or later."""
        request.secure = self._secure
        if self._shared.logs_access:
            request.began = time.monotonic()
        answer = self._door.answer(request)
        if request.verified and self._proof != (proof := (request.peer, request.verified)):
            self._proof = proof
            self._door.remember(request)
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
            self._work_on(request, result)

    def _become(self, request: Request, wanted: OpenSocket | OpenStream) -> Reply | Awaitable[Reply] | None:
        """Be what a dialect wants; None when the connection is somebody else's now, and answered."""
        try:
            if isinstance(wanted, OpenStream):
                return self._receive(request, wanted)
            self._upgrade(request, wanted.session)
        except Refusal as refusal:
            return refusal.reply()
        except Exception as error:
            return self._door.failed(error)
        return None

    def _ask(self, request: Request, wanted: AskHook) -> Reply | None:
        """Ask an app's backend whether the client may come in; None when that is under way."""
        try:
            self._accept(request)
        except Refusal as refusal:
            return refusal.reply()
        hooks = self._shared.connect_hooks
        asking = asyncio.ensure_future(hooks.admits(wanted.app_key, wanted.url, wanted.token, wanted.tag))
        self._busy, self._poll = True, asking
        self._shared.backlog.release(self)  # what was counted has been read
        self._keep(self._parser.upgrade_rest)
        asking.add_done_callback(lambda asked: self.guarded(partial(self._asked, request, wanted, asked)))
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
        peer = peer_for(shared, outcome, request)
        if outcome.lasting:
            shared.stats.http_responses[2] += 1
            if shared.logs_access:
                access.answered(request, 200, 0)
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
        shared.stats.http_responses[1] += 1
        if shared.logs_access:
            peer.visit = access.Visit(request)
        peer.open(handshake_answer(accept, extension), rest)

    def _accept(self, request: Request) -> bytes:
        """What is in the answer to a handshake. Raises Refusal when it is not in order."""
        accept = check_handshake(request)
        if not request.upgrade:  # what follows it has been read as HTTP already, not as frames
            message = "A WebSocket handshake has no body."
            raise Refusal(400, "bad_handshake", message, headers=(("Sec-WebSocket-Version", "13"),))
        if self._shared.draining and not self._shared.last_call:
            raise stopping()
        return accept

    def _hand_over(self, successor: asyncio.Protocol) -> None:
        """Let somebody else have the transport, once all that was answered before is written."""
        transport = self._transport
        self._shared.wheel.cancel(self)
        self._shared.backlog.release(self)
        self._send()
        self._handed_over = True
        transport.set_protocol(successor)
        if self._paused:  # the transport says so once, and has said it to us
            successor.pause_writing()
        if not transport.is_reading():
            transport.resume_reading()
