"""Sessions without a socket whose connection is lost: what is kept for whoever comes back, and for how long."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushery.core import codes
from pushery.server.fallbacks import EXPIRY_S
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import KEY, SLACK, MemoryTransport
from tests.server.unit.polling import FallbackScene, Page, read, said_on

# Losing a connection, and coming back.


@in_loop
async def test_a_session_outlives_its_connection_and_keeps_what_is_for_it() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    stream.vanish()
    await turns()
    scene.publish([1, 2])
    await turns()
    scene.pass_time(EXPIRY_S - 1)
    said = said_on(await page.stream())
    assert said.kinds == "aa"
    assert said.values == [1, 2]
    assert scene.stats.connections_opened == 1
    scene.close()


@pytest.mark.parametrize("leave", [MemoryTransport.vanish, MemoryTransport.send_eof])
def test_nothing_is_said_to_a_poll_whose_client_is_gone(leave: Callable[[MemoryTransport], None]) -> None:
    @in_loop
    async def story() -> None:
        scene = FallbackScene()
        page = Page(scene)
        connection = await page.poll()
        await page.subscribe()
        await page.poll(connection)
        waiting = await page.poll()
        leave(waiting)
        scene.publish([1])
        await turns(5)
        assert waiting.received == b""
        assert waiting.is_lost()
        assert said_on(await page.poll()).values == [1]
        scene.close()

    story()


@in_loop
async def test_what_is_about_to_be_said_when_a_client_goes_is_said_in_the_next_reply() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = await page.poll()
    await page.subscribe()
    await page.poll(connection)
    waiting = await page.poll()
    scene.publish([1])
    await turns(1)
    waiting.send_eof()
    await turns(5)
    waiting = await page.poll(None)
    assert said_on(waiting).values == [1]
    waiting = await page.poll()
    [peer] = scene.shared.sessions.values()
    peer.close(codes.TERMINATED)
    waiting.send_eof()
    await turns(5)
    assert said_on(await page.poll()).closed[0] == 4009
    scene.close()


@in_loop
async def test_a_client_that_ends_its_side_of_a_stream_has_left_it() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    stream.send_eof()
    scene.publish([1])
    await turns(3)
    assert said_on(stream).values == []
    assert said_on(await page.stream()).values == [1]
    scene.close()


@in_loop
async def test_a_session_without_a_reply_expires_and_the_next_one_is_new() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    stream.vanish()
    await turns()
    scene.pass_time(EXPIRY_S - 1)
    assert scene.online == 1
    scene.pass_time(EXPIRY_S + SLACK)
    assert (scene.online, scene.stats.connections, scene.shared.sessions) == (0, 0, {})
    assert scene.node.hub.crowd(KEY).channels.by_name == {}
    assert (await page.send("{}")).status == 404
    assert said_on(await page.stream()).kinds == "hoa"
    scene.close()


@in_loop
async def test_the_newer_of_two_replies_wins() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    poll = await page.poll()
    assert said_on(stream).whole
    assert poll.received == b""
    second = await page.stream()
    assert said_on(poll).lines == ["h"]
    scene.publish([1])
    await turns(3)
    assert (said_on(stream).values, said_on(second).values) == ([], [1])
    stream.vanish()
    await turns()
    scene.publish([2])
    await turns(3)
    assert said_on(second).values == [1, 2]
    scene.close()


# All of it together, against a model: a list that everything is read from once.

STEPS = st.lists(
    st.one_of(
        st.integers(1, 4).map(lambda count: ("publish", count)),
        st.sampled_from(["stream", "poll", "vanish", "turn", "stall", "read", "big"]).map(lambda what: (what, 0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_the_client_does_it_reads_each_event_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    @in_loop
    async def story() -> None:
        scene = FallbackScene(outbox_limit=1 << 24)
        page = Page(scene)
        current = await page.poll()
        await page.subscribe()
        current = await page.poll(current)
        published: list[object] = []
        seen: list[object] = []
        opened: list[MemoryTransport] = []

        def leave() -> None:
            """The client has read all that was sent to it when it goes."""
            if not current.is_lost():
                current.stalled = False
                current.read()
                current.vanish()

        for what, count in steps:
            if what == "publish":
                values = list(range(len(published), len(published) + count))
                published += values
                scene.publish(values)
            elif what == "big":
                published.append("x" * 150_000)
                scene.publish(published[-1:])
            elif what in ("stream", "poll"):
                await turns(8)
                leave()
                await turns(3)
                opened.append(current)
                current = await page.stream() if what == "stream" else await page.poll()
            elif what == "vanish":
                await turns(8)
                leave()
                await turns(3)
            elif what == "stall":
                current.stalled = True
            elif what == "read":
                current.stalled = False
                current.read()
            await turns(3)
        await turns(8)
        for _ in range(20):
            leave()
            await turns(3)
            opened.append(current)
            current = await page.poll()
        for connection in opened:
            for said in read(connection.received):
                assert "o" not in said.kinds
                seen += said.values
        assert seen == published
        scene.close()

    story()
