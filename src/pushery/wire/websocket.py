"""WebSocket frames (RFC 6455 5), server side: bytes from the client become messages, our messages become bytes.

Sans-I/O: a `FrameReader` is fed and returns; it holds no socket and calls nobody. It is strict: whatever the RFC
calls a failure parks a `Close` in `failure`, and nothing is read after that. Messages completed before the failure
are returned all the same. Memory is bounded by the message limit, whatever is fed in pieces of whatever size; what is
fed and not read yet, because there is more than one share of work in it, comes on top.
"""

import struct
import sys
from typing import Final, NamedTuple

from pushery.core import codes
from pushery.core.codes import Close
from pushery.wire.deflate import InflateError, inflate

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FIN: Final = 0x80
_RSV1: Final = 0x40
_MASKED: Final = 0x80
_OPCODES: Final = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_MAX_CONTROL: Final = 125
# RFC 6455 7.4: codes that may stand in a close frame; 3000-4999 are for libraries and applications.
_CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
_integer: Final = int.from_bytes
_MEDIUM: Final = struct.Struct(">BBH").pack


class Message(NamedTuple):
    """A complete message or control frame. `payload` is str for TEXT and bytes for all others.

    A CLOSE carries the body of the close frame that answers it: the code alone (RFC 6455 5.5.1).
    """

    opcode: int
    payload: str | bytes


def encode_frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """One unfragmented, unmasked frame. `compressed` sets RSV1 (RFC 7692 6)."""
    head = _FIN | opcode | (_RSV1 if compressed else 0)
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return _MEDIUM(head, 126, size) + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload


def close_frame(close: Close) -> bytes:
    """The close frame that says `close`."""
    return encode_frame(CLOSE, close.code.to_bytes(2, "big") + close.reason.encode())


def payload_of(frame: bytes) -> memoryview:
    """The payload of a frame that `encode_frame` made."""
    return memoryview(frame)[_head_size(frame[1]) :]


def split_frames(data: bytes) -> list[bytes]:
    """The frames, made by `encode_frame`, that stand one behind another in `data`."""
    frames, at = [], 0
    while at < len(data):
        marker = data[at + 1]
        head = _head_size(marker)
        size = marker if marker < 126 else int.from_bytes(data[at + 2 : at + head], "big")
        frames.append(data[at : at + head + size])
        at += head + size
    return frames


def _head_size(marker: int) -> int:
    return 2 if marker < 126 else 4 if marker == 126 else 10


def unmask(mask: bytes, payload: bytes) -> bytes:
    """`payload` XOR the repeated four bytes of `mask` (RFC 6455 5.3), as one operation on long integers."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (_integer(payload) ^ _integer(key)).to_bytes(size)  # the byte order cancels out


class _Failure(Exception):
    def __init__(self, close: Close) -> None:
        self.close = close


class FrameReader:
    """Reads what one client sends."""

    __slots__ = (
        "_at",
        "_buffer",
        "_compressed",
        "_deflate",
        "_fragments",
        "_limit",
        "_need",
        "_opcode",
        "failure",
    )

    def __init__(self, limit: int, *, deflate: bool = False) -> None:
        self._limit = limit
        """Bytes a message may have, after inflating."""
        self._deflate = deflate
        """Whether permessage-deflate was agreed on."""
        self._buffer: bytes | bytearray | None = None
        """The beginning of a frame whose end has not come, or what is `pending`; None else, so that an idle socket
        holds none."""
        self._at = 0
        """Where in `_buffer` what is pending begins."""
        self._need = 0
        """How long `_buffer` must be before it is worth another look; 0 while something is pending."""
        self._opcode = CONTINUATION
        """The opcode of the fragmented message under way; CONTINUATION when there is none."""
        self._fragments: bytearray | None = None
        """The payload so far of the fragmented message under way (one buffer: a list would grow with empty frames)."""
        self._compressed = False
        """Whether the fragmented message under way is compressed."""
        self.failure: Close | None = None
        """Why this connection has failed; None while it has not."""

    @property
    def pending(self) -> bool:
        """Whether what has been fed may hold more messages: `feed(b"")` goes on."""
        return self._buffer is not None and self._need == 0

    @property
    def held(self) -> int:
        """Bytes that are held: of what is pending, of a frame, and of a message in fragments."""
        return len(self._buffer or b"") + len(self._fragments or b"")

    def feed(self, data: bytes, share: int = sys.maxsize, most: int = sys.maxsize) -> list[Message]:
        """The messages that are complete with `data`, in order. Once `failure` is set nothing more comes.

        `share` bounds the work: a frame counts one, and one more for each KiB of it and of the message that it ends.
        At least one frame is read, unless `share` is 0. No more than `most` messages are returned. The rest is pending
        then, and copied no more.
        """
        messages: list[Message] = []
        if self.failure is not None:
            return messages
        begin = self._at
        if self._buffer is not None:
            if data:
                self._append(data)
                begin = 0
            if len(self._buffer) < self._need:
                return messages
            data = bytes(self._buffer)
        try:
            position = self._read_frames(data, begin, messages, share if most > 0 else 0, most)
        except _Failure as failure:
            self.failure = failure.close
        if self.failure is not None:
            self._buffer = self._fragments = None
        elif self._need == 0:
            self._buffer, self._at = data, position
        else:
            self._buffer, self._at = bytearray(data[position:]) if position < len(data) else None, 0
        return messages

    def _append(self, data: bytes) -> None:
        buffer = self._buffer
        if not isinstance(buffer, bytearray):
            assert buffer is not None
            self._buffer = buffer = bytearray(memoryview(buffer)[self._at :])
            self._at = 0
        buffer += data

    def _read_frames(self, data: bytes, position: int, messages: list[Message], share: int, most: int) -> int:
        """Read whole frames; returns where the first incomplete or pending one begins, and sets `_need` for it."""
        end = len(data)
        while end - position >= 2:
            if share <= 0:
                self._need = 0
                return position
            first, second = data[position], data[position + 1]
            self._check_head(first, second)
            at, size = position + 2, second & 0x7F
            if size >= 126:
                width = 2 if size == 126 else 8
                if end - at < width:
                    self._need = 2 + width
                    return position
                size = _long_size(size, int.from_bytes(data[at : at + width], "big"))
                at += width
            if not first & 0x08:
                self._check_size(first, size)
            begin = at + 4
            if end < begin + size:
                self._need = begin + size - position
                return position
            position = begin + size
            message = self._take(first, unmask(data[at:begin], data[begin:position]))
            share -= 1 + (size >> 10)
            if message is not None:
                share -= len(message.payload) >> 10
                messages.append(message)
                if len(messages) >= most:
                    share = 0
                if message.opcode == CLOSE:
                    self.failure = codes.NORMAL  # nothing may follow a close frame (5.5.1); not read, not an error
                    return end
        self._need = 2
        return position

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if opcode not in _OPCODES:
            raise _protocol_error("reserved opcode")  # 5.2
        if not second & _MASKED:
            raise _protocol_error("client frames must be masked")  # 5.1
        if opcode & 0x08:
            if first & 0x70:
                raise _protocol_error("reserved bits set")
            if not first & _FIN:
                raise _protocol_error("control frames must not be fragmented")  # 5.5
            if second & 0x7F > _MAX_CONTROL:
                raise _protocol_error("control frame too long")  # 5.5
            return
        starts = opcode != CONTINUATION
        # RSV1 marks a compressed message, on its first frame only (RFC 7692 6.1); 2 and 3 are never agreed on (5.2).
        if first & 0x70 & ~(_RSV1 if self._deflate and starts else 0):
            raise _protocol_error("reserved bits set")
        if starts == (self._opcode != CONTINUATION):
            raise _protocol_error("message interrupted by another" if starts else "nothing to continue")  # 5.4

    def _check_size(self, first: int, size: int) -> None:
        """Refuse by the announced length, before any of it is kept."""
        compressed = self._compressed if first & 0x0F == CONTINUATION else bool(first & _RSV1)
        # What does not compress grows: by five bytes per stored block, of which zlib makes one per 128 bytes when told
        # to save memory, and by an eighth in fixed Huffman codes, which have at most nine bits.
        slack = 64 + (self._limit >> 3) if compressed else 0
        if size + len(self._fragments or b"") > self._limit + slack:
            raise _Failure(codes.TOO_BIG)

    def _take(self, first: int, payload: bytes) -> Message | None:
        opcode = first & 0x0F
        if opcode & 0x08:
            return Message(opcode, _close_answer(payload) if opcode == CLOSE else payload)
        if opcode != CONTINUATION:
            if first & _FIN:
                return self._finish(opcode, payload, bool(first & _RSV1))
            self._opcode, self._compressed, self._fragments = opcode, bool(first & _RSV1), bytearray(payload)
            return None
        assert self._fragments is not None
        self._fragments += payload
        if not first & _FIN:
            return None
        opcode, payload = self._opcode, bytes(self._fragments)
        self._opcode, self._fragments = CONTINUATION, None
        return self._finish(opcode, payload, self._compressed)

    def _finish(self, opcode: int, payload: bytes, compressed: bool) -> Message:
        if compressed:
            try:
                payload = inflate(payload, self._limit)
            except InflateError as error:
                raise _Failure(codes.TOO_BIG if error.too_big else codes.PROTOCOL_ERROR) from None
        if opcode == BINARY:
            return Message(opcode, payload)
        try:
            return Message(opcode, payload.decode())
        except UnicodeDecodeError:
            raise _Failure(codes.BAD_UTF8) from None  # 8.1


def _protocol_error(detail: str) -> _Failure:
    return _Failure(Close(codes.PROTOCOL_ERROR.code, detail, codes.PROTOCOL_ERROR.then))


def _long_size(marker: int, size: int) -> int:
    """Check a 16- or 64-bit length: the shortest form is a must, and the top bit must be 0 (5.2)."""
    if size < (126 if marker == 126 else 1 << 16) or size >> 63:
        raise _protocol_error("length not in its shortest form")
    return size


def _close_answer(payload: bytes) -> bytes:
    """Check a close frame's body (5.5.1, 7.4); returns the body to answer with."""
    if not payload:
        return b""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code <= 4999):
        raise _protocol_error("invalid close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise _Failure(codes.BAD_UTF8) from None
    return payload[:2]
