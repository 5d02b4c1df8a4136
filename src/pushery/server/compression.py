"""permessage-deflate for audiences: a message is compressed once, however many receivers agreed to it."""

from functools import partial
from typing import Final

from pushery.core.audience import Write
from pushery.wire.deflate import deflate
from pushery.wire.websocket import encode_frame, payload_of

_DATA_FRAMES: Final = 0x0F
_FIRST_CONTROL: Final = 0x8


class SharedDeflater:
    """Remembers the last frame it compressed: in a fan-out every receiver asks for the same one."""

    __slots__ = ("_compress_from", "_deflated", "_frame")

    def __init__(self, compress_from: int) -> None:
        self._compress_from = compress_from
        self._frame = b""
        self._deflated = b""

    def writer(self, write: Write) -> Write:
        """A write that sends data frames compressed when they are large enough, control frames as they are."""
        return partial(self._write, write)

    def _write(self, write: Write, frame: bytes) -> None:
        if len(frame) < self._compress_from or frame[0] & _DATA_FRAMES >= _FIRST_CONTROL:
            write(frame)
            return
        if frame is not self._frame:
            self._frame = frame
            self._deflated = encode_frame(frame[0] & _DATA_FRAMES, deflate(payload_of(frame)), compressed=True)
        write(self._deflated)
