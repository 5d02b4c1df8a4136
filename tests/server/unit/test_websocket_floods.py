"""Clients that send much, or fast, on a WebSocket in memory: their shares, their rate, and what it costs the others."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from pushery.core import codes
from pushery.server.admission import Limits
from pushery.server.websocket import WebSocketPeer
from pushery.wire.websocket import encode_frame, split_frames
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import CLOSE, PING, PONG, SLACK, TEXT, Scene, frame
from tests.server.unit.sockets import ANSWER, IDLE, PING_FRAME, close_of, goodbye, push, talking, texts

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

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        assert delay > 0
        self._calls.append((self._now + delay, partial(callback, *args)))

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
