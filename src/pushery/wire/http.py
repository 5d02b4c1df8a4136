"""Bytes of a client's connection become requests: HTTP/1.1 and HTTP/1.0 on top of httptools (llhttp).

`RequestParser` is fed what the socket read and returns the requests that are complete. It does not answer, keep
time, decode targets or bodies, or go on after an upgrade. What a head has to keep is in `wire.head`.

Invariant: whatever is fed, in whatever pieces, the same bytes give the same requests, and the parser holds no more
than `HttpLimits` allow plus one `feed`. For that the bytes are cut before llhttp sees them: every message ends right
behind an empty line or at its declared length, so llhttp never gets the end of one message and the beginning of the
next at once, and all sizes are exact. Where a chunked body ends, `wire.chunks` tells.
"""

import sys
from typing import Final

import httptools
import msgspec

from pushery.core.exchange import Refusal, Request
from pushery.wire.chunks import Chunks, LineTooLong
from pushery.wire.head import CHUNKED, body_length, expects_continue, malformed, offers_websocket, request_of

IDLE: Final = 0
"""Between requests: nothing but empty lines has come since the last one."""
HEAD: Final = 1
"""Some, not all of a request's head has come."""
BODY: Final = 2
"""A head is complete, its body is not."""
ENDED: Final = 3
"""No more requests come of this connection: refused, upgraded, or closed by its last one. Further data is ignored."""

_BLANK: Final = b"\r\n\r\n"


class HttpLimits(msgspec.Struct, frozen=True):
    """What a request may cost. Both in bytes.

    `max_header_bytes` bounds the request line with all header lines, and once more what a chunked body says besides
    data (extensions, trailers). `max_body_bytes` bounds the body.
    """

    max_header_bytes: int
    max_body_bytes: int


class RequestParser:
    """Turns the bytes of one connection into requests. Let it go when a request is an accepted upgrade.

    After every `feed` look, in this order, at: the requests returned; `take_continue()`; `refusal`.
    """

    __slots__ = (
        "_awaits_continue",
        "_begun",
        "_chunks",
        "_inner",
        "_left",
        "_limits",
        "_overhead",
        "_peer",
        "_rest",
        "_rest_at",
        "_sink",
        "_tail",
        "phase",
        "refusal",
        "upgrade_rest",
    )

    def __init__(self, limits: HttpLimits, peer: str) -> None:
        self.phase: int = IDLE
        # Why what was sent last is no request; None as long as all is well. To be answered after the requests
        # `feed` returned, then the connection closes.
        self.refusal: Refusal | None = None
        # What followed the head of a request whose `upgrade` is true: the first bytes of WebSocket frames.
        self.upgrade_rest = b""
        self._limits = limits
        self._peer = peer
        self._sink = _Sink()
        self._inner = _inner_parser(self._sink)
        self._begun: Request | None = None  # the request whose body is being read; None in every other phase
        self._left = 0  # bytes of its body still to come, CHUNKED when unknown
        self._chunks: Chunks | None = None  # of its body, up to the trailers
        self._overhead = 0  # bytes of its head or its trailers so far
        self._tail = b""  # the last three of these, where an empty line may have begun
        self._awaits_continue = False
        self._rest = b""  # what is pending, from `_rest_at` on
        self._rest_at = 0

    def feed(self, data: bytes, share: int = sys.maxsize) -> list[Request]:
        """The requests `data` completes, in order. Raises nothing: if the rest is no HTTP, `refusal` says why.

        No more than `share` bytes are read at once: what is more is pending then, and `feed(b"", share)` goes on.
        """
        done: list[Request] = []
        try:
            if self._rest or len(data) > share:
                data = self._share(data, share)
            at, size = 0, len(data)
            while at < size and self.phase != ENDED:
                at = self._feed_body(data, at) if self.phase == BODY else self._feed_head(data, at)
                if self._begun is not None and self._sink.complete:
                    done.append(self._finish())
                    if done[-1].upgrade:
                        self.upgrade_rest = data[at:] + self._rest[self._rest_at :]
        except Refusal as refusal:
            # A traceback would hold this frame, hence this parser, which holds the refusal: a cycle.
            self.refusal = refusal.with_traceback(None)
            self._sink.clear()
            self.phase = ENDED
        except MemoryError:
            self._sink.clear()
            self.refusal = _short_of_memory()
            self.phase = ENDED
        if self.phase == ENDED:
            self._rest, self._rest_at = b"", 0
        return done

    def _share(self, data: bytes, share: int) -> bytes:
        """What is to be read now of what is pending and of `data` behind it. The rest is kept as it came: taking it
        apart anew for every share would cost the square of its length."""
        rest, at = self._rest, self._rest_at
        if data:
            rest, at = rest[at:] + data, 0
        end = at + share
        self._rest, self._rest_at = (rest, end) if end < len(rest) else (b"", 0)
        return rest[at:end]

    @property
    def pending(self) -> bool:
        """Whether more has been fed than was to be read."""
        return bool(self._rest)

    @property
    def held(self) -> int:
        """Bytes that are kept of a body whose end has not come, and of what is pending."""
        return self._sink.size + len(self._rest)

    def take_continue(self) -> bool:
        """Whether to send "100 Continue" now, after the answers to all earlier requests. True once per request."""
        awaits, self._awaits_continue = self._awaits_continue, False
        return awaits

    def _feed_head(self, data: bytes, at: int) -> int:
        if self.phase == IDLE and data[at] in _BLANK:
            return self._skip_empty_lines(data, at)
        cut = self._next_cut(data, at)
        end = cut or len(data)
        room = self._limits.max_header_bytes - self._overhead
        fits = end - at <= room
        if not fits:
            end = at + room
        segment = data if end - at == len(data) else data[at:end]
        offered = self._run(segment)
        if not fits:
            raise _headers_too_large(self._limits)
        if cut:
            self._begin(offered)
        else:
            self.phase = HEAD
            self._overhead += len(segment)
            self._tail = (self._tail + segment[-3:])[-3:]
        return end

    def _skip_empty_lines(self, data: bytes, at: int) -> int:
        """RFC 9112 2.2: a server SHOULD ignore at least one empty line before the request line."""
        lines = data[at : at + 64]  # not all of `data`, which may hold many short requests
        skipped = len(lines) - len(lines.lstrip(b"\r\n"))
        self._overhead += skipped
        if self._overhead > self._limits.max_header_bytes:
            raise _headers_too_large(self._limits)
        return at + skipped

    def _next_cut(self, data: bytes, at: int) -> int:
        """Where the next empty line ends in `data`, also when it began in earlier data; 0 when it does not."""
        tail = self._tail
        if tail:
            found = (tail + data[at : at + 3]).find(_BLANK)
            if found >= 0:
                return at + found + 4 - len(tail)
        found = data.find(_BLANK, at)
        return found + 4 if found >= 0 else 0

    def _run(self, segment: bytes) -> bool:
        """Feed llhttp. True when it took the segment for the end of HTTP on this connection."""
        try:
            self._inner.feed_data(segment)
        except httptools.HttpParserUpgrade:
            return True
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, MemoryError):
                raise _short_of_memory() from None
            problem = str(error)
        else:
            return False
        raise malformed(problem)

    def _begin(self, offered: bool) -> None:
        """The head is complete: check it and see what follows it."""
        sink, inner = self._sink, self._inner
        headers, version = sink.headers, inner.get_http_version()
        request = request_of(inner.get_method().decode(), sink.target, version, headers, self._peer)
        length = body_length(version, headers)
        if length > self._limits.max_body_bytes:
            raise _body_too_large(self._limits)
        self._awaits_continue = expects_continue(version, headers) and length != 0
        if offered:
            request.upgrade = length == 0 and offers_websocket(request)
            if not request.upgrade:
                self._decline(length)
        if sink.complete != (length == 0):
            raise malformed("its body has no clear end")  # only if llhttp and `wire.head` disagreed
        sink.headers = {}  # those of a trailer section are no headers of the request (RFC 9110 6.5.1)
        self._begun = request
        self._left = length
        if length == CHUNKED:
            self._chunks = Chunks(self._limits.max_header_bytes, self._limits.max_body_bytes)
        self._overhead = 0
        self._tail = b""
        self.phase = BODY

    def _decline(self, length: int) -> None:
        """Ignore an offer to upgrade (RFC 9110 7.8). llhttp believes it was taken and skips the body: bring a new one
        to where that body begins."""
        self._sink.clear()
        self._inner = _inner_parser(self._sink)
        framing = b"Transfer-Encoding: chunked" if length == CHUNKED else b"Content-Length: %d" % length
        self._run(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)

    def _feed_body(self, data: bytes, at: int) -> int:
        self._awaits_continue = False  # RFC 9110 10.1.1: may be omitted once some of the body has come
        if self._left == CHUNKED:
            return self._feed_chunks(data, at)
        segment = data[at : at + self._left]
        self._left -= len(segment)
        self._run(segment)
        return at + len(segment)

    def _feed_chunks(self, data: bytes, at: int) -> int:
        """Up to the end of the body or of `data`; at times less."""
        chunks, sink = self._chunks, self._sink
        if chunks is None:
            return self._feed_trailers(data, at)
        try:
            end, come = chunks.walk(data, at, sink.size)
        except LineTooLong as line:
            self._run(data[at : line.end])  # what is wrong before it is said first
            raise _headers_too_large(self._limits) from None
        self._run(data[at:end])
        if sink.complete or (come is not None and sink.size != come):
            raise malformed("its body has no clear end")  # only if llhttp and `walk` disagreed
        if sink.size + chunks.to_come > self._limits.max_body_bytes:
            raise _body_too_large(self._limits)
        if chunks.ended:  # trailers and extensions have one limit together
            self._chunks, self._overhead, self._tail = None, chunks.extensions, b"\r\n"
        return end

    def _feed_trailers(self, data: bytes, at: int) -> int:
        """Up to the empty line that ends the body."""
        cut = self._next_cut(data, at)
        end = cut or len(data)
        room = self._limits.max_header_bytes - self._overhead
        fits = end - at <= room
        if not fits:
            end = at + room
        segment = data[at:end]
        self._run(segment)
        if not fits:
            raise _headers_too_large(self._limits)
        if self._sink.complete != bool(cut):
            raise malformed("its body has no clear end")  # only if llhttp saw another empty line
        self._overhead += len(segment)
        self._tail = (self._tail + segment[-3:])[-3:]
        return end

    def _finish(self) -> Request:
        request, sink = self._begun, self._sink
        assert request is not None
        request.body = bytes(sink.body)
        sink.clear()
        self._begun = None
        self._overhead = 0
        self._tail = b""
        self.phase = IDLE if request.keep_alive and not request.upgrade else ENDED
        return request


class _Sink:
    """What llhttp found in the message it is in. Knows neither parser: without a cycle all three are freed with their
    connection, not by the collector."""

    __slots__ = ("body", "complete", "headers", "size", "target")

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.clear()

    def clear(self) -> None:
        self.target = b""
        if self.headers:
            self.headers = {}
        self.body: bytes | bytearray = b""  # a bytearray once there is more than one piece
        self.size = 0  # of the body
        self.complete = False

    def on_url(self, piece: bytes) -> None:
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.strip()  # RFC 9112 5.1: whitespace around the value is no part of it
        headers = self.headers
        if name in headers:
            headers[name] += b", " + value  # RFC 9110 5.3
        else:
            headers[name] = value

    def on_body(self, piece: bytes) -> None:
        self.size += len(piece)
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytearray):
            self.body += piece
        else:
            self.body = bytearray(self.body + piece)

    def on_message_complete(self) -> None:
        self.complete = True


def _inner_parser(sink: _Sink) -> httptools.HttpRequestParser:
    inner = httptools.HttpRequestParser(sink)
    # llhttp has its own idea of when a connection closes (it reads Proxy-Connection); `Request.keep_alive` decides.
    inner.set_dangerous_leniencies(lenient_keep_alive=True)
    return inner


def _short_of_memory() -> Refusal:
    # The request may be fine: its sender is to try again.
    message = "The server is short of memory just now: try again."
    return Refusal(503, "overloaded", message, headers=(("Retry-After", "5"),))


def _headers_too_large(limits: HttpLimits) -> Refusal:
    # RFC 6585 5
    sentence = f"Request line, headers and trailers may take {limits.max_header_bytes} bytes."
    return Refusal(431, "headers_too_large", sentence)


def _body_too_large(limits: HttpLimits) -> Refusal:
    # RFC 9110 15.5.14
    return Refusal(413, "body_too_large", f"A request body may have {limits.max_body_bytes} bytes.")
