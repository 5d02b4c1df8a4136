"""A client's WebSocket on a transport in memory: frames, back-pressure, deadlines, the closing handshake."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

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
from pushery.core.effects import CloseSocket, OpenSocket, Outcome, Route, Send, SocketEffect
from pushery.core.exchange import Request
from pushery.core.publications import Publication
from pushery.node import Node
from pushery.server.admission import Limits
from pushery.server.router import Router
from pushery.server.websocket import WebSocketPeer
from pushery.wire.websocket import close_frame, encode_frame, payload_of, split_frames
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import (
    BINARY,
    CLOSE,
    KEY,
    PING,
    PONG,
    TEXT,
    TIMEOUTS,
    Scene,
    frame,
    handshake,
)

PING_FRAME = encode_frame(PING, b"")
IDLE, ANSWER, END = TIMEOUTS.ping_idle, TIMEOUTS.ping_timeout, TIMEOUTS.close
SLACK = 2.0
"""Seconds by which a deadline may be late: the wheel's ticks."""


def texts(data: bytes) -> list[str]:
    """The text messages in what a client received; there must be nothing else."""
    frames = split_frames(data)
    assert {frame[0] for frame in frames} <= {0x80 | TEXT}
    return [bytes(payload_of(frame)).decode() for frame in frames]


def close_of(data: bytes) -> tuple[int, str]:
    """The one close frame that a client received."""
    [frame] = split_frames(data)
    assert frame[0] == 0x80 | CLOSE
    payload = bytes(payload_of(frame))
    return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def says(close: Close) -> tuple[int, str]:
    """A close as a client sees it."""
    return close.code, close.reason


def push(scene: Scene, text: str, pattern: str | None = None) -> int:
    """Push; returns the total."""
    total = scene.node.publish(Publication(KEY, text.encode(), pattern))
    assert isinstance(total, int)
    return total


def goodbye(peer: object) -> None:
    """The server stops."""
    assert isinstance(peer, WebSocketPeer)
    peer.drain()


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


@in_loop
async def test_a_client_that_does_not_answer_our_close_is_cut() -> None:
    scene = Scene()
    client = scene.client()
    goodbye(client.protocol)
    scene.pass_time(END - 1)
    assert not client.is_cut()
    scene.pass_time(END + SLACK)
    assert client.is_cut()
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
async def test_over_tls_a_broken_client_is_cut_when_it_does_not_close() -> None:
    scene = Scene()
    client = scene.client()
    client.half_closes = False
    client.send(frame(0x3))
    assert close_of(client.received)[0] == codes.PROTOCOL_ERROR.code
    scene.pass_time(END + SLACK)
    assert client.is_cut()
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


class TalkingSession:
    """Answers each message with its name and the message, and has last words."""

    message_limit = 512

    def opened(self) -> Sequence[SocketEffect]:
        """It says hello."""
        return (Send(b"hello"),)

    def received(self, message: str | bytes) -> Sequence[SocketEffect]:
        """Says it again; after "bye" it closes and goes on talking."""
        assert isinstance(message, str)
        if message == "bye":
            return (CloseSocket(Close(4000, "as you wish", "")), Send(b"too late"))
        return (Send(b"you: " + message.encode()), Send(b"me too"))

    def farewell(self, close: Close) -> tuple[Close, bytes | None]:
        """Another code, and last words."""
        return Close(close.code + 1, close.reason, ""), b"last words"


def talking(rate: int = 0) -> Scene:
    """A server whose sessions speak, to clients that may send `rate` messages a second."""

    def connect(request: Request, params: Mapping[str, str]) -> Outcome:
        return OpenSocket(TalkingSession())

    route = Route("GET", "/ws/{app_key}/{user_tag}", connect, "Connect.")
    return Scene(router=lambda node: Router([route]), admit=Limits(client_messages_per_second=rate))


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


# Who sends much, or fast.

SHARE = 64
"""Frames of one client that are read before the others have their turn."""


class HeldTime:
    """The running loop, as far as a socket uses it, with a time that moves when told to."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 1000.0
        self._calls: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        return self._loop.call_soon(callback, *args)

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        assert delay > 0
        self._calls.append((self._now + delay, callback))

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and all happen that is due by then."""
        await turns(20)
        end = self._now + seconds
        while due := sorted((call for call in self._calls if call[0] <= end), key=lambda call: call[0]):
            self._now, callback = due[0]
            self._calls.remove(due[0])
            callback()
            await turns(20)
        self._now = end
        await turns(20)


def held_time(scene: Scene) -> HeldTime:
    """Have the server's time stand still."""
    loop = HeldTime()
    scene.shared.loop = cast(asyncio.AbstractEventLoop, loop)
    return loop


def numbered(count: int, start: int = 0) -> bytes:
    """So many text frames, each with its number."""
    return b"".join(frame(TEXT, b"%d" % number) for number in range(start, start + count))


def answered(data: bytes) -> list[int]:
    """The numbers of the messages that a talking session has answered, in order."""
    return [int(text.removeprefix("you: ")) for text in texts(data) if text.startswith("you: ")]


@in_loop
async def test_the_others_have_their_turn_between_two_shares_of_a_flood() -> None:
    scene = talking()
    flooder, other = scene.client("A:1"), scene.client("A:2")
    flooder.send(numbered(5 * SHARE))
    assert answered(flooder.received) == list(range(SHARE))
    assert not flooder.is_reading()
    other.send(numbered(1))
    assert answered(other.received) == [0]
    await turns(1)
    assert answered(flooder.received) == list(range(2 * SHARE))
    flooder.send(numbered(1, 5 * SHARE))
    await turns(10)
    assert answered(flooder.received) == list(range(5 * SHARE + 1))
    assert flooder.is_reading()
    scene.close()


@pytest.mark.parametrize("small", [frame(PING), frame(PONG), frame(0, final=False)])
@in_loop
async def test_frames_that_are_no_messages_have_their_share_too(small: bytes) -> None:
    scene = talking()
    client = scene.client()
    client.send(frame(TEXT, b"7", final=False) + small * (2 * SHARE - 1) + frame(0) + frame(TEXT, b"8"))
    assert answered(client.received.replace(encode_frame(PONG, b""), b"")) == []
    await turns(1)
    assert answered(client.received.replace(encode_frame(PONG, b""), b"")) == []
    await turns(10)
    assert answered(client.received.replace(encode_frame(PONG, b""), b"")) == [7, 8]
    scene.close()


@in_loop
async def test_a_close_and_a_failure_come_behind_the_messages_before_them() -> None:
    for last, code in ((frame(CLOSE, b"\x0f\xa0"), 4000), (frame(0x3), codes.PROTOCOL_ERROR.code + 1)):
        scene = talking()
        client = scene.client()
        client.send(numbered(3 * SHARE) + last + numbered(1))
        assert not client.is_closing()
        await turns(10)
        *frames, close = split_frames(client.received)
        assert answered(b"".join(frames)) == list(range(3 * SHARE))
        assert close_of(close)[0] == code
        scene.close()


@in_loop
async def test_a_client_that_vanishes_takes_along_what_was_not_read_yet() -> None:
    for rate in (0, SHARE):
        scene = talking(rate)
        time = held_time(scene)
        client = scene.client()
        client.send(numbered(5 * SHARE))
        client.vanish()
        await turns(5)
        await time.pass_time(10)
        assert scene.stats.messages_in == SHARE
        assert scene.stats.connections == 0
        scene.close()


@in_loop
async def test_messages_above_the_rate_wait_and_none_is_lost() -> None:
    scene = talking(100)
    time = held_time(scene)
    client = scene.client()
    client.send(numbered(200))
    client.send(numbered(150, 200))
    await turns(10)
    assert len(answered(client.received)) == 100
    assert not client.is_reading()
    for seconds, count in ((0.5, 150), (0.25, 174), (1.75, 350)):
        await time.pass_time(seconds)
        assert abs(len(answered(client.received)) - count) <= 100 / 8
    await time.pass_time(1)
    assert answered(client.received) == list(range(350))
    assert client.is_reading()
    await time.pass_time(1)
    client.send(numbered(100))
    await turns(10)
    assert len(answered(client.received)) == 450
    scene.close()


@in_loop
async def test_a_client_that_keeps_to_the_rate_never_waits() -> None:
    scene = talking(10)
    time = held_time(scene)
    client = scene.client()
    for number in range(100):
        client.send(numbered(1, number))
        assert answered(client.received)[-1] == number
        assert client.is_reading()
        await time.pass_time(0.1)
    scene.close()


@in_loop
async def test_the_slowest_rate_lets_one_message_through_a_second() -> None:
    scene = talking(1)
    time = held_time(scene)
    client = scene.client()
    client.send(numbered(3))
    seen = []
    for _ in range(5):
        seen.append(len(answered(client.received)))
        await time.pass_time(0.5)
    assert seen == [1, 1, 2, 2, 3]
    scene.close()


@in_loop
async def test_endless_fragments_are_read_at_the_rate_as_well() -> None:
    scene = talking(10)
    time = held_time(scene)
    client = scene.client()
    client.send(frame(TEXT, b"7", final=False) + frame(0, final=False) * 100 * SHARE + frame(0))
    await time.pass_time(8.5)
    assert answered(client.received) == []
    await time.pass_time(2)
    assert answered(client.received) == [7]
    scene.close()


@in_loop
async def test_a_client_above_the_rate_is_still_served_pinged_and_not_taken_for_silent() -> None:
    scene = talking(1)
    time = held_time(scene)
    client = scene.client()
    client.received = b""
    client.send(frame(PONG) * 200 + frame(PONG))
    scene.pass_time(IDLE + SLACK)
    assert client.received == PING_FRAME
    await time.pass_time(IDLE + SLACK)
    scene.pass_time(IDLE + ANSWER + 3 * SLACK)
    client.send(frame(PONG))
    await time.pass_time(ANSWER + SLACK)
    assert client.received == PING_FRAME
    await time.pass_time(1000)
    assert client.is_reading()
    scene.pass_time(1000 + IDLE)
    assert client.received == PING_FRAME * 2
    scene.pass_time(1000 + IDLE + ANSWER + SLACK)
    assert split_frames(client.received)[-1][2:4] == (codes.NO_PONG.code + 1).to_bytes(2, "big")
    scene.close()


@in_loop
async def test_a_client_is_not_taken_for_silent_before_what_waited_in_the_network_is_read() -> None:
    scene = talking(1)
    time = held_time(scene)
    client = scene.client()
    client.received = b""
    client.send(frame(PONG) * 70)
    scene.pass_time(IDLE + SLACK)
    client.resume_reading = lambda: None  # type: ignore[method-assign]  # the loop is about to read its pong
    await time.pass_time(100)
    scene.pass_time(IDLE + ANSWER + 3 * SLACK)
    assert client.received == PING_FRAME
    scene.close()


@in_loop
async def test_what_a_transport_hands_in_unasked_waits_behind_what_waits() -> None:
    scene = talking()
    client = scene.client()
    client.send(numbered(2 * SHARE))
    assert isinstance(client.protocol, WebSocketPeer)
    client.protocol.data_received(numbered(1, 2 * SHARE))
    assert answered(client.received) == list(range(SHARE))
    await turns(5)
    assert answered(client.received) == list(range(2 * SHARE + 1))
    scene.close()


@in_loop
async def test_a_push_reaches_a_client_that_is_above_the_rate() -> None:
    scene = Scene(admit=Limits(client_messages_per_second=1))
    held_time(scene)
    client = scene.client()
    client.send(numbered(100))
    assert push(scene, "hello") == 1
    await turns(10)
    assert texts(client.received) == ["hello"]
    assert scene.stats.messages_in == 1
    scene.close()


@in_loop
async def test_what_a_client_says_after_our_close_is_skipped_faster_than_the_rate_and_with_pauses() -> None:
    scene = Scene(admit=Limits(client_messages_per_second=1))
    time = held_time(scene)
    client = scene.client()
    client.send(numbered(3 * SHARE) + frame(CLOSE, b"\x03\xf4"))
    await turns(10)
    goodbye(client.protocol)
    await time.pass_time(1.005)
    assert not client.is_lost()
    await time.pass_time(0.05)
    assert client.is_lost()
    assert scene.stats.messages_in == 1
    scene.close()


@in_loop
async def test_the_rate_may_change_while_a_client_waits() -> None:
    scene = talking(1)
    time = held_time(scene)
    client = scene.client()
    client.send(numbered(300))
    scene.shared.admission.limits = Limits()
    await time.pass_time(1)
    assert answered(client.received) == list(range(300))
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


# Slow clients.


@in_loop
async def test_a_slow_client_gets_all_in_order_once_it_reads_and_holds_up_nobody() -> None:
    scene = Scene()
    slow, fast = scene.client("A:1", high=100), scene.client("A:2")
    slow.stalled = True
    sent = [f"{number:020}" for number in range(50)]
    for text in sent:
        assert push(scene, text) == 2
        await turns()
    assert texts(fast.received) == sent
    assert slow.paused
    assert len(slow.unread) <= 100 + 22
    while slow.unread:
        slow.read()
        await turns()
    assert texts(slow.received) == sent
    slow.stalled = False
    push(scene, "and on")
    await turns()
    assert texts(slow.received) == [*sent, "and on"]
    scene.close()


@in_loop
async def test_a_slow_client_whose_outbox_is_full_is_closed_by_name_and_gets_nothing_more() -> None:
    scene = Scene(outbox_limit=200)
    slow, fast = scene.client("A:1", high=100), scene.client("A:2")
    slow.stalled = True
    sent = [f"{number:020}" for number in range(30)]
    with capture_logs() as logs:
        for text in sent:
            push(scene, text)
            await turns(2)
    assert texts(fast.received) == sent
    assert push(scene, "the end") == 1
    await turns()
    while slow.unread:
        slow.read()
        await turns()
    *frames, last = split_frames(slow.received)
    assert close_of(last) == says(codes.SLOW_CLIENT)
    got = texts(b"".join(frames))
    assert got == sent[: len(got)]
    assert 0 < len(got) < len(sent)
    assert scene.stats.slow_clients == 1
    assert [entry["event"] for entry in logs] == ["slow_client_closed"]
    slow.send(frame(CLOSE, last[2:4]))
    await turns()
    assert slow.is_lost()
    assert scene.stats.connections == 1
    scene.close()


@in_loop
async def test_a_slow_client_that_never_reads_its_close_is_cut() -> None:
    scene = Scene(outbox_limit=100)
    slow = scene.client(high=50)
    slow.stalled = True
    for number in range(10):
        push(scene, f"{number:040}")
        await turns(2)
    assert scene.stats.slow_clients == 1
    scene.pass_time(END + SLACK)
    assert slow.is_cut()
    scene.close()


@in_loop
async def test_a_close_goes_out_behind_what_waits_for_a_slow_client() -> None:
    scene = Scene()
    slow = scene.client(high=50)
    slow.stalled = True
    for number in range(5):
        push(scene, f"{number:040}")
        await turns()
    goodbye(slow.protocol)
    while slow.unread:
        slow.read()
        await turns()
    *frames, last = split_frames(slow.received)
    assert texts(b"".join(frames)) == [f"{number:040}" for number in range(5)]
    assert close_of(last) == says(codes.RESTART)
    slow.send(frame(CLOSE, b"\x03\xf4"))
    await turns()
    assert slow.is_lost()
    scene.close()


@in_loop
async def test_a_close_that_does_not_fit_the_outbox_gives_way_to_the_one_for_slow_clients() -> None:
    scene = Scene(outbox_limit=40)
    slow = scene.client(high=50)
    slow.stalled = True
    for number in range(3):
        push(scene, f"{number:030}")
        await turns()
    goodbye(slow.protocol)
    await turns(2)
    while slow.unread:
        slow.read()
        await turns()
    first, second, last = split_frames(slow.received)
    assert texts(first + second) == [f"{number:030}" for number in range(2)]
    assert close_of(last) == says(codes.SLOW_CLIENT)
    scene.close()


@in_loop
async def test_a_slow_clients_own_close_is_echoed_behind_what_waits_and_ends_the_connection() -> None:
    scene = Scene()
    slow = scene.client(high=50)
    slow.stalled = True
    for number in range(5):
        push(scene, f"{number:040}")
        await turns()
    with capture_logs() as logs:
        slow.send(frame(CLOSE, b"\x03\xe8bye"))
        slow.send(frame(TEXT, b"ignored"))
    assert logs == []
    assert not slow.is_closing()
    while slow.unread:
        slow.read()
        await turns()
    assert slow.received.endswith(encode_frame(CLOSE, b"\x03\xe8"))
    assert slow.is_lost()
    assert not slow.is_cut()
    scene.close()


@in_loop
async def test_a_slow_client_that_vanishes_frees_its_place() -> None:
    scene = Scene(outbox_limit=60)
    slow = scene.client(high=50)
    slow.stalled = True
    for number in range(3):
        push(scene, f"{number:030}")
        await turns()
    push(scene, "x" * 60)  # overflows
    slow.vanish()
    await turns(3)
    assert push(scene, "x") == 0
    assert scene.stats.connections == 0
    scene.close()


STEPS = st.one_of(
    st.tuples(st.just("push"), st.integers(0, 60)),
    st.tuples(st.just("push to tag"), st.integers(0, 60)),
    st.tuples(st.just("read"), st.integers(1, 150)),
    st.tuples(st.just("read all"), st.just(0)),
    st.tuples(st.just("turn"), st.integers(1, 3)),
)


RESUMED_AS_IT_OVERFLOWED = [*[("push", 60), ("turn", 1)] * 3, ("read all", 0), ("push", 5)]


@settings(max_examples=150)
@example(RESUMED_AS_IT_OVERFLOWED, 40, 80)
@given(st.lists(STEPS, max_size=60), st.sampled_from([40, 100]), st.sampled_from([80, 200, 10_000]))
def test_however_a_client_reads_it_gets_all_in_order_or_a_beginning_and_a_reason(
    steps: Sequence[tuple[str, int]], high: int, outbox_limit: int
) -> None:
    @in_loop
    async def story() -> None:
        scene = Scene(outbox_limit=outbox_limit)
        client = scene.client("A:1", high=high)
        client.stalled = True
        sent: list[str] = []
        for number, (step, count) in enumerate(steps):
            if step.startswith("push"):
                text = f"{number}:" + "x" * count
                if push(scene, text, "^A:1$" if "tag" in step else None):
                    sent.append(text)
            elif step == "turn":
                await turns(count)
            else:
                client.read(count or None)
        await turns(3)
        while client.unread:
            client.read()
            await turns(2)
        frames = split_frames(client.received)
        if scene.stats.slow_clients == 0:
            assert texts(client.received) == sent
            assert push(scene, "more") == 1
        else:
            got = texts(b"".join(frames[:-1]))
            assert got == sent[: len(got)]
            assert close_of(frames[-1]) == says(codes.SLOW_CLIENT)
            assert push(scene, "more") == 0
        scene.close()

    story()


# Deadlines.


@in_loop
async def test_an_idle_client_is_pinged_and_stays_while_it_answers() -> None:
    scene = Scene()
    client = scene.client()
    now = 0.0
    for _ in range(3):
        client.received = b""
        scene.pass_time(now + IDLE - 1)
        assert client.received == b""
        scene.pass_time(now + IDLE + SLACK)
        assert client.received == PING_FRAME
        client.send(frame(PONG))
        now += IDLE + SLACK
        scene.pass_time(now + ANSWER + SLACK)
        assert client.received == PING_FRAME
    assert push(scene, "x") == 1
    scene.close()


@in_loop
async def test_a_client_that_answers_no_ping_loses_its_place_at_once_and_then_the_connection() -> None:
    scene = Scene()
    client = scene.client()
    scene.pass_time(IDLE + 1)
    scene.pass_time(IDLE + 1 + ANSWER + SLACK)
    assert client.received.startswith(PING_FRAME)
    assert close_of(client.received.removeprefix(PING_FRAME)) == says(codes.NO_PONG)
    assert push(scene, "x") == 0
    assert scene.errors == {f"close_{codes.NO_PONG.code}": 1}
    assert not client.is_cut()
    scene.pass_time(IDLE + ANSWER + END + 3 * SLACK)
    assert client.is_cut()
    await turns()
    assert scene.stats.connections == 0
    scene.close()


@in_loop
async def test_a_client_that_talks_is_not_pinged() -> None:
    scene = Scene()
    client = scene.client()
    for now in range(10, 300, 10):
        scene.pass_time(float(now))
        client.send(frame(TEXT, b"I am here"))
    assert client.received == b""
    scene.pass_time(290 + IDLE + SLACK)
    assert client.received == PING_FRAME
    scene.close()


@in_loop
async def test_anything_that_comes_after_a_ping_shows_that_the_client_is_there() -> None:
    scene = Scene()
    client = scene.client()
    scene.pass_time(IDLE + 1)
    client.send(frame(TEXT, b"no pong, but alive"))
    scene.pass_time(IDLE + ANSWER + SLACK)
    assert client.received == PING_FRAME
    assert push(scene, "x") == 1
    scene.close()


@in_loop
async def test_pushes_do_not_make_an_idle_client_look_alive() -> None:
    scene = Scene()
    client = scene.client()
    for now in range(1, 70):
        scene.pass_time(float(now))
        push(scene, "x")
        await turns()
    assert split_frames(client.received)[-1] == close_frame(codes.NO_PONG)
    scene.close()


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
