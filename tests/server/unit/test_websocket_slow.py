"""Clients that read slowly, or not at all, on a WebSocket in memory: what they get, and when they are closed."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.server.websocket import WebSocketPeer
from pushery.wire.websocket import encode_frame, split_frames
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import CLOSE, SLACK, TEXT, Scene, frame
from tests.server.unit.sockets import END, close_of, goodbye, push, says, texts


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
async def test_a_slow_client_whose_outbox_cannot_be_written_is_cut_rather_than_given_a_hole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(peer: WebSocketPeer) -> None:
        raise MemoryError

    scene = Scene()
    slow = scene.client("A:1", high=100)
    slow.stalled = True
    for number in range(50):
        push(scene, f"{number:020}")
        await turns()
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(WebSocketPeer, "_raw_write", property(fail))
        slow.read()
    assert [entry["event"] for entry in logs] == ["connection_failed"]
    assert slow.is_cut()
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
