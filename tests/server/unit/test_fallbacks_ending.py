"""Sessions without a socket, until they end: heartbeats, signs of life, and what is said when the server stops."""

import pytest
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.node import Node
from pushery.server.fallbacks import EXPIRY_S, POLL_S, HttpPeer
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import SLACK, TIMEOUTS, request
from tests.server.unit.polling import FallbackScene, Page, said_on

IDLE, ANSWER = TIMEOUTS.ping_idle, TIMEOUTS.ping_timeout


# Deadlines.


@in_loop
async def test_a_poll_without_events_ends_with_a_heartbeat() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = await page.poll()
    await page.poll(connection)
    scene.pass_time(POLL_S - 1)
    await turns(5)
    assert connection.received == b""
    scene.pass_time(POLL_S + SLACK)
    await turns(5)
    assert said_on(connection).lines == ["h"]
    scene.pass_time(POLL_S + EXPIRY_S + 2 * SLACK)
    assert scene.online == 0
    scene.close()


@in_loop
async def test_a_quiet_stream_gets_heartbeats_and_lives_as_long_as_they_are_answered() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    now = 0.0
    for count in range(1, 4):
        now += IDLE + SLACK
        scene.pass_time(now)
        assert said_on(stream).kinds == "hoa" + "h" * count
        await page.send()
        scene.pass_time(now + ANSWER + SLACK)
    scene.pass_time(now + IDLE + SLACK)
    scene.pass_time(now + IDLE + ANSWER + 2 * SLACK)
    await turns(3)
    said = said_on(stream)
    assert said.events[-1]["data"]["code"] == said.closed[0] == 4201
    assert said.whole
    assert scene.errors["close_4201"] == 1
    assert scene.online == 0
    scene.close()


@in_loop
async def test_to_ask_anew_is_a_sign_of_life() -> None:
    scene = FallbackScene()
    page = Page(scene)
    await page.stream()
    scene.pass_time(IDLE + SLACK)
    second = await page.stream()
    scene.pass_time(2 * IDLE + 2 * SLACK)
    assert said_on(second).kinds == "ah"
    scene.close()


@in_loop
async def test_what_a_client_sends_is_a_sign_of_life() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    for now in (30.0, 60.0, 90.0):
        scene.pass_time(now)
        await page.send({"event": "pusher:pong"})
    assert said_on(stream).kinds == "hoa"
    scene.close()


@in_loop
async def test_a_client_that_never_ends_its_side_is_cut_after_the_end() -> None:
    scene = FallbackScene()
    stream = await Page(scene, key="nobody").stream()
    assert stream.has_ended()
    scene.pass_time(3 * SLACK)
    assert stream.is_cut()
    scene.close()


@in_loop
async def test_where_a_transport_cannot_end_one_side_the_connection_is_closed() -> None:
    scene = FallbackScene()
    connection = scene.connect()
    connection.half_closes = False
    await connection.say(request("POST", "/app/nobody/1/a/xhr_streaming?protocol=7", body=b""), 4)
    assert said_on(connection).closed[0] == 4001
    assert connection.is_lost()
    scene.close()


# Stopping.


@in_loop
async def test_when_the_server_stops_every_session_is_told_and_none_begins() -> None:
    scene = FallbackScene()
    streaming, polling, between = (Page(scene, name) for name in ("streaming", "polling", "between"))
    stream, poll = await streaming.stream(), await polling.poll()
    await polling.poll(poll)
    await between.poll()
    scene.shared.draining = True
    assert scene.shared.exchanges == set(), "nobody waits for a poll to end"
    for connection in list(scene.shared.wheel):
        connection.drain()
    await turns(5)
    for said in (said_on(stream), said_on(poll)):
        assert said.closed == [codes.RESTARTING.code, codes.RESTARTING.reason]
        assert b"Connection: close" in said.head
    assert (scene.shared.sessions, scene.online, scene.stats.connections) == ({}, 0, 0)
    assert said_on(await Page(scene, "new").stream()).status == 503
    scene.close()


@in_loop
async def test_a_session_can_be_cut() -> None:
    scene = FallbackScene()
    streaming, polling = Page(scene, "streaming"), Page(scene, "polling")
    stream, poll = await streaming.stream(), await polling.poll()
    await polling.poll(poll)
    for connection in list(scene.shared.wheel):
        connection.abort()
    await turns(3)
    assert stream.is_cut()
    assert poll.is_cut()
    assert (scene.shared.sessions, scene.online, len(scene.shared.wheel)) == ({}, 0, 0)
    scene.close()


@in_loop
@pytest.mark.parametrize("what", [(), (Node, "leave")])
async def test_a_session_that_fails_lets_nobody_wait_for_its_reply(
    what: tuple[type, str] | tuple[()], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    scene = FallbackScene()
    page = Page(scene)
    poll = await page.poll()
    await page.subscribe()
    await page.poll(poll)
    await page.poll(poll)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(HttpPeer, "_pour", fail)
        if what:
            patch.setattr(*what, fail)
        scene.publish(["hello"])
        await turns(5)
    assert [entry["event"] for entry in logs] == ["connection_failed"]
    assert poll.is_cut()
    assert (scene.shared.sessions, scene.stats.connections) == ({}, 0)
    scene.close()


@in_loop
async def test_a_close_that_finds_no_listener_is_said_in_the_next_reply() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = await page.poll()
    await page.subscribe()
    scene.publish([1])
    [peer] = scene.shared.sessions.values()
    peer.close(codes.TERMINATED)
    peer.close(codes.SLOW_CLIENT)
    await turns(3)
    assert scene.online == 0
    await page.poll(connection)
    said = said_on(connection)
    assert said.values == [1]
    assert said.closed == [4009, codes.TERMINATED.reason]
    scene.close()
