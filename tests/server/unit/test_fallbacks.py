"""Sessions of clients without a socket, on transports in memory: what is said when, in which reply, how long."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.server import fallbacks
from pushery.server.admission import Limits
from pushery.server.fallbacks import EXPIRY_S, GRACE_S, POLL_S, REOPEN_S
from pushery.wire.xhr import CLIENT_BUFFER
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import KEY, TIMEOUTS, MemoryTransport, request
from tests.server.unit.polling import MESSAGE_LIMIT, FallbackScene, Page, read, said_on

IDLE, ANSWER = TIMEOUTS.ping_idle, TIMEOUTS.ping_timeout
SLACK = 2.0
"""Seconds by which a deadline may be late: the wheel's ticks."""


# Opening.


@in_loop
async def test_a_stream_opens_with_a_prelude_and_the_greeting_and_stays_open() -> None:
    scene = FallbackScene()
    said = said_on(await Page(scene).stream())
    assert said.status == 200
    assert said.kinds == "hoa"
    assert len(said.lines[0]) == 2048
    assert said.events[0]["event"] == "pusher:connection_established"
    assert not said.whole
    assert b"Access-Control-Allow-Origin: *" in said.head
    assert b"X-Accel-Buffering: no" in said.head
    assert (scene.stats.connections, scene.stats.connections_opened, scene.online) == (1, 1, 1)
    scene.close()


@in_loop
async def test_a_stream_of_http_1_0_has_no_chunks() -> None:
    scene = FallbackScene()
    connection = scene.connect()
    asked = request("POST", f"/app/{KEY}/1/a/xhr_streaming?protocol=7", body=b"").replace(b"HTTP/1.1", b"HTTP/1.0")
    await connection.say(asked, 3)
    said = said_on(connection)
    assert b"Transfer-Encoding" not in said.head
    assert said.kinds == "hoa"
    scene.close()


@in_loop
async def test_a_first_poll_is_answered_at_once_and_its_connection_can_be_used_again() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = await page.poll()
    said = said_on(connection)
    assert (said.kinds, said.whole) == ("oa", True)
    await page.poll(connection)
    assert connection.received == b""
    await page.subscribe()
    assert [event["event"] for event in said_on(connection).events] == ["pusher_internal:subscription_succeeded"]
    scene.close()


@pytest.mark.parametrize(
    ("path", "headers", "changed", "code"),
    [
        ("/app/nobody/1/a/xhr?protocol=7", (), {}, 4001),
        (f"/app/{KEY}/1/a/xhr", (), {}, 4008),
        (f"/app/{KEY}/1/a/xhr?protocol=7", (), {"enabled": False}, 4003),
        (f"/app/{KEY}/1/a/xhr?protocol=7", ("Origin: http://b.com",), {"allowed_origins": ("a.com",)}, 4009),
    ],
)
def test_who_cannot_connect_is_told_why_in_the_first_reply(
    path: str, headers: tuple[str, ...], changed: dict[str, Any], code: int
) -> None:
    @in_loop
    async def story() -> None:
        scene = FallbackScene()
        scene.change(**changed)
        for ending in ("", "_streaming"):
            connection = scene.connect()
            asked = path.replace("/xhr", f"/xhr{ending}")
            await connection.say(request("POST", asked, *headers, body=b""), 5)
            said = said_on(connection)
            assert said.kinds.endswith("oac")
            assert said.events[0]["data"]["code"] == said.closed[0] == code
            assert said.whole
            assert b"Access-Control-Allow-Origin: *" in said.head
        assert (scene.stats.connections, scene.shared.sessions) == (0, {})
        scene.close()

    story()


@in_loop
async def test_sessions_count_as_connections_of_the_app() -> None:
    scene = FallbackScene()
    scene.change(max_connections=1)
    await Page(scene, "one").stream()
    assert said_on(await Page(scene, "two").poll()).closed[0] == 4004
    assert (scene.stats.connections, scene.online) == (1, 1)
    scene.close()


@in_loop
async def test_there_is_an_end_to_how_many_sessions_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallbacks, "MAX_SESSIONS", 1)
    scene = FallbackScene()
    await Page(scene, "one").stream()
    assert said_on(await Page(scene, "two").stream()).status == 503
    assert said_on(await Page(scene, "one").stream()).status == 200
    scene.close()


@in_loop
async def test_sessions_count_against_the_limits_for_sockets_and_leave_room_when_they_end() -> None:
    scene = FallbackScene(admit=Limits(max_sockets_per_address=1))
    await Page(scene, "one").stream()
    refused = said_on(await Page(scene, "two").stream())
    assert (refused.status, b"\r\nRetry-After: 5" in refused.head) == (429, True)
    assert b"Access-Control-Allow-Origin: *" in refused.head
    again = await Page(scene, "one").stream()
    assert said_on(again).status == 200
    assert said_on(await Page(scene, "three").stream(peername=("203.0.113.8", 1))).status == 200
    again.vanish()
    await turns()
    scene.pass_time(EXPIRY_S + SLACK)
    assert scene.stats.connections == 1
    scene.close()


@in_loop
async def test_what_is_sent_too_fast_is_refused_as_a_whole_and_may_be_sent_again() -> None:
    scene = FallbackScene(admit=Limits(client_messages_per_second=2))
    page = Page(scene)
    await page.stream()
    ping = {"event": "pusher:ping"}
    assert [(await page.send(*[ping] * count)).status for count in (1, 1, 1)] == [204, 204, 429]
    assert scene.stats.messages_in == 2
    assert scene.errors["too_fast"] == 1
    refused = await page.send(ping)
    assert b"Access-Control-Allow-Origin: *" in refused.head
    assert b"\r\nRetry-After: 1" in refused.head
    scene.close()


# Saying and hearing.


@in_loop
async def test_what_a_client_sends_is_answered_on_its_stream() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    before = len(said_on(stream).lines)
    said = await page.send({"event": "pusher:ping", "data": {}}, {"event": "nonsense"})
    assert (said.status, said.whole) == (204, True)
    assert [event["event"] for event in said_on(stream).events[1:]] == ["pusher:pong", "pusher:error"]
    assert len(said_on(stream).lines) == before + 1
    assert scene.stats.messages_in == 2
    scene.close()


@in_loop
async def test_events_of_one_turn_come_in_one_line_and_in_order() -> None:
    scene = FallbackScene()
    streaming, polling = Page(scene, "streaming"), Page(scene, "polling")
    stream, poll = await streaming.stream(), await polling.poll()
    await streaming.subscribe()
    await polling.subscribe()
    await polling.poll(poll)
    await polling.poll(poll)
    scene.publish(["ä", "\u2028\n", 3])
    await turns(5)
    for said in (said_on(stream), said_on(poll)):
        assert said.values == ["ä", "\u2028\n", 3]
        assert len(json.loads(said.lines[-1][1:])) == 3
    scene.close()


@in_loop
async def test_events_between_two_polls_are_kept() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = await page.poll()
    await page.subscribe()
    scene.publish([1])
    await turns(3)
    scene.publish([2])
    await turns(3)
    await page.poll(connection)
    assert said_on(connection).values == [1, 2]
    await page.poll(connection)
    assert connection.received == b""
    scene.close()


@in_loop
async def test_a_poll_takes_a_bounded_share_of_what_waits() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = await page.poll()
    await page.subscribe()
    values = [str(value) * 20_000 for value in range(9)] * 3
    for value in values:
        scene.publish([value])
        await turns(2)
    read_so_far: list[object] = []
    for _ in range(3):
        await page.poll(connection)
        assert len(connection.received) < CLIENT_BUFFER + 2000
        read_so_far += said_on(connection).values
    assert read_so_far == values
    scene.close()


@in_loop
async def test_a_sign_of_life_is_given_when_asked_for_and_asks_for_none() -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    assert (await page.send()).status == 204
    assert said_on(stream).kinds == "hoaa"
    assert said_on(stream).lines[-1] == "a[]"
    poll = await page.poll()
    await page.send()
    assert said_on(poll).lines == ["a[]"]
    assert scene.stats.messages_in == 0
    scene.close()


@in_loop
async def test_sending_to_nobody_and_sending_nonsense_changes_nothing() -> None:
    scene = FallbackScene()
    page = Page(scene)
    assert (await page.send("{}")).status == 404
    stream = await page.stream()
    before = stream.received
    for body in (b"", b"{}", b"[1]", b'["', b"\xff"):
        assert (await page.send_body(body)).status == 400
    assert stream.received == before
    scene.close()


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_a_message_past_the_limit_closes_the_session(letter: str) -> None:
    @in_loop
    async def story() -> None:
        scene = FallbackScene()
        page = Page(scene)
        stream = await page.stream()
        await page.send("x" * MESSAGE_LIMIT)
        assert "c" not in said_on(stream).kinds
        await page.send(letter * (MESSAGE_LIMIT // len(letter.encode()) + 1), {"event": "pusher:ping"})
        said = said_on(stream)
        assert (said.closed[0], said.whole) == (1009, True)
        assert scene.errors["close_1009"] == 1
        assert (scene.stats.connections, scene.online, scene.stats.messages_in) == (0, 0, 2)
        scene.close()

    story()


@in_loop
async def test_a_defect_of_the_session_is_logged_once_and_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = FallbackScene()
    page = Page(scene)
    stream = await page.stream()
    with capture_logs() as logs, monkeypatch.context() as patch:
        patch.setattr("pushery.dialects.pusher.session.PusherSession.received", lambda *_: 1 / 0)
        await page.send("{}", "{}")
    assert said_on(stream).closed[0] == 1011
    assert [entry["event"] for entry in logs] == ["session_failed"]
    scene.close()


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


# Long replies and slow clients.


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


# Other requests on the same connection, and pages of other origins.


@in_loop
async def test_requests_behind_a_poll_are_answered_after_it() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = await page.poll()
    connection.received = b""
    await page.subscribe()
    await page.poll(connection)
    connection.received = b""
    poll = request("POST", f"{page.base}/xhr?protocol=7", body=b"")
    options = request("OPTIONS", f"{page.base}/xhr")
    await connection.say(poll + options + options, 5)
    assert connection.received == b""
    assert not connection.is_reading(), "what comes behind must not pile up"
    scene.publish([1])
    await turns(6)
    first, second, third = read(connection.received)
    assert first.values == [1]
    assert second.status == third.status == 204
    await page.poll(connection)
    await connection.say(options, 5)
    assert connection.received == b""
    assert not connection.is_reading()
    scene.publish([3])
    await turns(6)
    assert [said.status for said in read(connection.received)] == [200, 204]
    await page.poll(connection)
    scene.publish([2])
    await turns(5)
    assert said_on(connection).values == [2]
    scene.close()


@in_loop
async def test_what_comes_behind_the_request_for_a_stream_is_ignored() -> None:
    scene = FallbackScene()
    page = Page(scene)
    connection = scene.connect()
    stream = request("POST", f"{page.base}/xhr_streaming?protocol=7", body=b"")
    await connection.say(stream + request("OPTIONS", "/"), 4)
    await connection.say(b"GET / HTTP/1.1\r\n\r\nnonsense", 4)
    assert said_on(connection).kinds == "hoa"
    await page.send()
    assert said_on(connection).kinds == "hoaa"
    scene.close()


@pytest.mark.parametrize("origins", [frozenset[str](), frozenset({"https://a.com"}), frozenset({"*"})])
def test_pages_of_any_origin_may_use_the_fallbacks_whatever_else_they_may(origins: frozenset[str]) -> None:
    @in_loop
    async def story() -> None:
        scene = FallbackScene(cors_origins=origins)
        page = Page(scene)
        origin = "Origin: https://b.com"
        connection = scene.connect()
        asked = "Access-Control-Request-Method: POST"
        await connection.say(request("OPTIONS", f"{page.base}/xhr_send", origin, asked), 4)
        poll = await page.poll(None, origin)
        for received in (connection.received, poll.received, (await page.stream(origin)).received):
            assert received.count(b"Access-Control-Allow-Origin: *\r\n") == 1
            assert received.count(b"Access-Control-Allow-Origin") == 1
        other = scene.connect()
        await other.say(request("OPTIONS", f"/app/{KEY}", origin, asked), 4)
        allowed = b"Access-Control-Allow-Origin" in other.received
        assert allowed == (origins == frozenset({"*"}))
        scene.close()

    story()


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
