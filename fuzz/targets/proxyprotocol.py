"""PROXY headers: pieces make no difference, and what is no header is refused within its longest form."""

import re
from collections.abc import Iterable
from typing import Final

from fuzz.pieces import bytewise, pieces, planned
from pushery.wire.proxyprotocol import ProxyHeader, ProxyHeaderError, ProxyHeaderReader

_LONGEST: Final = 16 + 2048
_PEER: Final = re.compile(r"unknown:0|[0-9.]+:\d{1,5}|\[[0-9a-f:.]+\]:\d{1,5}").fullmatch
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
SEEDS: Final = [
    plan + header + b"GET / HTTP/1.1\r\n"
    for plan in (b"\xff\xff\xff\xff", b"\x00\x05\x0b\x02")
    for header in (
        b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n",
        b"PROXY TCP6 2001:db8::1 ::1 4711 443\r\n",
        b"PROXY UNKNOWN whatever\r\n",
        b"PROXY TCP4 203.0.113.9 10.0.0.1 04711 443\r\n",
        b"PROXY TCP6 ::ffff:1.2.3.4 fe80::1%eth0 1 2\r\n",
        b"PROXY " + b"x" * 120,
        _V2 + b"\x21\x11\x00\x0c" + bytes(range(12)),
        _V2 + b"\x21\x21\x00\x24" + bytes(36),
        _V2 + b"\x21\x21\x00\x24" + bytes(10) + b"\xff\xff" + bytes(24),
        _V2 + b"\x21\x31\x00\xd8" + bytes(216),
        _V2 + b"\x20\x00\x00\x00",
        _V2 + b"\x21\x11\x00\x1b" + bytes(12) + b"\x20\x00\x08\x01" + bytes(4) + b"\x21\x00\x00" + b"\x04\x00\x00",
        _V2 + b"\x21\x11\x00\x04" + bytes(4),
        _V2 + b"\x21\x11\xff\xff" + bytes(12),
    )
]


def target(data: bytes) -> None:
    """Feed it whole, in pieces, and byte by byte, each with what comes behind."""
    plan, wire = planned(data)
    whole = _read([wire], wire)
    assert _read(pieces(wire, plan), wire) == whole
    assert _read(bytewise(wire), wire) == whole


def _read(cut: Iterable[bytes], wire: bytes) -> tuple[str, ProxyHeader | None]:
    """How it ends, and the header with all that comes behind it."""
    reader, come = ProxyHeaderReader(), 0
    for piece in cut:
        come += len(piece)
        try:
            header = reader.feed(piece)
        except ProxyHeaderError:
            return "refused", None
        if header is None:
            assert come < _LONGEST
            continue
        assert header.peer is None or _PEER(header.peer), header.peer
        assert wire[:come].endswith(header.rest)
        return "read", header._replace(rest=header.rest + wire[come:])
    return "incomplete", None
