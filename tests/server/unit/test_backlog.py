"""What connections keep of what their clients have sent in part, and what happens when that is too much."""

import asyncio

import pytest
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.node import Node
from pushery.server.exchanges import HttpExchanges
from pushery.server.http import HttpConnection
from pushery.server.websocket import WebSocketPeer
from pushery.wire.websocket import CONTINUATION, close_frame
from tests.node.fakes import in_loop, turns, until
from tests.server.unit.memory import KEY, SUPER_AUTH, TEXT, TIMEOUTS, Scene, frame, request
from tests.server.unit.polling import FallbackScene, Page, read


@in_loop
async def test_a_part_of_a_message_is_counted_while_it_is_kept() -> None:
    scene = Scene()
    client, backlog = scene.client(), scene.shared.backlog
    whole = frame(TEXT, b"x" * 100)
    client.send(whole[:50])
    assert backlog.size == 50
    client.send(whole[50:])
    assert (backlog.size, len(backlog)) == (0, 0)
    client.send(frame(TEXT, b"x" * 40, final=False))
    assert backlog.size == 40
    client.vanish()
    await turns()
    assert (backlog.size, len(backlog)) == (0, 0)
    scene.close()


@in_loop
async def test_of_a_socket_that_is_gone_nothing_is_counted_even_if_it_cannot_leave_its_audience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    scene = Scene()
    client, backlog = scene.client(), scene.shared.backlog
    client.send(frame(TEXT, b"x" * 100)[:50])
    with monkeypatch.context() as patch:
        patch.setattr(Node, "leave", fail)
        client.vanish()
        await turns()
    assert (backlog.size, len(backlog)) == (0, 0)
    assert (scene.stats.connections, scene.shared.admission.connections) == (0, 0)
    scene.close()


@in_loop
async def test_who_has_sent_the_largest_parts_goes_when_there_is_too_much() -> None:
    scene = Scene(max_buffered_bytes=500)
    large, small = scene.client("large"), scene.client("small")
    small.send(frame(TEXT, b"x" * 100)[:90])
    large.send(frame(TEXT, b"x" * 400, final=False))
    large.send(frame(CONTINUATION, b"x" * 90, final=False))
    assert scene.shared.backlog.size == 580
    assert scene.shared.backlog.make_room() == 1
    assert large.received == close_frame(codes.OVERLOADED)
    assert large.has_ended()
    assert small.received == b""
    assert scene.shared.backlog.size == 90
    large.send(frame(TEXT, b"more"))
    assert scene.stats.messages_in == 0
    scene.close()


@in_loop
async def test_a_part_of_a_body_is_counted_while_it_is_kept() -> None:
    scene = Scene()
    client, backlog = scene.connect(), scene.shared.backlog
    whole = request("POST", "/nothing", body=b"x" * 100)
    client.send(whole[:-60])
    assert backlog.size == 40
    client.send(whole[-60:])
    await turns()
    assert (backlog.size, len(backlog)) == (0, 0)
    assert client.received.startswith(b"HTTP/1.1 404 ")
    client.send(whole[:-1])
    assert backlog.size == 99
    client.vanish()
    await turns()
    assert (backlog.size, len(backlog)) == (0, 0)
    scene.close()


@in_loop
async def test_requests_that_wait_to_be_read_are_counted() -> None:
    scene = Scene()
    client, backlog = scene.connect(), scene.shared.backlog
    flood = request("GET", "/nothing") * 2000
    client.send(flood)
    assert 0 < backlog.size <= len(flood)
    await until(lambda: client.received.count(b"HTTP/1.1 404 ") == 2000)
    assert (backlog.size, len(backlog)) == (0, 0)
    scene.close()


@in_loop
async def test_who_has_most_requests_waiting_is_refused_behind_the_one_that_is_under_way() -> None:
    scene = Scene(max_buffered_bytes=100_000)
    client, flood = scene.connect(), request("GET", "/nothing") * 2000
    client.send(flood)
    scene.shared.backlog.limit = 1
    assert scene.shared.backlog.make_room() == 1
    await until(lambda: b"HTTP/1.1 503 " in client.received)
    assert client.received.count(b"HTTP/1.1 404 ") < 2000
    assert client.has_ended()
    scene.close()


@in_loop
async def test_of_requests_the_largest_is_refused_and_told_when_to_come_again() -> None:
    scene = Scene(max_buffered_bytes=150)
    clients = [scene.connect() for _ in range(3)]
    for size, client in zip((30, 90, 60), clients, strict=True):
        client.send(request("POST", "/nothing", body=b"x" * 100)[: size - 100])
    assert scene.shared.backlog.make_room() == 1
    assert [bool(client.received) for client in clients] == [False, True, False]
    assert clients[1].received.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in clients[1].received
    assert scene.errors["overloaded"] == 1
    clients[1].send(b"x" * 10)
    clients[0].send(b"x" * 70)
    await turns()
    assert clients[0].received.startswith(b"HTTP/1.1 404 ")
    assert len(scene.shared.backlog) == 1
    scene.close()


@in_loop
async def test_what_comes_behind_the_request_for_a_stream_is_not_counted_for_ever() -> None:
    scene = FallbackScene()
    stream = scene.connect()
    begun = request("POST", "/nothing", body=b"x" * 100)[:-60]
    await stream.say(request("POST", f"{Page(scene).base}/xhr_streaming?protocol=7", body=b"") + begun, 3)
    assert scene.stats.connections == 1
    assert (scene.shared.backlog.size, len(scene.shared.backlog)) == (0, 0)
    scene.close()


@in_loop
async def test_a_request_that_is_under_way_is_answered_before_what_follows_it_is_refused() -> None:
    scene = Scene()
    client = scene.connect()
    unregister = request("DELETE", f"/api/{KEY}/unregister", SUPER_AUTH)
    client.send(unregister + request("POST", "/nothing", body=b"x" * 100)[:-60])
    scene.shared.backlog.limit = 1
    assert scene.shared.backlog.make_room() == 1
    assert client.received == b""
    await until(lambda: client.received.count(b"HTTP/1.1 ") == 2)
    assert client.received.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 503 " in client.received
    scene.close()


@in_loop
async def test_of_a_body_that_is_refused_nothing_is_kept() -> None:
    scene = Scene()
    client = scene.connect()
    head = request("POST", "/nothing", "Transfer-Encoding: chunked")
    client.send(head + b"64\r\n" + b"x" * 100 + b"\r\nno chunk\r\n")
    assert client.received.startswith(b"HTTP/1.1 400 ")
    assert (scene.shared.backlog.size, len(scene.shared.backlog)) == (0, 0)
    scene.close()


@in_loop
async def test_who_has_got_its_last_reply_is_told_nothing_more_and_the_others_go() -> None:
    scene = Scene()
    late = scene.connect()
    late.send(request("POST", "/nothing", body=b"x" * 100)[:-10])
    scene.pass_time(TIMEOUTS.body + 2)
    assert late.received.startswith(b"HTTP/1.1 408 ")
    other = scene.connect()
    other.send(request("POST", "/nothing", body=b"x" * 50)[:-10])
    scene.shared.backlog.limit = 1
    assert scene.shared.backlog.make_room() == 2
    assert late.received.count(b"HTTP/1.1 ") == 1
    assert other.received.startswith(b"HTTP/1.1 503 ")
    assert (scene.shared.backlog.size, len(scene.shared.backlog)) == (0, 0)
    scene.close()


@in_loop
async def test_what_a_poll_has_just_been_told_is_said_before_what_follows_it_is_refused() -> None:
    scene = FallbackScene()
    page, loop = Page(scene), asyncio.get_running_loop()
    client = await page.poll()
    await page.subscribe()
    await page.poll(client)
    await page.poll(client)
    await client.say(request("POST", "/nothing", body=b"x" * 100)[:-60])
    assert isinstance(client.protocol, HttpConnection)
    told = client.protocol._poll
    assert told is not None

    def make_room_once_told() -> None:
        """Between the two turns in which a poll is told something and answered."""
        if told.done():
            assert scene.shared.backlog.make_room() == 1
        else:
            loop.call_soon(make_room_once_told)

    scene.shared.backlog.limit = 1
    scene.publish(["hello"])
    make_room_once_told()
    await turns(5)
    answer, refusal = read(client.received)
    assert (answer.status, answer.values, refusal.status) == (200, ["hello"], 503)
    scene.close()


@in_loop
async def test_one_that_cannot_be_refused_is_cut_and_the_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    scene = Scene(max_buffered_bytes=1)
    body, socket, other = scene.connect(), scene.client("A:1"), scene.connect()
    body.send(request("POST", "/nothing", body=b"x" * 300)[:-10])
    socket.send(frame(TEXT, b"x" * 200)[:-10])
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(HttpExchanges, "_refuse", fail)
        patch.setattr(WebSocketPeer, "_fail", fail)
        assert scene.shared.backlog.make_room() == 2
    assert [entry["event"] for entry in logs] == ["connection_failed"] * 2
    assert (body.is_cut(), socket.is_cut(), other.is_closing()) == (True, True, False)
    assert (scene.shared.backlog.size, len(scene.shared.backlog)) == (0, 0)
    scene.close()
