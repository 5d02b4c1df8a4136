"""The frame reader, rule by rule, and both directions against the sans-I/O core of the `websockets` library."""

import itertools
import random
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

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
    encode_frame,
    payload_of,
    split_frames,
    unmask,
)

KIB = 1024
LIMIT = 1000
MASK = b"\x37\xfa\x21\x3d"
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
HELLO = Message(TEXT, "Hello")
COMPRESSED_HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")  # RFC 7692 7.2.3.1


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


# --- RFC 6455, rule by rule -----------------------------------------------------------------------------------------


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


# --- What is held, and how long it takes ----------------------------------------------------------------------------


def test_an_idle_reader_holds_no_buffer() -> None:
    reader = FrameReader(KIB * KIB)
    wire = frame(BINARY, bytes(40_000)) + frame(0) + frame(FIN, bytes(70_000))
    assert len(feed(reader, pieces(wire, (999,)))) == 1
    assert held(reader) == IDLE
    reader.feed(text(b"Hello"))
    assert held(reader) == IDLE


@pytest.mark.parametrize("announced", [LIMIT + 1, 1 << 20, (1 << 63) - 1])
def test_a_length_past_the_limit_fails_before_a_byte_of_payload_and_holds_nothing(announced: int) -> None:
    reader = FrameReader(LIMIT)
    feed(reader, pieces(bytes((FIN | BINARY,)) + length(announced), (1,)))
    assert reader.failure == codes.TOO_BIG
    assert held(reader) == held_when_failed(codes.TOO_BIG)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(close(1000), id="close"),
        pytest.param(text(b""), id="protocol error"),
        pytest.param(bytes((FIN,)) + length(KIB * KIB), id="message too big"),
    ],
)
def test_a_reader_that_is_done_lets_go_of_the_message_under_way(ending: bytes) -> None:
    reader = FrameReader(KIB * KIB)
    reader.feed(frame(BINARY, bytes(200_000)))
    assert held(reader) > 200_000
    reader.feed(ending)
    assert reader.failure is not None
    assert held(reader) == held_when_failed(reader.failure)


def held_when_failed(failure: Close) -> int:
    return IDLE - sys.getsizeof(None) + sys.getsizeof(failure)


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_a_message_in_ever_more_fragments_takes_no_more_memory_than_its_bytes(payload: bytes) -> None:
    reader = FrameReader(10_000)
    reader.feed(frame(BINARY))
    for _ in range(10):
        reader.feed(frame(CONTINUATION, payload) * 1000)
    assert reader.failure is None
    assert held(reader) <= bound(10_000)


def test_a_large_message_fed_byte_by_byte_takes_linear_time() -> None:
    payload = bytes(256 * KIB)
    wire = frame(FIN | BINARY, payload)
    reader = FrameReader(len(payload))
    began = time.perf_counter()
    assert feed(reader, pieces(wire, (1,))) == [Message(BINARY, payload)]
    assert time.perf_counter() - began < 3  # 0.15 s is usual; quadratic takes 10 s


def test_no_more_than_a_share_is_read_at_once_and_the_rest_is_pending() -> None:
    reader = FrameReader(LIMIT)
    assert reader.feed(text(b"Hello") * 5 + PING_A, 2) == [HELLO] * 2
    assert (reader.pending, reader.held) == (True, len(text(b"Hello") * 5 + PING_A))
    assert reader.feed(b"", 0) == []
    assert reader.feed(PING_B, 0) == []
    assert reader.feed(b"", 3) == [HELLO] * 3
    assert reader.feed(b"", 2) == [Message(PING, b"a"), Message(PING, b"b")]
    assert (reader.pending, reader.held) == (False, 0)
    assert held(reader) == IDLE


def test_no_more_messages_are_returned_than_are_asked_for_whatever_the_share() -> None:
    reader = FrameReader(LIMIT)
    wire = frame(TEXT) + frame(CONTINUATION) * 9 + frame(FIN, b"Hello") + PING_A * 2
    assert [len(reader.feed(wire if turn == 0 else b"", 64, most)) for turn, most in enumerate((0, 1, 1, 5))] == [
        0,
        1,
        1,
        1,
    ]
    assert not reader.pending


def test_frames_that_complete_no_message_have_their_share_too() -> None:
    reader = FrameReader(LIMIT)
    assert reader.feed(frame(TEXT) + frame(CONTINUATION) * 9 + frame(FIN, b"Hello"), 10) == []
    assert reader.pending
    assert reader.feed(b"", 10) == [HELLO]


@pytest.mark.parametrize("first", [FIN | BINARY, FIN | RSV1 | BINARY])
def test_large_messages_are_worth_many_small_ones(first: int) -> None:
    payload = bytes(20 * KIB)
    wire = frame(first, payload if first & RSV1 == 0 else deflate(payload))
    reader = FrameReader(len(payload), deflate=True)
    assert len(reader.feed(wire * 10, 64)) in (2, 4)
    assert reader.pending


def test_a_failure_comes_behind_the_messages_that_were_pending_before_it() -> None:
    reader = FrameReader(LIMIT)
    for taken, pending in ((1, True), (1, True), (0, False)):
        wire = text(b"Hello") * 2 + frame(FIN | 0x3) + text(b"lost") if not reader.pending else b""
        assert (len(reader.feed(wire, 1)), reader.pending) == (taken, pending)
        assert (reader.failure is None) == pending
    assert held(reader) == held_when_failed(codes.PROTOCOL_ERROR)


def test_what_is_pending_is_not_copied_again_and_again() -> None:
    wire = text(b"") * 40_000
    reader = FrameReader(LIMIT)
    reader.feed(wire, 1)
    tracemalloc.start()
    try:
        for _ in range(100):
            reader.feed(b"", 1)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


def test_a_compression_bomb_costs_no_more_than_the_limit() -> None:
    bomb = frame(0xC2, deflate(bytes(1000 * KIB)))
    reader = FrameReader(KIB, deflate=True)
    tracemalloc.start()
    try:
        assert reader.feed(bomb) == []
        assert tracemalloc.get_traced_memory()[1] < 100 * KIB  # zlib's own window and tables are half of it
    finally:
        tracemalloc.stop()
    assert reader.failure == codes.TOO_BIG


# --- Whatever the client of `websockets` sends ----------------------------------------------------------------------


class Sent(NamedTuple):
    """What a client is made to send: a message in `parts`, with a ping before every part but the first if `pings`."""

    opcode: int
    parts: list[bytes]
    pings: bool = False

    @property
    def messages(self) -> list[Message]:
        whole = b"".join(self.parts)
        pings = [Message(PING, b"between")] * (len(self.parts) - 1) * self.pings
        return [*pings, Message(self.opcode, whole.decode() if self.opcode == TEXT else whole)]


def cut(payload: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(at % (len(payload) + 1) for at in cuts), len(payload)]
    return [payload[begin:end] for begin, end in itertools.pairwise(bounds)]


cuts = st.lists(st.integers(0, 1 << 20), max_size=4)
factors = st.sampled_from((1, 1, 1, 9, 700))
texts = st.builds(lambda some, times: (some * times).encode(), st.text(max_size=120), factors)
binaries = st.builds(lambda some, times: some * times, st.binary(max_size=120), factors)
data_messages = st.one_of(
    st.builds(lambda payload, at, pings: Sent(TEXT, cut(payload, at), pings), texts, cuts, st.booleans()),
    st.builds(lambda payload, at, pings: Sent(BINARY, cut(payload, at), pings), binaries, cuts, st.booleans()),
)
control_messages = st.builds(
    lambda opcode, payload: Sent(opcode, [payload]), st.sampled_from((PING, PONG)), st.binary(max_size=125)
)
traffic = st.lists(st.one_of(data_messages, control_messages), max_size=8)
chunk_sizes = st.lists(st.one_of(st.integers(1, 20), st.integers(1, 100_000)), min_size=1, max_size=6)
closings = st.one_of(st.just((None, "")), st.tuples(st.sampled_from(VALID_CODES), st.text(max_size=30)))


def client(*, deflate: bool = False) -> ClientProtocol:
    """The client of `websockets`, past its handshake."""
    protocol = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    protocol.extensions = [*extensions(deflate)]
    return protocol


def extensions(deflate: bool) -> list[PerMessageDeflate]:
    return [PerMessageDeflate(True, True, 15, 15, {"memLevel": 5})] if deflate else []  # its own default


def send(protocol: ClientProtocol, sent: Sent) -> None:
    first, *others = sent.parts
    if sent.opcode in (PING, PONG):
        (protocol.send_ping if sent.opcode == PING else protocol.send_pong)(first)
        return
    (protocol.send_text if sent.opcode == TEXT else protocol.send_binary)(first, fin=not others)
    for number, part in enumerate(others, start=1):
        if sent.pings:
            protocol.send_ping(b"between")
        protocol.send_continuation(part, fin=number == len(others))


@given(traffic, st.booleans(), st.none() | closings, chunk_sizes)
@settings(max_examples=150, deadline=None)
def test_whatever_the_websockets_client_sends_is_read_however_it_is_cut(
    sent: list[Sent], deflate: bool, closing: tuple[int | None, str] | None, sizes: list[int]
) -> None:
    protocol = client(deflate=deflate)
    for one in sent:
        send(protocol, one)
    messages = [message for one in sent for message in one.messages]
    if closing is not None:
        code, reason = closing
        protocol.send_close(code, reason)
        messages.append(Message(CLOSE, b"" if code is None else code.to_bytes(2, "big")))
    wire = b"".join(protocol.data_to_send())
    expected = Verdict(messages, None if closing is None else 1000)
    assert read(wire, limit=KIB * KIB, deflate=deflate) == expected
    assert read(wire, sizes, limit=KIB * KIB, deflate=deflate) == expected
    assert read(wire, (1,), limit=KIB * KIB, deflate=deflate) == expected


@pytest.mark.parametrize("tuning", [{"memLevel": 1}, {"memLevel": 5}, {"level": 0}, {"strategy": zlib.Z_HUFFMAN_ONLY}])
def test_a_message_within_the_limit_is_read_although_compressing_made_it_longer(tuning: dict[str, int]) -> None:
    payload = random.Random(1).randbytes(256 * KIB)
    frame = PerMessageDeflate(True, True, 15, 15, tuning).encode(Frame(Opcode.BINARY, payload))
    assert len(frame.data) > len(payload)
    wire = bytes((0xC2,)) + length(len(frame.data)) + bytes(4) + frame.data
    assert read(wire, limit=len(payload), deflate=True) == Verdict([Message(BINARY, payload)], None)


# --- Whatever we send -----------------------------------------------------------------------------------------------

closes_sent = st.one_of(
    st.sampled_from(codes.CLOSES),
    st.builds(Close, st.sampled_from(VALID_CODES), st.text(max_size=30), st.just("")),
)


@given(st.lists(st.tuples(texts | binaries, st.booleans(), st.booleans()), max_size=8), st.none() | closes_sent)
@settings(max_examples=150, deadline=None)
def test_whatever_we_send_is_read_by_the_websockets_client(
    sent: list[tuple[bytes, bool, bool]], closing: Close | None
) -> None:
    protocol = client(deflate=True)
    for payload, is_text, compress in sent:
        body = deflate(payload) if compress else payload
        made = encode_frame(TEXT if is_text else BINARY, body, compressed=compress)
        assert payload_of(made) == body
        protocol.receive_data(made)
    protocol.receive_data(encode_frame(PING, b"p") + encode_frame(PONG, b""))
    if closing is not None:
        protocol.receive_data(close_frame(closing))
    assert protocol.parser_exc is None
    *frames, ping, pong = (one for one in frames_of(protocol) if one.opcode != CLOSE)
    assert [(bytes(one.data), one.opcode == TEXT) for one in frames] == [
        (payload, is_text) for payload, is_text, _ in sent
    ]
    assert (ping.data, pong.data) == (b"p", b"")
    if closing is not None:
        assert protocol.close_rcvd is not None
        assert (protocol.close_rcvd.code, protocol.close_rcvd.reason) == (closing.code, closing.reason)


def frames_of(protocol: ClientProtocol | ServerProtocol) -> list[Frame]:
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_a_frame_has_the_shortest_length_and_gives_its_payload_back(size: int) -> None:
    made = encode_frame(BINARY, bytes(size))
    assert made == bytes((0x82,)) + bytes((length(size)[0] & 0x7F,)) + length(size)[1:] + bytes(size)
    assert payload_of(made) == bytes(size)


def test_frames_that_stand_one_behind_another_are_told_apart() -> None:
    frames = [encode_frame(TEXT, bytes(size)) for size in (0, 65536, 126, 125, 65535, 1)]
    assert split_frames(b"".join(frames)) == frames
    assert split_frames(b"") == []


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=300))
def test_unmasking_is_the_definition_of_5_3_and_its_own_inverse(mask: bytes, payload: bytes) -> None:
    masked = unmask(mask, payload)
    assert masked == bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    assert unmask(mask, masked) == payload


# --- Whatever anybody sends -----------------------------------------------------------------------------------------


class Wild(NamedTuple):
    """A frame, right or wrong. `wide` spells its length in eight bytes whatever it is."""

    first: int
    payload: bytes
    masked: bool = True
    wide: bool = False

    @property
    def wire(self) -> bytes:
        made = frame(self.first, self.payload, 8 if self.wide else None)
        if self.masked:
            return made
        head = len(made) - len(self.payload) - 4
        return bytes((made[0], made[1] & 0x7F)) + made[2:head] + self.payload


def rarely(usual: bool) -> st.SearchStrategy[bool]:
    return st.sampled_from([usual] * 24 + [not usual])


def wild_payloads(opcode: int) -> st.SearchStrategy[bytes]:
    if opcode == CLOSE:
        usual = st.tuples(st.sampled_from(VALID_CODES), st.sampled_from((b"", b"bye", *BAD_UTF8.values())))
        unusual = st.tuples(st.sampled_from(INVALID_CODES), st.sampled_from((b"", b"bye")))
        bodies = st.one_of(usual, usual, unusual).map(lambda body: body[0].to_bytes(2, "big") + body[1])
        return st.one_of(bodies, bodies, st.binary(max_size=1))
    if opcode in (PING, PONG):
        return st.sampled_from((b"", b"p", bytes(125), bytes(126)))
    usual = st.sampled_from((b"", b"a", "é€\U0001f600".encode(), b"x" * 126, bytes(300)))
    unusual = st.sampled_from((b"\xe2", b"\x82\xac", *BAD_UTF8.values(), bytes(LIMIT), bytes(LIMIT + 1)))
    return st.one_of(usual, usual, usual, unusual)


@st.composite
def wild_frames(draw: st.DrawFn) -> list[Wild]:
    """Mostly what a client may send, with a few things wrong."""
    frames, inside = [], False
    for _ in range(draw(st.integers(1, 10))):
        control = st.sampled_from((PING, PONG, PING, PONG, CLOSE))
        opcode = draw(control if draw(st.integers(0, 3)) == 0 else st.just(0) if inside else st.sampled_from((1, 2)))
        fin = draw(st.booleans()) or opcode >= 8
        if opcode < 8:
            inside = not fin
        payload = draw(wild_payloads(opcode))
        if draw(rarely(False)):
            opcode = draw(st.integers(0, 15))
        bits = draw(st.sampled_from((RSV1, RSV2, RSV3))) if draw(rarely(False)) else 0
        fin = fin if draw(rarely(True)) else not fin
        frames.append(Wild(fin * FIN | bits | opcode, payload, draw(rarely(True)), draw(rarely(False))))
    return frames


def bound(limit: int) -> int:
    """What a reader may hold: the message, as much again in overhead of compression and growth, one control frame."""
    return IDLE + limit + (limit >> 2) + 500


anything = st.one_of(
    st.binary(max_size=300),
    wild_frames().map(lambda frames: b"".join(one.wire for one in frames)),
    st.tuples(wild_frames(), st.binary(max_size=30), st.integers(0, 3000)).map(
        lambda drawn: (wire := b"".join(one.wire for one in drawn[0]))[: drawn[2]] + drawn[1] + wire[drawn[2] :]
    ),
)


@given(anything, chunk_sizes, st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_however_cut_give_the_same_without_an_exception_and_within_bounds(
    wire: bytes, sizes: list[int], deflate: bool
) -> None:
    whole = read(wire, deflate=deflate)
    for cut_to in (sizes, (1,)):
        reader, messages = FrameReader(LIMIT, deflate=deflate), []
        for chunk in pieces(wire, cut_to):
            messages += reader.feed(chunk)
            assert held(reader) <= bound(LIMIT)
        assert verdict(reader, messages) == whole


@given(anything, chunk_sizes, st.booleans(), st.lists(st.integers(0, 5), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_the_same_in_any_shares(wire: bytes, sizes: list[int], deflate: bool, shares: list[int]) -> None:
    whole = read(wire, deflate=deflate)
    reader, messages, share = FrameReader(LIMIT, deflate=deflate), [], itertools.cycle([*shares, 1])
    for chunk in pieces(wire, sizes):
        for piece in (chunk, b"", b""):
            most = next(share)
            taken = reader.feed(piece, most) if piece else reader.feed(piece, 3, most)
            assert len(taken) <= most
            messages += taken
    while reader.pending:
        messages += reader.feed(b"", next(share))
    assert verdict(reader, messages) == whole


def reference(wire: bytes) -> tuple[Verdict, int]:
    """What the server of `websockets` makes of these bytes, and how many frames it read before it stopped.

    It leaves text as bytes in frames, so messages are put together and decoded here.
    """
    protocol = ServerProtocol(state=State.OPEN, max_size=LIMIT)
    protocol.receive_data(wire)
    frames = frames_of(protocol)
    if "incomplete fragmented message" in str(protocol.parser_exc):  # 5.4 allows control frames there, close or not
        assert protocol.close_rcvd is not None
        protocol.parser_exc = None
        code = protocol.close_rcvd.code
        frames.append(Frame(Opcode.CLOSE, b"" if code == 1005 else code.to_bytes(2, "big")))
    messages: list[Message] = []
    opcode, parts = CONTINUATION, b""
    for number, one in enumerate(frames):
        data = bytes(one.data)
        if one.opcode >= 8:
            messages.append(Message(one.opcode, data[:2] if one.opcode == CLOSE else data))
            continue
        opcode, parts = one.opcode or opcode, (parts if one.opcode == CONTINUATION else b"") + data
        if one.fin:
            try:
                messages.append(Message(opcode, parts.decode() if opcode == TEXT else parts))
            except UnicodeDecodeError:
                return Verdict(messages, 1007), number
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None
        return Verdict(messages, int(protocol.close_sent.code)), len(frames)
    return Verdict(messages, 1000 if messages and messages[-1].opcode == CLOSE else None), len(frames)


@given(wild_frames())
@settings(max_examples=250, deadline=None)
def test_wrong_frames_are_judged_as_websockets_judges_them(frames: list[Wild]) -> None:
    """The same messages and the same code, but for what is excused here; each excuse is a liberty of `websockets`."""
    # It takes a length in any form: it must agree on what comes before, and we must stop there at the latest.
    narrow = list(itertools.takewhile(lambda one: not one.wide, frames))
    wire = b"".join(one.wire for one in narrow)
    ours, (theirs, stopped) = read(wire), reference(wire)
    event(f"ours {ours.code}, theirs {theirs.code}")
    if ours != theirs:
        # It weighs a frame before it looks at anything else about it, and control frames against the message limit;
        # and it reads the reason of a close before its code.
        if theirs.code == 1007:
            assert ours.code == 1002
            assert narrow[stopped].first & 0x0F == CLOSE
        else:
            assert theirs.code == 1009
            assert ours.code == 1002 or narrow[stopped].first & 0x08
        assert ours.messages[: len(theirs.messages)] == theirs.messages
    if narrow != frames:
        assert read(b"".join(one.wire for one in frames)) == (ours._replace(code=1002) if ours.code is None else ours)


@given(st.binary(max_size=200).map(deflate), st.data())
@settings(max_examples=150, deadline=None)
def test_what_a_damaged_compressed_frame_says_to_us_it_says_to_websockets(
    compressed: bytes, data: st.DataObject
) -> None:
    """Where we read a message they read the same one; we refuse some that they read, as those that break off."""
    damaged = bytearray(compressed)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    wire = frame(0xC2, bytes(damaged[: -1 if data.draw(rarely(False)) else None]))
    protocol = ServerProtocol(state=State.OPEN, max_size=64 * KIB)
    protocol.extensions = [*extensions(True)]
    protocol.receive_data(wire)
    ours, theirs = read(wire, limit=64 * KIB, deflate=True), frames_of(protocol)
    event(f"ours {ours.code}, theirs {protocol.close_sent and protocol.close_sent.code}")
    assert ours.messages == ([Message(BINARY, bytes(theirs[0].data))] if ours.code is None else [])
    assert ours.code in (None, 1002, 1009)
    assert theirs == [] or ours.code != 1009
