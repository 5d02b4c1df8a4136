"""permessage-deflate: what is inflated keeps to its limit and is what zlib says, and an offer is answered or not."""

import zlib
from typing import Final

from pushery.wire.deflate import ANSWER, InflateError, deflate, inflate, negotiate

LIMIT: Final = 2000
SEEDS: Final = [
    *(deflate(payload) for payload in (b"", b"Hello", bytes(LIMIT), bytes(LIMIT + 1), bytes(range(256)) * 4)),
    deflate(b"Hello")[:4],
    deflate(bytes(1 << 20)),
    b"\x01\x00\x00\xff\xff",
    b"\x03\x00\x00",
    b"\x00\x05\x00\xfa\xffHello\x00",
    b"permessage-deflate; client_max_window_bits",
    b'permessage-deflate; server_max_window_bits=10, permessage-deflate; client_max_window_bits="15"',
    b"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
]


def target(data: bytes) -> None:
    """The same bytes as a message, as something to send, and as an offer."""
    try:
        inflated = inflate(data, LIMIT)
    except InflateError as error:
        if error.too_big:
            assert len(_by_zlib(data)) == LIMIT + 1
    else:
        assert len(inflated) <= LIMIT
        assert inflated == _by_zlib(data + b"\x00\x00\xff\xff")  # RFC 7692 7.2.2
    assert inflate(deflate(data), len(data)) == data
    assert negotiate(data) in (b"", ANSWER)
    assert negotiate(data) == b"" or b"permessage-deflate" in data


def _by_zlib(data: bytes) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, LIMIT + 1)
