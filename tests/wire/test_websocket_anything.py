"""Whatever anybody sends, right or wrong, the frame reader judges as the server of `websockets` does, within bounds."""

import itertools
from typing import NamedTuple

from hypothesis import event, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

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
)
from tests.wire.frames import (
    BAD_UTF8,
    FIN,
    INVALID_CODES,
    KIB,
    LIMIT,
    RSV1,
    RSV2,
    RSV3,
    VALID_CODES,
    Verdict,
    bound,
    chunk_sizes,
    extensions,
    frame,
    frames_of,
    held,
    pieces,
    read,
    verdict,
)


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
