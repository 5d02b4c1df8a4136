"""permessage-deflate for audiences: a message is compressed once, however many receivers agreed to it."""

from functools import partial
from typing import Final

from pushery.core.audience import Write
from pushery.core.stats import Stats
from pushery.wire.deflate import deflate
from pushery.wire.websocket import encode_frame, payload_of, split_frames

_OPCODE: Final = 0x0F
_FIRST_CONTROL: Final = 0x8


class SharedDeflater:
    """Remembers the last piece it compressed: in a fan-out every receiver asks for the same one."""

    __slots__ = ("_data", "_deflated", "_stats", "compress_from")

    def __init__(self, compress_from: int, stats: Stats) -> None:
        self.compress_from = compress_from
        """Bytes from which a message is compressed; may be changed."""
        self._stats = stats
        self._data = b""
        self._deflated = b""

    def writer(self, write: Write) -> Write:
        """A write that sends data frames compressed when they are large enough, control frames as they are."""
        return partial(self._write, write)

    def _write(self, write: Write, data: bytes) -> None:
        if len(data) < self.compress_from or data[0] & _OPCODE >= _FIRST_CONTROL:
            write(data)
            return
        if data is not self._data:
            self._data = data
            self._deflated = b"".join(map(self._deflate, split_frames(data)))
            self._stats.uncompressed_bytes += len(data)
            self._stats.compressed_bytes += len(self._deflated)
        write(self._deflated)

    def _deflate(self, frame: bytes) -> bytes:
        payload = payload_of(frame)
        if len(payload) < self.compress_from:
            return frame
        return encode_frame(frame[0] & _OPCODE, deflate(payload), compressed=True)
