"""Frames in both directions between us and the sans-I/O client of the `websockets` library."""

import itertools
import random
import zlib
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from pushery.core import codes
from pushery.core.codes import Close
from pushery.wire.deflate import deflate
from pushery.wire.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Message,
    close_frame,
    encode_frame,
    payload_of,
    split_frames,
    unmask,
)
from tests.wire.frames import (
    KIB,
    VALID_CODES,
    Verdict,
    chunk_sizes,
    extensions,
    frames_of,
    length,
    read,
)

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
closings = st.one_of(st.just((None, "")), st.tuples(st.sampled_from(VALID_CODES), st.text(max_size=30)))


def client(*, deflate: bool = False) -> ClientProtocol:
    """The client of `websockets`, past its handshake."""
    protocol = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    protocol.extensions = [*extensions(deflate)]
    return protocol


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
