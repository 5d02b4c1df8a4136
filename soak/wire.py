"""What a client and a backend put on the wire, and how they read what comes back.

Written anew and lean, so that neither a defect nor a cost is shared with the server's own `wire`. It checks what the
server may never do: fragment, mask, or send anything behind a close. Source: RFC 6455 5, RFC 7692 7, RFC 9112 7.1.
"""

import struct
import zlib
from typing import Final

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_RSV1: Final = 0x40
_TAIL: Final = b"\x00\x00\xff\xff"


class WireError(Exception):
    """The server has sent what no server may send."""


def handshake(path: str, *, compress: bool, extra: str = "") -> bytes:
    """The opening handshake of a client."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if compress else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: c29ha3NvYWtzb2Frc29haw==\r\nSec-WebSocket-Version: 13\r\n{offer}{extra}\r\n"
    ).encode()


def masked(opcode: int, payload: bytes, mask: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """A frame of a client."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0xFF, size)
    key = (mask * (size // 4 + 1))[:size]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + hidden.to_bytes(size, "big")


class FrameReader:
    """Reads a server's frames. `compressed` says whether permessage-deflate was agreed to."""

    __slots__ = ("_data", "compressed", "inflated")

    def __init__(self) -> None:
        self._data = b""
        self.compressed = False
        self.inflated = 0
        """How many messages came compressed."""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now, as opcode and payload. Raises WireError."""
        data = self._data + data if self._data else data
        frames, at, end = [], 0, len(data)
        while end - at >= 2:
            first, size = data[at], data[at + 1]
            start = at + 2
            if size & 0x80:
                raise WireError("a masked frame")
            if size == 126:
                if end < start + 2:
                    break
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == 127:
                if end < start + 8:
                    break
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if end < start + size:
                break
            payload = data[start : start + size]
            frames.append((first & 0x0F, self._plain(first, payload)))
            at = start + size
        self._data = data[at:]
        return frames

    def _plain(self, first: int, payload: bytes) -> bytes:
        if not first & 0x80 or first & 0x0F not in (TEXT, CLOSE, PING, PONG):
            raise WireError(f"a frame that begins with {first:#04x}")
        if not first & _RSV1:
            return payload
        if not self.compressed or first & 0x0F != TEXT:
            raise WireError("a compressed frame that nobody agreed to")
        self.inflated += 1
        return zlib.decompressobj(-15).decompress(payload + _TAIL)


class ReplyReader:
    """Reads HTTP replies, one after the other: with a length, chunked, or none (204).

    `feed` answers with (status, body, is_last): for a chunked reply once for every piece, for any other once.
    """

    __slots__ = ("_chunked", "_data", "_left", "_status", "bare")

    def __init__(self) -> None:
        self._data = b""
        self._status = 0
        self._left = 0
        self._chunked = False
        self.bare = 0
        """Bytes that wait to be complete."""

    def feed(self, data: bytes) -> list[tuple[int, bytes, bool]]:
        """What is complete now. Raises WireError."""
        self._data += data
        found: list[tuple[int, bytes, bool]] = []
        while self._step(found):
            pass
        self.bare = len(self._data)
        return found

    def _step(self, found: list[tuple[int, bytes, bool]]) -> bool:
        if not self._status:
            return self._head()
        if self._chunked:
            return self._chunk(found)
        if len(self._data) < self._left:
            return False
        found.append((self._status, self._data[: self._left], True))
        self._data, self._status = self._data[self._left :], 0
        return True

    def _head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        head, self._data = self._data[:end].decode("latin-1"), self._data[end + 4 :]
        lines = head.split("\r\n")
        if not lines[0].startswith("HTTP/1."):
            raise WireError(f"no reply: {lines[0][:60]!r}")
        self._status, self._left, self._chunked = int(lines[0].split()[1]), 0, False
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                self._left = int(value)
            elif name.lower() == "transfer-encoding":
                self._chunked = True
        return True

    def _chunk(self, found: list[tuple[int, bytes, bool]]) -> bool:
        end = self._data.find(b"\r\n")
        if end < 0:
            return False
        size = int(self._data[:end], 16)
        if len(self._data) < end + 4 + size:
            return False
        piece, self._data = self._data[end + 2 : end + 2 + size], self._data[end + 4 + size :]
        found.append((self._status, piece, size == 0))
        if size == 0:
            self._status = 0
        return True
