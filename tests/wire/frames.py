"""Frames as a client writes them, and what a frame reader makes of them.

They are put together here by the book, with nothing of ours but the mask.
"""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.server import ServerProtocol

from pushery.wire.websocket import (
    CLOSE,
    PING,
    TEXT,
    FrameReader,
    Message,
    unmask,
)

KIB = 1024
LIMIT = 1000
MASK = b"\x37\xfa\x21\x3d"
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
HELLO = Message(TEXT, "Hello")


def length(size: int, width: int | None = None) -> bytes:
    """The masked length field of `size`, in its shortest form or in `width` bytes."""
    if width is None:
        width = 0 if size < 126 else 2 if size < 1 << 16 else 8
    if width == 0:
        return bytes((0x80 | size,))
    return bytes((0x80 | (126 if width == 2 else 127),)) + size.to_bytes(width, "big")


def frame(first: int, payload: bytes = b"", width: int | None = None) -> bytes:
    """A client's frame whose first byte is `first`."""
    return bytes((first,)) + length(len(payload), width) + MASK + unmask(MASK, payload)


def text(payload: bytes) -> bytes:
    return frame(FIN | TEXT, payload)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(FIN | CLOSE, code.to_bytes(2, "big") + reason)


def pieces(wire: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """`wire` cut into pieces of these sizes, over and over."""
    position = 0
    for size in itertools.cycle(sizes):
        if position >= len(wire):
            return
        yield wire[position : position + size]
        position += size


def feed(reader: FrameReader, chunks: Iterable[bytes]) -> list[Message]:
    return [message for chunk in chunks for message in reader.feed(chunk)]


def held(reader: FrameReader) -> int:
    """Bytes the reader holds on to, with what its attributes refer to."""
    return sys.getsizeof(reader) + sum(sys.getsizeof(getattr(reader, name)) for name in FrameReader.__slots__)


IDLE = held(FrameReader(LIMIT))


class Verdict(NamedTuple):
    messages: list[Message]
    code: int | None  # the close code it failed with; None when it did not


def verdict(reader: FrameReader, messages: list[Message]) -> Verdict:
    return Verdict(messages, None if reader.failure is None else reader.failure.code)


def read(wire: bytes, sizes: Sequence[int] = (1 << 30,), *, limit: int = LIMIT, deflate: bool = False) -> Verdict:
    reader = FrameReader(limit, deflate=deflate)
    return verdict(reader, feed(reader, pieces(wire, sizes)))


PING_A, PING_B = frame(FIN | PING, b"a"), frame(FIN | PING, b"b")
INVALID_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
VALID_CODES = (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999)
BAD_UTF8 = {
    "stray continuation byte": b"\x80",
    "truncated character": b"\xe2\x82",
    "surrogate": b"\xed\xa0\x80",
    "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "overlong solidus": b"\xc0\xaf",
    "overlong in three bytes": b"\xe0\x80\xaf",
    "overlong in four bytes": b"\xf0\x80\x80\xaf",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "five-byte form": b"\xf8\x88\x80\x80\x80",
    "byte that never occurs": b"\xff",
}
chunk_sizes = st.lists(st.one_of(st.integers(1, 20), st.integers(1, 100_000)), min_size=1, max_size=6)


def extensions(deflate: bool) -> list[PerMessageDeflate]:
    return [PerMessageDeflate(True, True, 15, 15, {"memLevel": 5})] if deflate else []  # its own default


def frames_of(protocol: ClientProtocol | ServerProtocol) -> list[Frame]:
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


def bound(limit: int) -> int:
    """What a reader may hold: the message, as much again in overhead of compression and growth, one control frame."""
    return IDLE + limit + (limit >> 2) + 500
