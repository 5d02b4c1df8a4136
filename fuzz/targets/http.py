"""Requests: pieces make no difference, and nothing is larger than the limits allow."""

import sys
from collections.abc import Iterable
from typing import Final

from fuzz.pieces import bytewise, pieces, planned
from pushery.core.exchange import Request
from pushery.wire.http import BODY, ENDED, HEAD, IDLE, HttpLimits, RequestParser

LIMITS: Final = HttpLimits(max_header_bytes=256, max_body_bytes=512)

_HEAD: Final = b"POST /a?b HTTP/1.1\r\nHost: h\r\n"
_CHUNKED: Final = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SEEDS: Final = [
    plan + wire
    for plan in (b"\xff\xff\xff\xff", b"\x00\x07\x30\x02")
    for wire in (
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 3,
        b"\r\n\r\nGET http://h/x HTTP/1.1\r\nHost: i\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        _HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello" + _HEAD + b"\r\n",
        _HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        _HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        _HEAD + b"Content-Length : 5\r\n\r\nhello",
        _HEAD + b"X: a\r\n b\r\n\r\n",
        _CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + _CHUNKED + b"0005;a=b\r\nhello\r\n0;x\r\nT: u\r\n\r\n",
        _CHUNKED + b"2\r\n\r\n\r\n1\r\nx\r\n" * 9 + b"0\r\n\r\n",
        _CHUNKED
        + b"1;"
        + b"e" * 60
        + b"\r\nx\r\n00000000000000000001\r\ny\r\n1f\r\n"
        + b"\r\n" * 15
        + b"x\r\n0\r\n\r\n",
        _CHUNKED + b"200\r\n" + b"x" * 512 + b"\r\n1\r\n",
        b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x80abcd",
        _HEAD + b"Upgrade: h2c\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\nCONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
    )
]


def target(data: bytes) -> None:
    """Feed it whole, in pieces, byte by byte, and to be read in shares."""
    plan, wire = planned(data)
    whole = _Read([wire])
    for read in (_Read(pieces(wire, plan)), _Read(bytewise(wire)), _Read([wire], share=1 + plan[0])):
        assert read.requests == whole.requests
        assert read.refused == whole.refused
        assert read.phase == whole.phase
        assert read.upgrade == whole.upgrade


class _Read:
    """What a parser makes of bytes, and that it keeps to its limits meanwhile."""

    def __init__(self, cut: Iterable[bytes], share: int = sys.maxsize) -> None:
        parser = RequestParser(LIMITS, "127.0.0.1:1")
        self.requests: list[Request] = []
        for piece in cut:
            self.requests += parser.feed(piece, share)
            while parser.pending:
                self.requests += parser.feed(b"", share)
            assert _held(parser) <= LIMITS.max_header_bytes + LIMITS.max_body_bytes + len(piece)
        self.phase = parser.phase
        # What follows an upgrade is not read here, nor is a refusal's sentence part of the promise.
        self.refused = parser.refusal and parser.refusal.status
        self.upgrade = bool(self.requests and self.requests[-1].upgrade)
        assert self.phase in (IDLE, HEAD, BODY, ENDED)
        assert (parser.refusal is None) or self.phase == ENDED
        assert not parser.upgrade_rest or self.upgrade
        for request in self.requests:
            assert len(request.body) <= LIMITS.max_body_bytes
            assert sum(len(name) + len(value) for name, value in request.headers.items()) <= LIMITS.max_header_bytes
            assert request.path == "*" or request.path.startswith("/")
            assert request.version in ("1.0", "1.1")
            assert request.headers.get(b"content-length", b"%d" % len(request.body)).isdigit()
        assert all(request.keep_alive and not request.upgrade for request in self.requests[:-1])


def _held(parser: RequestParser) -> int:
    sink = parser._sink
    headers = sum(len(name) + len(value) for name, value in sink.headers.items())
    return len(parser._tail) + len(sink.target) + len(sink.body) + headers
