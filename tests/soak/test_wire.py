"""The soak test's own reading of frames and replies, held against the server's writing of them."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.wire.websocket import CLOSE as SERVER_CLOSE
from pushery.wire.websocket import TEXT as SERVER_TEXT
from pushery.wire.websocket import encode_frame
from soak.wire import CLOSE, TEXT, FrameReader, ReplyReader, WireError, masked

SIZES = st.integers(0, 300) | st.sampled_from((125, 126, 127, 65535, 65536))


@given(st.lists(SIZES, max_size=5), st.integers(1, 400))
def test_frames_are_read_whole_however_they_are_cut(sizes: list[int], step: int) -> None:
    payloads = [bytes(range(256)) * (size // 256) + b"x" * (size % 256) for size in sizes]
    data = b"".join(encode_frame(SERVER_TEXT, payload) for payload in payloads)
    reader, found = FrameReader(), []
    for at in range(0, len(data), step * 50):
        found += reader.feed(data[at : at + step * 50])
    assert found == [(TEXT, payload) for payload in payloads]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise_than_with_a_wire_error(data: bytes) -> None:
    for reader in (FrameReader(), FrameReader()):
        try:
            reader.feed(data)
        except WireError:
            continue


def test_a_compressed_frame_is_inflated_only_where_it_was_agreed_to() -> None:
    deflate = zlib.compressobj(wbits=-15)
    payload = deflate.compress(b"hello " * 50) + deflate.flush(zlib.Z_SYNC_FLUSH)
    frame = bytearray(encode_frame(SERVER_TEXT, payload[:-4]))
    frame[0] |= 0x40
    reader = FrameReader()
    reader.compressed = True
    assert reader.feed(bytes(frame)) == [(TEXT, b"hello " * 50)]
    assert reader.inflated == 1
    with pytest.raises(WireError, match="nobody agreed"):
        FrameReader().feed(bytes(frame))


def test_what_a_server_may_not_send_is_found() -> None:
    for data in (masked(TEXT, b"hi"), b"\x01\x02hi", b"\x80\x00", b"\x83\x00"):
        with pytest.raises(WireError):
            FrameReader().feed(data)


def test_a_close_is_a_frame_like_others() -> None:
    assert FrameReader().feed(encode_frame(SERVER_CLOSE, b"\x03\xe8bye")) == [(CLOSE, b"\x03\xe8bye")]


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 40))
def test_replies_are_read_in_order_however_they_are_cut(bodies: list[bytes], step: int) -> None:
    data = b"".join(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)
    reader, found = ReplyReader(), []
    for at in range(0, len(data), step):
        found += reader.feed(data[at : at + step])
    assert found == [(200, body, True) for body in bodies]


def test_a_chunked_reply_is_told_piece_by_piece() -> None:
    reader = ReplyReader()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert reader.feed(head + b"3\r\nabc\r\n2\r\nd") == [(200, b"abc", False)]
    assert reader.feed(b"e\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n") == [
        (200, b"de", False),
        (200, b"", True),
        (204, b"", True),
    ]


def test_what_is_no_reply_is_a_wire_error() -> None:
    with pytest.raises(WireError, match="no reply"):
        ReplyReader().feed(b"\x81\x02hi\r\n\r\n")
