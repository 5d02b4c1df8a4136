"""One compression for all who agreed to it; what it sends is decoded by the `websockets` library."""

import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

import pushery.server.compression as compression
from pushery.core import codes
from pushery.core.stats import Stats
from pushery.server.compression import SharedDeflater
from pushery.wire.websocket import PING, PONG, TEXT, close_frame, encode_frame

FROM = 64


def decoded(data: bytes) -> list[str]:
    """The text messages a client reads."""
    client = ClientProtocol(parse_uri("ws://test/"), state=State.OPEN, max_size=None)
    client.extensions = [
        PerMessageDeflate(
            remote_no_context_takeover=True,
            local_no_context_takeover=True,
            remote_max_window_bits=15,
            local_max_window_bits=15,
        )
    ]
    client.receive_data(data)
    assert client.parser_exc is None
    texts = []
    for event in client.events_received():
        assert isinstance(event, Frame)
        assert (event.opcode, event.fin) == (Opcode.TEXT, True)
        texts.append(bytes(event.data).decode())
    return texts


def frames(*texts: str) -> bytes:
    """Messages in one piece, as a fan-out gathers them."""
    return b"".join(encode_frame(TEXT, text.encode()) for text in texts)


class Receivers:
    """Some who agreed to compression."""

    def __init__(self, count: int, compress_from: int = FROM) -> None:
        deflater = SharedDeflater(compress_from, Stats())
        self.got: list[list[bytes]] = [[] for _ in range(count)]
        self.writes = [deflater.writer(got.append) for got in self.got]

    def write(self, data: bytes) -> bytes:
        """Send to all; returns what each of them got, which is the same."""
        for write in self.writes:
            write(data)
        [piece] = {got[-1] for got in self.got}
        assert all(len(got) == len(self.got[0]) for got in self.got)
        return piece


def test_a_large_message_goes_out_smaller_and_comes_out_the_same() -> None:
    text = "hello world " * 100
    sent = Receivers(1).write(frames(text))
    assert len(sent) < 100
    assert decoded(sent) == [text]


def test_many_receivers_cost_one_compression(monkeypatch: pytest.MonkeyPatch) -> None:
    compressions = []

    def counted(payload: bytes | memoryview) -> bytes:
        compressions.append(len(payload))
        compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]

    monkeypatch.setattr(compression, "deflate", counted)
    receivers = Receivers(1000)
    first, second = frames("a" * 100), frames("b" * 100, "c" * 200)
    assert decoded(receivers.write(first)) == ["a" * 100]
    assert decoded(receivers.write(second)) == ["b" * 100, "c" * 200]
    assert compressions == [100, 100, 200]


def test_the_next_message_is_never_taken_for_the_last() -> None:
    receivers = Receivers(2)
    for number in range(50):
        text = f"{number}" * 100
        assert decoded(receivers.write(frames(text))) == [text]


def test_equal_messages_that_are_not_the_same_object_are_sent_each() -> None:
    receivers = Receivers(1)
    sent = [receivers.write(frames("a" * 100)) for _ in range(2)]
    assert decoded(b"".join(sent)) == ["a" * 100] * 2


@pytest.mark.parametrize("size", range(FROM - 12, FROM + 3))
def test_a_message_below_the_threshold_goes_out_as_it_is(size: int) -> None:
    data = frames("a" * size)
    sent = Receivers(1).write(data)
    assert (sent == data) == (size < FROM)
    assert decoded(sent) == ["a" * size]


def test_in_a_burst_each_message_is_judged_by_itself() -> None:
    burst = ["short", "a" * 500, "", "b" * 500, "short"]
    sent = Receivers(3).write(frames(*burst))
    assert decoded(sent) == burst
    assert sent.startswith(frames("short"))
    assert len(sent) < 100


def test_control_frames_are_untouched() -> None:
    receivers = Receivers(1, compress_from=0)
    for control in (
        encode_frame(PING, b"p" * 125),
        encode_frame(PONG, b""),
        close_frame(codes.SLOW_CLIENT),
    ):
        assert receivers.write(control) == control


@pytest.mark.parametrize("text", ["", "a"])
def test_from_zero_bytes_on_everything_is_compressed(text: str) -> None:
    sent = Receivers(1, compress_from=0).write(frames(text))
    assert sent != frames(text)
    assert decoded(sent) == [text]


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.text() | st.integers(0, 70_000).map(lambda size: "x" * size), min_size=1, max_size=4)),
    st.sampled_from([0, 1, 10, 64, 300]),
)
def test_every_burst_is_decoded_to_what_was_sent(bursts: Sequence[Sequence[str]], compress_from: int) -> None:
    receivers = Receivers(2, compress_from)
    sent = b"".join(receivers.write(frames(*burst)) for burst in bursts)
    assert decoded(sent) == [text for burst in bursts for text in burst]
