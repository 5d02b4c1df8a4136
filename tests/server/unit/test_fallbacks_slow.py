"""Sessions without a socket that get more than they read: replies that are full, and who is closed as slow."""

import pytest
from structlog.testing import capture_logs

from pushery.server.fallbacks import GRACE_S, REOPEN_S, HttpPeer
from pushery.wire.xhr import CLIENT_BUFFER
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import KEY, SLACK
from tests.server.unit.polling import FallbackScene, Page, said_on


async def _fill(scene: FallbackScene, count: int, first: int = 0) -> list[str]:
    """Publish events of some 10 KB each, one a turn; returns their data."""
    values = [f"{number} " + "😀" * 5000 for number in range(first, first + count)]
    for value in values:
        scene.publish([value])
        await turns(2)
    return values


@in_loop
async def test_a_reply_that_is_full_is_left_in_peace_until_the_client_asks_anew() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    values = await _fill(scene, 40)
    said = said_on(stream)
    length = sum(len(line.encode("utf-16-le")) // 2 + 1 for line in said.lines)
    assert CLIENT_BUFFER < length < CLIENT_BUFFER + 20_000
    assert said.lines[-1] == "h"
    stream.vanish()
    second = said_on(await page.stream())
    assert second.kinds[:2] == "aa"
    assert said.values + second.values == values
    scene.close()


@in_loop
async def test_a_client_that_reads_on_gets_the_rest_in_the_same_reply() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    values = await _fill(scene, 40)
    await page.send()
    scene.pass_time(GRACE_S + SLACK)
    await turns(3)
    assert said_on(stream).values == values
    assert "c" not in said_on(stream).kinds
    scene.close()


@in_loop
async def test_a_client_that_has_not_read_a_full_reply_in_time_is_closed_unless_it_is_heard() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    await _fill(scene, 40)
    scene.pass_time(REOPEN_S / 2)
    await page.send({"event": "pusher:ping"})
    scene.pass_time(REOPEN_S + SLACK)
    await turns(3)
    assert "c" not in said_on(stream).kinds
    scene.pass_time(3 * REOPEN_S)
    await turns(3)
    scene.pass_time(5 * REOPEN_S)
    await turns(3)
    assert "c" not in said_on(stream).kinds, "heard after the heartbeat"
    scene.close()


@in_loop
async def test_a_full_reply_that_nobody_reads_ends() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    scene.pass_time(1)
    await _fill(scene, 40)
    scene.pass_time(1 + REOPEN_S + SLACK)
    await turns(3)
    assert said_on(stream).closed[0] == 4201
    scene.close()


@in_loop
async def test_a_goodbye_waits_for_the_reply_that_follows_a_full_one() -> None:
    scene = FallbackScene(outbox_limit=100_000)
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    await _fill(scene, 40)
    assert scene.stats.slow_clients == 1
    assert said_on(stream).kinds[-1] == "h"
    assert said_on(await page.stream()).closed[0] == 4101
    scene.close()


@pytest.mark.parametrize("stops", [False, True])
def test_a_goodbye_does_not_wait_for_ever(stops: bool) -> None:
    @in_loop
    async def story() -> None:
        scene = FallbackScene(outbox_limit=100_000)
        page = Page(scene)
        stream = await page.stream()
        await page.subscribe()
        await _fill(scene, 40)
        if stops:
            [peer] = scene.shared.sessions.values()
            peer.drain()
        else:
            scene.pass_time(REOPEN_S + SLACK)
        await turns(3)
        assert said_on(stream).closed[0] == 4101
        assert scene.shared.sessions == {}
        scene.close()

    story()


@in_loop
async def test_a_client_that_reads_slowly_gets_everything_in_order() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream(high=1000)
    await page.subscribe()
    stream.stalled = True
    for value in range(100):
        scene.publish([str(value) * 100])
        await turns(2)
    assert stream.paused
    while stream.unread:
        stream.read(700)
        await turns(2)
    assert said_on(stream).values == [str(value) * 100 for value in range(100)]
    scene.close()


@in_loop
async def test_a_session_that_fails_when_its_client_reads_on_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream(high=1000)
    await page.subscribe()
    stream.stalled = True
    for value in range(20):
        scene.publish([str(value) * 100])
        await turns(2)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(HttpPeer, "_next_line", fail)
        stream.read()
    assert [entry["event"] for entry in logs] == ["connection_failed"]
    assert stream.is_cut()
    assert (scene.shared.sessions, scene.shared.backlog.size) == ({}, 0)
    scene.close()


@in_loop
async def test_a_client_that_does_not_read_is_closed_as_slow() -> None:
    scene = FallbackScene(outbox_limit=5000)
    page = Page(scene)
    stream = await page.stream(high=1000)
    await page.subscribe()
    stream.stalled = True
    for value in range(20):
        scene.publish([str(value) * 500])
        await turns(3)
    assert (scene.stats.slow_clients, scene.online, scene.stats.connections) == (1, 0, 0)
    stream.read()
    said = said_on(stream)
    assert said.events[-1]["data"]["code"] == said.closed[0] == 4101
    assert said.values == [str(value) * 500 for value in range(len(said.values))]
    assert stream.has_ended()
    scene.close()


@in_loop
async def test_what_waits_for_a_client_that_does_not_ask_is_bounded() -> None:
    scene = FallbackScene(outbox_limit=5000)
    page = Page(scene)
    connection = await page.poll()
    await page.subscribe()
    for value in range(20):
        scene.publish([str(value) * 500])
        await turns(3)
    assert (scene.online, scene.stats.connections) == (0, 1)
    await page.poll(connection)
    said = said_on(connection)
    assert (said.closed[0], said.values) == (4101, [])
    assert scene.shared.sessions == {}
    scene.close()


@in_loop
async def test_a_burst_that_a_stream_can_carry_does_not_make_its_client_a_slow_one() -> None:
    scene = FallbackScene(outbox_limit=100_000)
    page = Page(scene)
    stream = await page.stream()
    await page.subscribe()
    values = [str(value) * 30_000 for value in range(8)]
    for value in values:
        scene.publish([value])
        scene.node.hub.crowd(KEY).channels.fanout.flush()
    await turns(3)
    assert said_on(stream).values == values
    assert scene.stats.slow_clients == 0
    scene.close()
