"""WebSocket frames: pieces and shares make no difference, and a reader that is slow and plain reads the same."""

import sys
from collections.abc import Iterable
from itertools import cycle
from typing import Final

from fuzz.pieces import bytewise, pieces, planned
from pushery.core import codes
from pushery.wire.deflate import InflateError, deflate, inflate
from pushery.wire.websocket import FrameReader, Message, unmask

LIMIT: Final = 300
_MASK: Final = b"\x01\x02\x03\x04"
_CODES: Final = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}

Verdict = tuple[list[Message], int | None]


def _frame(first: int, payload: bytes = b"") -> bytes:
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((first,)) + length + _MASK + unmask(_MASK, payload)


SEEDS: Final = [
    plan + wire
    for plan in (b"\xff\xff\xff\xfe", b"\x00\x03\x10\x01", b"\x05\x00\x01\x07")
    for wire in (
        _frame(0x81, b"Hello") + _frame(0x82, b"\xff" * 126) + _frame(0x89, b"p") + _frame(0x8A),
        _frame(0x01, b"Hel") + _frame(0x89) + _frame(0x00) + _frame(0x80, b"lo") + _frame(0x88, b"\x03\xe8bye"),
        _frame(0xC1, deflate(b"Hello")) + _frame(0x41, deflate(b"x" * 300)[:3]) + _frame(0x80, deflate(b"x" * 300)[3:]),
        _frame(0xC2, deflate(bytes(1000))),
        _frame(0x81, b"\xe2\x82"),
        _frame(0x81, b"x" * 301),
        b"\x81\xff" + (70_000).to_bytes(8, "big"),
        _frame(0x88, b"\x03\xed") + _frame(0x88),
        _frame(0x81) * 20 + b"\x81\x05Hello",
    )
]


def target(data: bytes) -> None:
    """The last bit of the plan says whether compression was agreed on."""
    plan, wire = planned(data)
    agreed = bool(plan[-1] & 1)
    expected = _naive(wire, agreed)
    assert _read([wire], agreed) == expected
    assert _read(pieces(wire, plan), agreed) == expected
    assert _read(bytewise(wire), agreed) == expected
    assert _in_shares(wire, plan, agreed) == expected


def _read(cut: Iterable[bytes], agreed: bool) -> Verdict:
    reader, messages = FrameReader(LIMIT, deflate=agreed), []
    for piece in cut:
        messages += reader.feed(piece)
        assert not reader.pending
        assert reader.held <= 2 * LIMIT + 200
    return messages, None if reader.failure is None else reader.failure.code


def _in_shares(wire: bytes, plan: bytes, agreed: bool) -> Verdict:
    reader, messages, shares = FrameReader(LIMIT, deflate=agreed), [], cycle((*(byte % 4 for byte in plan), 1))
    for piece in (*pieces(wire, plan), b""):
        share = next(shares)
        taken = reader.feed(piece, share, most=share)
        assert len(taken) <= share
        messages += taken
    while reader.pending:
        messages += reader.feed(b"", sys.maxsize, most=1)
    return messages, None if reader.failure is None else reader.failure.code


class _Broken(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


def _naive(wire: bytes, agreed: bool) -> Verdict:
    """RFC 6455 5 and RFC 7692 6, clause by clause, with the whole input at hand."""
    messages: list[Message] = []
    parts: list[bytes] = []
    opcode, compressed = 0, False
    try:
        while len(wire) >= 2:
            fin, rsv, kind = wire[0] >> 7, wire[0] >> 4 & 7, wire[0] & 15
            masked, size = wire[1] >> 7, wire[1] & 127
            _judge(kind, fin, rsv, masked, size, agreed=agreed, inside=opcode != 0)
            width = {126: 2, 127: 8}.get(size, 0)
            if len(wire) < 2 + width:
                break
            if width:
                size = int.from_bytes(wire[2 : 2 + width], "big")
                if size < (126 if width == 2 else 65536) or size >= 1 << 63:
                    raise _Broken(1002)
            wire_compressed = compressed if kind == 0 else bool(rsv & 4)
            slack = 64 + LIMIT // 8 if wire_compressed else 0
            if kind < 8 and size + len(b"".join(parts)) > LIMIT + slack:
                raise _Broken(1009)
            begin = 2 + width + 4
            if len(wire) < begin + size:
                break
            mask, masked_payload = wire[begin - 4 : begin], wire[begin : begin + size]
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked_payload))
            wire = wire[begin + size :]
            if kind >= 8:
                messages.append(Message(kind, _closing(payload) if kind == 8 else payload))
                if kind == 8:
                    return messages, codes.NORMAL.code
                continue
            if kind:
                opcode, compressed = kind, bool(rsv & 4)
            parts.append(payload)
            if fin:
                messages.append(_message(opcode, b"".join(parts), compressed))
                opcode, parts = 0, []
    except _Broken as broken:
        return messages, broken.code
    return messages, None


def _judge(kind: int, fin: int, rsv: int, masked: int, size: int, *, agreed: bool, inside: bool) -> None:
    allowed = 4 if agreed and kind in (1, 2) else 0
    good = kind in (0, 1, 2, 8, 9, 10) and masked and not rsv & ~allowed
    whole = fin == 1 and size <= 125
    if not (good and (whole if kind >= 8 else (kind == 0) == inside)):
        raise _Broken(1002)


def _closing(payload: bytes) -> bytes:
    if payload and (len(payload) == 1 or int.from_bytes(payload[:2], "big") not in _CODES):
        raise _Broken(1002)
    _text(payload[2:])
    return payload[:2]


def _message(opcode: int, payload: bytes, compressed: bool) -> Message:
    if compressed:
        try:
            payload = inflate(payload, LIMIT)
        except InflateError as error:
            raise _Broken(1009 if error.too_big else 1002) from None
    return Message(opcode, payload if opcode == 2 else _text(payload))


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _Broken(1007) from None
