"""What goes out on one client's HTTP connection: replies in order, and the last words.

The replies of one turn of the event loop are gathered and written together. Behind the last one our side ends, and the
client's end, or a short while, ends the rest. Which requests they answer is `server.exchanges`' matter. Invariant:
nothing is said behind the last reply.
"""

import asyncio
from typing import Final

import structlog

from pushery.core.exchange import Refusal, Reply, Request
from pushery.server import access
from pushery.server.cors import with_cors
from pushery.server.door import Door
from pushery.server.shared import LINGER_S, Connection, Shared

log = structlog.get_logger("pushery.server")

_LARGE: Final = 16 * 1024
"""Bytes from which a reply is written at once instead of gathered: what a client does not read must not pile up."""


class Replying(Connection):
    """Replies to one client."""

    __slots__ = ("_door", "_lingering", "_replies", "_secure", "_shared", "_transport", "_unsent")

    _transport: asyncio.Transport

    def __init__(self, door: Door) -> None:
        self._door = door
        self._shared = door.shared
        self._secure = door.secure
        """Whether the client speaks TLS to us, or to a proxy that vouches for it."""
        self._replies: list[bytes] = []
        """Encoded and not yet written: what a turn of the loop brings on many connections is answered at its end,
        so that nobody who is answered early makes the rest wait by asking again."""
        self._lingering = False
        """Set when the last reply is out and only the client's end is awaited."""
        self._unsent = 0
        """How many bytes of replies it had not read when it was last looked at."""

    def _reply_with(self, request: Request, reply: Reply, keep_alive: bool) -> None:
        """Answer a request. Not kept alive, the connection ends with that."""
        encoded = encoded_reply(self._shared, request, reply, keep_alive)
        if not self._replies:
            self._shared.unsent.add(self, self._send)
        self._replies.append(encoded)
        if len(encoded) > _LARGE:
            self._send()
        if not keep_alive:
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
        self._say_last(refusal)
        self._linger()

    def _say_last(self, refusal: Refusal) -> None:
        shared = self._shared
        shared.stats.errors[refusal.code] += 1
        shared.stats.http_responses[refusal.status // 100] += 1
        encoded = shared.replies.encode(refusal.reply(), keep_alive=False, secure=self._secure)
        self._replies.append(encoded)
        if shared.logs_access:
            access.not_a_request(peer_address(self._transport), refusal.status, len(encoded))

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

    def _unless_moving(self, patience_s: float) -> None:
        """Cut a client, unless it has read some of its replies since it was last looked at."""
        unsent = self._transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self._shared.wheel.arm(self, self._shared.wheel.now + patience_s)
        else:
            self._transport.abort()

    def abort(self) -> None:
        """Let go of the client at once."""
        self._transport.abort()


def encoded_reply(shared: Shared, request: Request, reply: Reply, keep_alive: bool) -> bytes:
    """The reply as bytes of HTTP/1, counted and logged, and told to whoever watches the app."""
    if shared.verbose:
        log.debug("answered", method=request.method, status=reply.status, peer=request.peer)
    shared.stats.http_responses[reply.status // 100] += 1
    if reply.code:
        shared.stats.errors[reply.code] += 1
        if shared.node.hub.watched:
            shared.node.refused(request.shown_path, reply)
        if request.upgrade:
            shared.stats.handshakes_refused[reply.code] += 1
    if shared.cors_origins:
        reply = with_cors(request, reply, shared.cors_origins)
    encoded = shared.replies.encode(reply, keep_alive, request.method == "HEAD", request.version, request.secure)
    if shared.logs_access:
        access.answered(request, reply.status, len(encoded))
    return encoded


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The client's "ip:port"; IPv4 is shown as such when it came in on an IPv6 socket."""
    peername = transport.get_extra_info("peername")
    if not isinstance(peername, tuple):
        return "unknown:0"
    host, port = str(peername[0]).removeprefix("::ffff:"), peername[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
