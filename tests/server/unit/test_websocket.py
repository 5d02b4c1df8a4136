"""A client's WebSocket on a transport in memory: frames, sessions, the closing handshake, however bytes are split."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from pushery.core import codes
from pushery.core.codes import Close
from pushery.core.effects import CloseSocket, OpenSocket, Outcome, Route, SocketEffect
from pushery.core.exchange import Request
from pushery.node import Node
from pushery.server.router import Router
from pushery.wire.websocket import encode_frame, split_frames
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import BINARY, CLOSE, PING, PONG, TEXT, Scene, frame, handshake
from tests.server.unit.sockets import PING_FRAME, close_of, goodbye, push, says, talking, texts

# Opening.


@in_loop
async def test_a_client_is_counted_in_before_anything_else_happens() -> None:
    scene = Scene()
    client = scene.client("A:1")
    assert push(scene, "hello") == 1
    await turns()
    assert texts(client.received) == ["hello"]
    assert (scene.stats.connections, scene.stats.connections_opened) == (1, 1)
    scene.close()


@in_loop
async def test_there_is_no_greeting_and_what_a_client_says_is_dropped() -> None:
    scene = Scene()
    client = scene.client()
    client.send(frame(TEXT, b"hello") + frame(BINARY, b"\xff") + frame(PONG) + frame(TEXT, b"x" * 512))
    await turns()
    assert client.received == b""
    assert scene.stats.messages_in == 3
    scene.close()


@in_loop
async def test_frames_right_behind_the_handshake_are_read() -> None:
    scene = Scene()
    client = scene.connect()
    client.send(handshake() + frame(PING, b"early") + frame(CLOSE, b"\x03\xe8"))
    head, _, rest = client.received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert rest == encode_frame(PONG, b"early") + encode_frame(CLOSE, b"\x03\xe8")
    await turns()
    assert client.is_lost()
    assert scene.stats.connections == 0
    scene.close()


@in_loop
async def test_compression_is_agreed_on_when_offered_and_applied_to_large_messages() -> None:
    scene = Scene(compress_from=64)
    offering, plain = scene.connect(), scene.client("A:2")
    offering.send(handshake("A:1", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
    head, _, offering.received = offering.received.partition(b"\r\n\r\n")
    assert b"\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover" in head
    push(scene, "x" * 1000)
    await turns()
    assert texts(plain.received) == ["x" * 1000]
    assert len(offering.received) < 100
    assert offering.received[0] == 0x80 | 0x40 | TEXT
    offering.send(bytes((0xC1,)) + frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00")[1:])  # "Hello", RFC 7692 7.2.3.1
    assert scene.stats.messages_in == 1
    scene.close()


# Closing.


@in_loop
async def test_a_clients_close_is_echoed_and_ends_the_connection() -> None:
    scene = Scene()
    for payload, answer in [(b"", b""), (b"\x03\xe8bye", b"\x03\xe8"), (b"\x0f\xa0", b"\x0f\xa0")]:
        client = scene.client()
        client.send(frame(CLOSE, payload))
        assert push(scene, "too late") == 0
        assert client.received == encode_frame(CLOSE, answer)
        await turns()
        assert client.is_lost()
        assert not client.is_cut()
    assert scene.stats.connections == 0
    scene.close()


@in_loop
async def test_our_close_waits_for_the_clients_answer_and_is_not_answered_again() -> None:
    scene = Scene()
    client = scene.client()
    goodbye(client.protocol)
    goodbye(client.protocol)
    assert close_of(client.received) == says(codes.RESTART)
    assert push(scene, "too late") == 0
    client.send(frame(TEXT, b"still talking") + frame(PING))
    assert not client.is_closing()
    client.send(frame(CLOSE, b"\x03\xf4"))
    await turns()
    assert client.is_lost()
    assert close_of(client.received) == says(codes.RESTART)
    scene.close()


BROKEN: Mapping[str, tuple[bytes, int]] = {
    "an unmasked frame": (encode_frame(TEXT, b"x"), codes.PROTOCOL_ERROR.code),
    "a reserved opcode": (frame(0x3), codes.PROTOCOL_ERROR.code),
    "too much": (frame(TEXT, b"x" * 513), codes.TOO_BIG.code),
    "text that is not UTF-8": (frame(TEXT, b"\xff"), codes.BAD_UTF8.code),
    "a bad close code": (frame(CLOSE, b"\x03\xed"), codes.PROTOCOL_ERROR.code),
    "compression that was not agreed on": (bytes((0xC1,)) + frame(TEXT, b"x")[1:], codes.PROTOCOL_ERROR.code),
}


@pytest.mark.parametrize("broken", BROKEN)
@in_loop
async def test_a_client_that_breaks_the_protocol_is_told_so_and_read_no_further(broken: str) -> None:
    data, code = BROKEN[broken]
    scene = Scene()
    client = scene.client()
    with capture_logs() as logs:
        client.send(data + frame(PING, b"not answered"))
        client.send(frame(PING, b"nor this"))
        client.send(frame(CLOSE))
    assert close_of(client.received)[0] == code
    assert client.has_ended()
    assert push(scene, "too late") == 0
    assert [entry["event"] for entry in logs] == ["socket_failed"]
    assert scene.errors == {f"close_{code}": 1}
    client.send_eof()
    await turns()
    assert client.is_lost()
    scene.close()


@in_loop
async def test_a_client_that_vanishes_is_counted_out_and_not_written_to() -> None:
    scene = Scene()
    client, other = scene.client("A:1"), scene.client("A:2")
    peer = client.protocol
    client.vanish()
    await turns()
    assert push(scene, "x") == 1
    assert scene.stats.connections == 1
    await turns()
    goodbye(peer)
    scene.pass_time(1000)
    assert client.received == b""
    assert texts(other.received.removesuffix(PING_FRAME)) == ["x"]
    scene.close()


# Sessions that fail.


class FailingSession:
    """A session with a defect."""

    message_limit = 512

    def __init__(self, *, when_opened: bool) -> None:
        self._when_opened = when_opened

    def opened(self) -> Sequence[SocketEffect]:
        """May raise."""
        if self._when_opened:
            raise RuntimeError("a defect")
        return ()

    def received(self, message: str | bytes) -> Sequence[SocketEffect]:
        """Says goodbye when told to, raises otherwise."""
        if message == "bye":
            return (CloseSocket(Close(4000, "as you wish", "")),)
        raise RuntimeError("a defect")

    def farewell(self, close: Close) -> tuple[Close, bytes | None]:
        """Has no last words."""
        return close, None


def failing(*, when_opened: bool = False) -> Scene:
    """A server whose sessions fail."""

    def connect(request: Request, params: Mapping[str, str]) -> Outcome:
        return OpenSocket(FailingSession(when_opened=when_opened))

    def router(node: Node) -> Router:
        return Router([Route("GET", "/ws/{app_key}/{user_tag}", connect, "Connect.")])

    return Scene(router=router)


@in_loop
async def test_a_session_that_fails_costs_its_own_socket_only_and_is_logged_once() -> None:
    scene = failing()
    client = scene.client()
    with capture_logs() as logs:
        client.send(frame(TEXT, b"one") + frame(TEXT, b"two"))
        client.send(frame(TEXT, b"three"))
    assert close_of(client.received) == says(codes.INTERNAL_ERROR)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("session_failed", "error")]
    client.send(frame(CLOSE, b"\x03\xf3"))
    await turns()
    assert client.is_lost()
    scene.close()


@in_loop
async def test_a_session_that_fails_as_it_opens_is_closed_in_the_same_way() -> None:
    scene = failing(when_opened=True)
    client = scene.connect()
    with capture_logs() as logs:
        client.send(handshake() + frame(TEXT, b"hello"))
        await turns()
    head, _, rest = client.received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert close_of(rest) == says(codes.INTERNAL_ERROR)
    assert [entry["event"] for entry in logs] == ["session_failed"]
    scene.close()


@in_loop
async def test_a_session_may_close_its_socket() -> None:
    scene = failing()
    client = scene.client()
    client.send(frame(TEXT, b"bye") + frame(TEXT, b"not read"))
    assert close_of(client.received) == (4000, "as you wish")
    scene.close()


# Sessions that speak.


@in_loop
async def test_what_a_session_says_is_sent_in_order() -> None:
    scene = talking()
    client = scene.client()
    client.send(frame(TEXT, b"one") + frame(TEXT, b"two"))
    assert texts(client.received) == ["hello", "you: one", "me too", "you: two", "me too"]
    scene.close()


@in_loop
async def test_the_last_words_go_before_the_close_and_nothing_behind_it() -> None:
    scene = talking()
    client = scene.client()
    client.received = b""
    client.send(frame(TEXT, b"bye") + frame(TEXT, b"not read"))
    first, *rest = split_frames(client.received)
    assert texts(first) == ["last words"]
    assert close_of(b"".join(rest)) == (4001, "as you wish")
    scene.close()


@in_loop
async def test_what_a_session_says_to_a_slow_client_waits_in_its_outbox() -> None:
    scene = talking()
    client = scene.client(high=0)
    client.received = b""
    client.stalled = True
    client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(3)))
    assert client.paused
    client.send(frame(TEXT, b"bye"))
    client.stalled = False
    client.read()
    await turns()
    frames = split_frames(client.received)
    said = [text for number in range(3) for text in (f"you: {number}", "me too")]
    assert texts(b"".join(frames[:-1])) == [*said, "last words"]
    assert close_of(frames[-1]) == (4001, "as you wish")
    scene.close()


# However the input is split.


MESSAGES = st.one_of(
    st.sampled_from([*(data for data, _ in BROKEN.values()), frame(CLOSE), frame(CLOSE, b"\x03\xe8bye")]),
    st.sampled_from([frame(TEXT, b"hi"), frame(PING, b"?"), frame(PONG), frame(BINARY, b"\x00" * 300)]),
    st.sampled_from([frame(TEXT, b"a", final=False) + frame(PING) + frame(0, b"b")]),
    st.binary(max_size=12),
)
SCENES = st.sampled_from([Scene, failing, talking])


def outcome(make: Callable[[], Scene], stream: bytes, cuts: Sequence[int], pauses: Sequence[int]) -> object:
    """What a client sees, and what is counted, when it sends `stream` in pieces."""
    seen: list[object] = []

    @in_loop
    async def story() -> None:
        scene = make()
        client = scene.connect()
        bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
        with capture_logs() as logs:
            for number, (start, end) in enumerate(pairwise(bounds)):
                client.send(stream[start:end])
                if pauses and pauses[number % len(pauses)]:
                    await turns(2)
            await turns(3)
        seen.extend((client.received, client.has_ended(), client.is_closing(), client.is_lost(), scene.errors))
        seen.extend((scene.stats.messages_in, [entry["event"] for entry in logs]))
        scene.close()

    story()
    return seen


@settings(max_examples=120)
@given(SCENES, st.lists(MESSAGES, max_size=6), st.lists(st.integers(0)), st.lists(st.integers(0, 1), max_size=3))
@example(failing, [frame(TEXT, b"x"), frame(CLOSE)], [len(handshake()) + 7], [0])
@example(failing, [frame(TEXT, b"x"), frame(0x3)], [len(handshake()) + 7], [1])
def test_the_output_does_not_depend_on_how_the_input_is_split(
    make: Callable[[], Scene], messages: Sequence[bytes], cuts: Sequence[int], pauses: Sequence[int]
) -> None:
    stream = handshake() + b"".join(messages)
    assert outcome(make, stream, cuts, pauses) == outcome(make, stream, [], [])


def test_byte_by_byte_is_as_good_as_in_one_piece() -> None:
    stream = handshake() + frame(PING, b"1") + frame(TEXT, b"x" * 512) + frame(PING, b"2") + frame(CLOSE, b"\x03\xe8")
    assert outcome(Scene, stream, range(len(stream)), [0]) == outcome(Scene, stream, [], [])


# As a client of others reads it.


@in_loop
async def test_everything_a_client_receives_is_valid_websocket() -> None:
    """Read by the sans-I/O client of the `websockets` library, which checks all of it."""
    scene = Scene()
    transport = scene.client()
    for text in ("", "é", "x" * 125, "x" * 126, "x" * 70_000):
        push(scene, text)
    await turns()
    transport.send(frame(PING, b"?"))
    goodbye(transport.protocol)
    client = ClientProtocol(parse_uri("ws://test/"), state=State.OPEN, max_size=None)
    client.receive_data(transport.received)
    assert client.parser_exc is None
    events = [event for event in client.events_received() if isinstance(event, Frame)]
    assert [bytes(event.data).decode() for event in events[:5]] == ["", "é", "x" * 125, "x" * 126, "x" * 70_000]
    assert client.close_rcvd is not None
    assert (client.close_rcvd.code, client.close_rcvd.reason) == says(codes.RESTART)
    transport.send(b"".join(client.data_to_send()))
    await turns()
    assert transport.is_lost()
    scene.close()
