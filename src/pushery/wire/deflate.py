"""permessage-deflate (RFC 7692) without context takeover.

Without takeover a compressed message depends on nothing that went before, so one compression serves every receiver,
and an idle socket holds no compressor (256 KiB each otherwise).
"""

import zlib
from typing import Final

# What the sender took off (7.2.1), and an empty block marked final: a stream that is whole so far ends there.
_END: Final = b"\x00\x00\xff\xff\x01\x00\x00\xff\xff"
LEVEL: Final = 6
ANSWER: Final = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class InflateError(Exception):
    """The payload is not a deflate stream, or inflates to more than was allowed (`too_big`)."""

    def __init__(self, *, too_big: bool) -> None:
        self.too_big = too_big


def negotiate(offers: bytes) -> bytes:
    """Our answer to the client's Sec-WebSocket-Extensions, b"" to go without (RFC 7692 5.1).

    The first offer that we can honour as it stands is taken. We cannot bound our window, as the same bytes serve
    clients that did not ask for it, so an offer with `server_max_window_bits` is passed over.
    """
    for offer in offers.split(b","):
        name, *parameters = (part.strip() for part in offer.split(b";"))
        if name == b"permessage-deflate" and _acceptable(parameters):
            return ANSWER
    return b""


def _acceptable(parameters: list[bytes]) -> bool:
    seen: set[bytes] = set()
    for parameter in parameters:
        name, equals, value = (part.strip(b' \t"') for part in parameter.partition(b"="))
        if name in seen:  # 7.1: a parameter given twice makes the offer invalid
            return False
        seen.add(name)
        if name in (b"server_no_context_takeover", b"client_no_context_takeover"):
            valid = not equals
        elif name == b"client_max_window_bits":
            valid = not equals or value in _WINDOW_BITS
        else:
            valid = False
        if not valid:
            return False
    return True


_WINDOW_BITS: Final = frozenset(str(bits).encode() for bits in range(8, 16))


def deflate(payload: bytes | memoryview) -> bytes:
    """One compressed message, without the four bytes every one of them would end in (RFC 7692 7.2.1)."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(payload: bytes, limit: int) -> bytes:
    """The message (RFC 7692 7.2.2). Stops as soon as it passes `limit` bytes: a bomb costs no more than that.

    A stream that breaks off is an error, and so is data behind a block marked final, save the one zero byte that may
    follow it (7.2.3.4): no message is cut short in silence. Raises InflateError.
    """
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = decompressor.decompress(payload, limit + 1)
        if len(data) > limit:
            raise InflateError(too_big=True)
        # A stream that is whole gives nothing more, and ends where _END ends.
        whole = not decompressor.decompress(_END, 1) and decompressor.eof
    except zlib.error:
        raise InflateError(too_big=False) from None
    if not whole or decompressor.unused_data.removesuffix(_END) not in (b"", b"\x00"):
        raise InflateError(too_big=False)
    return data
