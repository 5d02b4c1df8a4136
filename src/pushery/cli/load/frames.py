"""WebSocket frames as a client sees them (RFC 6455 5): a server's frames in, masked frames out. Sans-I/O.

Only what Pushery sends: whole messages without compression. Invariant: the same frames come out, however the bytes are
cut.
"""

import os
from typing import Final

from pushery.wire.websocket import unmask

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_FIN: Final = 0x80
_MASKED: Final = 0x80


class FrameError(ValueError):
    """What came is no frame that this reader knows."""


class ServerFrames:
    """Reads what one server sends."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete with `data`: opcode and payload. Raises FrameError."""
        if self._rest:
            data = self._rest + data
        frames, at, end = [], 0, len(data)
        while end - at >= 2:
            first, size, begin = data[at], data[at + 1], at + 2
            if size >= 126:
                width = {126: 2, 127: 8}.get(size)
                if width is None:
                    raise FrameError("a server's frames are not masked")  # 5.1
                if end - begin < width:
                    break
                size = int.from_bytes(data[begin : begin + width], "big")
                begin += width
            if end < begin + size:
                break
            if first & 0xF0 != _FIN:
                raise FrameError("a message in fragments, or compressed, which nobody has asked for")
            at = begin + size
            frames.append((first & 0x0F, data[begin:at]))
        self._rest = data[at:]
        return frames


def client_frame(opcode: int, payload: bytes) -> bytes:
    """One frame with a random mask (5.3). `payload` has less than 64 KiB."""
    size = len(payload)
    length = bytes((_MASKED | size,)) if size < 126 else bytes((_MASKED | 126,)) + size.to_bytes(2, "big")
    mask = os.urandom(4)
    return bytes((_FIN | opcode,)) + length + mask + unmask(mask, payload)
