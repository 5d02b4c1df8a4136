"""The frame reader, rule by rule of RFC 6455 and RFC 7692, however the bytes arrive."""

import itertools
from typing import NamedTuple

import pytest

from pushery.core import codes
from pushery.core.codes import Close
from pushery.wire.deflate import deflate
from pushery.wire.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameReader,
    Message,
    close_frame,
    payload_of,
)
from tests.wire.frames import (
    BAD_UTF8,
    FIN,
    HELLO,
    INVALID_CODES,
    LIMIT,
    PING_A,
    PING_B,
    RSV1,
    RSV2,
    RSV3,
    VALID_CODES,
    Verdict,
    close,
    frame,
    length,
    read,
    text,
)

COMPRESSED_HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")  # RFC 7692 7.2.3.1


class Rule(NamedTuple):
    section: str
    name: str
    wire: bytes
    messages: list[Message]
    code: int | None = None
    deflate: bool = False


def refused(section: str, name: str, wire: bytes, code: int = 1002, *, deflate: bool = False) -> Rule:
    """A rule broken behind a good message, which must come through all the same."""
    return Rule(section, name, text(b"Hello") + wire, [HELLO], code, deflate)


def closes(code: int) -> Rule:
    return Rule("7.4", f"close code {code} is valid", close(code), [Message(CLOSE, code.to_bytes(2, "big"))], 1000)


GOOD_UTF8 = "aß€\U0001f600\ud7ff\ue000\U0010ffff\0"

RULES = [
    Rule("5.7", "masked text", bytes.fromhex("818537fa213d7f9f4d5158"), [HELLO]),
    Rule("5.6", "binary is bytes", frame(FIN | BINARY, b"\xff"), [Message(BINARY, b"\xff")]),
    Rule("5.6", "empty text", text(b""), [Message(TEXT, "")]),
    Rule("5.6", "empty binary", frame(FIN | BINARY), [Message(BINARY, b"")]),
    # Masking
    refused("5.1", "unmasked text", b"\x81\x05Hello"),
    refused("5.1", "unmasked ping", b"\x89\x00"),
    refused("5.1", "unmasked 16-bit length", b"\x82\x7e\x00\x7e" + bytes(126)),
    Rule("5.3", "zero mask", b"\x81\x85\0\0\0\0Hello", [HELLO]),
    # Reserved bits and opcodes
    *(
        refused("5.2", f"reserved bits {bits:#x} on opcode {opcode:#x}", frame(FIN | bits | opcode))
        for bits in (RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3)
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
    ),
    refused("5.2", "reserved bit on a continuation", frame(TEXT) + frame(FIN | RSV1 | CONTINUATION)),
    *(
        refused("5.2", f"reserved opcode {opcode:#x}", frame(FIN | opcode))
        for opcode in (*range(0x3, 0x8), *range(0xB, 0x10))
    ),
    # Lengths
    *(
        Rule("5.2", f"length of {size} bytes", frame(FIN | BINARY, bytes(size)), [Message(BINARY, bytes(size))])
        for size in (125, 126, 127, LIMIT)
    ),
    refused("5.2", "16-bit length below 126", frame(FIN | BINARY, bytes(125), 2)),
    refused("5.2", "16-bit length of 0", frame(FIN | BINARY, b"", 2)),
    refused("5.2", "64-bit length below 126", frame(FIN | BINARY, bytes(125), 8)),
    refused("5.2", "64-bit length below 65536", frame(FIN | BINARY, bytes(LIMIT), 8)),
    refused("5.2", "64-bit length of 65535", bytes((FIN | BINARY,)) + length(65535, 8)),
    refused("5.2", "top bit of a 64-bit length", bytes((FIN | BINARY,)) + length(1 << 63)),
    # Fragments
    Rule("5.4", "fragments are joined", frame(TEXT, b"Hel") + frame(FIN | CONTINUATION, b"lo"), [HELLO]),
    Rule(
        "5.4", "empty fragments", frame(TEXT) + frame(0) * 3 + frame(FIN, b"Hello") + PING_A, [HELLO, Message(9, b"a")]
    ),
    Rule(
        "5.4",
        "control frames inside a message come first",
        frame(TEXT, b"Hel") + PING_A + frame(0, b"l") + frame(FIN | PONG, b"p") + PING_B + frame(FIN, b"o"),
        [Message(PING, b"a"), Message(PONG, b"p"), Message(PING, b"b"), HELLO],
    ),
    Rule("5.5.1", "close inside a message", frame(TEXT, b"Hel") + close(1001), [Message(CLOSE, b"\x03\xe9")], 1000),
    refused("5.4", "nothing to continue", frame(FIN | CONTINUATION)),
    refused("5.4", "nothing to continue, unfinished", frame(CONTINUATION)),
    Rule("5.4", "nothing to continue any more", frame(TEXT, b"Hel") + frame(FIN, b"lo") + frame(FIN), [HELLO], 1002),
    refused("5.4", "text inside a text", frame(TEXT) + text(b"")),
    refused("5.4", "binary inside a text", frame(TEXT) + frame(FIN | BINARY)),
    refused("5.4", "unfinished binary inside a binary", frame(BINARY) + frame(BINARY)),
    # Control frames
    *(refused("5.5", f"fragmented control frame {opcode:#x}", frame(opcode)) for opcode in (CLOSE, PING, PONG)),
    *(
        refused("5.5", f"control frame {opcode:#x} of 126 bytes", frame(FIN | opcode, b"\x03\xe8" + bytes(124)))
        for opcode in (CLOSE, PING, PONG)
    ),
    refused("5.5", "control frame with a 64-bit length", bytes((FIN | PING,)) + length(1 << 16)),
    Rule("5.5.2", "ping of 125 bytes", frame(FIN | PING, bytes(125)), [Message(PING, bytes(125))]),
    Rule("5.5.3", "pong of its own accord", frame(FIN | PONG, b"x"), [Message(PONG, b"x")]),
    # Closing
    Rule("5.5.1", "empty close is answered empty", frame(FIN | CLOSE), [Message(CLOSE, b"")], 1000),
    Rule("5.5.1", "close with a reason", close(4999, GOOD_UTF8.encode()), [Message(CLOSE, b"\x13\x87")], 1000),
    Rule("5.5.1", "close of 125 bytes", close(1000, b"x" * 123), [Message(CLOSE, b"\x03\xe8")], 1000),
    Rule("5.5.1", "nothing after a close is read", close(1000) + PING_A + b"\x83", [Message(8, b"\x03\xe8")], 1000),
    refused("5.5.1", "close of 1 byte", frame(FIN | CLOSE, b"\x03")),
    *(closes(code) for code in VALID_CODES),
    *(refused("7.4", f"close code {code} is not", close(code)) for code in INVALID_CODES),
    *(refused("5.5.1", f"close reason with {name}", close(1000, bad), 1007) for name, bad in BAD_UTF8.items()),
    # UTF-8
    Rule("8.1", "text is UTF-8", text(GOOD_UTF8.encode()), [Message(TEXT, GOOD_UTF8)]),
    *(refused("8.1", f"text with {name}", text(b"a" + bad + b"b"), 1007) for name, bad in BAD_UTF8.items()),
    *(
        refused("8.1", f"fragments with {name}", frame(1, bad[:1]) + frame(FIN, bad[1:]), 1007)
        for name, bad in BAD_UTF8.items()
    ),
    refused("8.1", "text that ends within a character", frame(TEXT, b"a") + frame(FIN, b"\xe2\x82"), 1007),
    Rule("8.1", "binary is not checked", frame(FIN | BINARY, b"\xff\xfe"), [Message(BINARY, b"\xff\xfe")]),
    # The message limit
    Rule("7.4.1", "message as big as allowed", text(b"x" * LIMIT), [Message(TEXT, "x" * LIMIT)]),
    refused("7.4.1", "message one byte too big", text(b"x" * (LIMIT + 1)), 1009),
    Rule(
        "7.4.1",
        "fragments as big as allowed",
        frame(BINARY, bytes(400)) + PING_A + frame(0, bytes(LIMIT - 400)) + frame(FIN),
        [Message(PING, b"a"), Message(BINARY, bytes(LIMIT))],
    ),
    refused("7.4.1", "fragments one byte too big", frame(2, bytes(400)) + frame(FIN, bytes(LIMIT - 399)), 1009),
    refused("7.4.1", "unfinished fragments one byte too big", frame(2, bytes(LIMIT)) + frame(0, b"x"), 1009),
    refused("7.4.1", "16-bit length past the limit, nothing else", bytes((FIN | TEXT,)) + length(LIMIT + 1), 1009),
    refused("7.4.1", "64-bit length past the limit, nothing else", bytes((FIN | TEXT,)) + length((1 << 63) - 1), 1009),
    # Compression (RFC 7692)
    Rule("7692-7.2.3.1", "compressed text", frame(0xC1, COMPRESSED_HELLO), [HELLO], None, True),
    Rule("7692-6", "uncompressed text beside it", text(b"Hello"), [HELLO], None, True),
    Rule(
        "7692-6.1",
        "compressed fragments",
        frame(0x41, COMPRESSED_HELLO[:3]) + PING_A + frame(0) + frame(FIN, COMPRESSED_HELLO[3:]) + text(b"Hello"),
        [Message(PING, b"a"), HELLO, HELLO],
        None,
        True,
    ),
    refused("7692-6.1", "RSV1 on a continuation", frame(0x41, COMPRESSED_HELLO) + frame(FIN | RSV1), deflate=True),
    *(refused("7692-6.1", f"RSV1 on control frame {op:#x}", frame(0xC0 | op), deflate=True) for op in (8, 9, 10)),
    *(refused("5.2", f"reserved bit {bit:#x} beside RSV1", frame(0xC1 | bit), deflate=True) for bit in (RSV2, RSV3)),
    refused("7692-6.2", "garbage for compressed text", frame(0xC1, b"\xff" * 9), deflate=True),
    refused("7692-6.2", "compressed text that breaks off", frame(0xC1, COMPRESSED_HELLO[:4]), deflate=True),
    refused("8.1", "compressed text that is not UTF-8", frame(0xC1, deflate(b"\xff")), 1007, deflate=True),
    Rule(
        "7692-6",
        "inflated as big as allowed",
        frame(0xC2, deflate(bytes(LIMIT))),
        [Message(2, bytes(LIMIT))],
        None,
        True,
    ),
    refused("7692-6", "inflated one byte too big", frame(0xC2, deflate(bytes(LIMIT + 1))), 1009, deflate=True),
    refused("7692-6", "announced past what the limit can deflate to", b"\xc2" + length(2 * LIMIT), 1009, deflate=True),
]


@pytest.mark.parametrize("rule", [pytest.param(rule, id=f"{rule.section} {rule.name}") for rule in RULES])
def test_the_reader_keeps_the_rule_however_the_bytes_arrive(rule: Rule) -> None:
    expected = Verdict(rule.messages, rule.code)
    assert read(rule.wire, deflate=rule.deflate) == expected
    assert read(rule.wire, (1,), deflate=rule.deflate) == expected
    assert read(rule.wire, (3, 2, 7), deflate=rule.deflate) == expected


def test_a_character_may_be_split_between_fragments_anywhere() -> None:
    payload = GOOD_UTF8.encode()
    for cut in range(len(payload) + 1):
        wire = frame(TEXT, payload[:cut]) + frame(FIN, payload[cut:])
        assert read(wire) == Verdict([Message(TEXT, GOOD_UTF8)], None)


def test_messages_complete_before_a_failure_in_the_same_chunk_are_delivered_and_nothing_after_it() -> None:
    reader = FrameReader(LIMIT)
    assert reader.feed(text(b"Hello") + PING_A + frame(FIN | 0x3) + text(b"lost")) == [HELLO, Message(PING, b"a")]
    failure = reader.failure
    assert failure == Close(1002, "reserved opcode", codes.PROTOCOL_ERROR.then)
    assert reader.feed(text(b"Hello")) == []
    assert reader.failure is failure


def test_every_failure_can_be_said_in_a_close_frame() -> None:
    for rule in RULES:
        reader = FrameReader(LIMIT, deflate=rule.deflate)
        reader.feed(rule.wire)
        if reader.failure is not None:
            assert len(payload_of(close_frame(reader.failure))) <= 125


def test_a_message_is_there_with_its_last_byte_wherever_the_chunks_end() -> None:
    frames = [frame(FIN | BINARY, bytes(130)), frame(FIN | BINARY, bytes(126))]
    wire, ends = b"".join(frames), list(itertools.accumulate(map(len, frames)))
    for cuts in itertools.combinations(range(len(wire)), 2):
        reader, begin, count = FrameReader(LIMIT), 0, 0
        for end in (*cuts, len(wire)):
            count += len(reader.feed(wire[begin:end]))
            assert count == sum(one <= end for one in ends)
            begin = end
