"""What the frame reader holds on to, how long it takes, and how much it reads at once."""

import sys
import time
import tracemalloc

import pytest

from pushery.core import codes
from pushery.core.codes import Close
from pushery.wire.deflate import deflate
from pushery.wire.websocket import BINARY, CONTINUATION, PING, TEXT, FrameReader, Message
from tests.wire.frames import (
    FIN,
    HELLO,
    IDLE,
    KIB,
    LIMIT,
    PING_A,
    PING_B,
    RSV1,
    bound,
    close,
    feed,
    frame,
    held,
    length,
    pieces,
    text,
)


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
