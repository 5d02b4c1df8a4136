"""Sessions of clients without a socket, on transports in memory: how they open, what is said in which reply."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from pushery.server import fallbacks
from pushery.server.admission import Limits
from pushery.server.fallbacks import EXPIRY_S
from pushery.wire.xhr import CLIENT_BUFFER
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import KEY, SLACK, request
from tests.server.unit.polling import MESSAGE_LIMIT, FallbackScene, Page, read, said_on

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
