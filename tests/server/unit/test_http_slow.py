"""Clients that read or send slowly on an HTTP connection in memory: nothing piles up, and their time is bounded."""

import pytest
from structlog.testing import capture_logs

from pushery.core.exchange import Reply
from pushery.core.publications import Publication
from pushery.server.http import HttpConnection
from pushery.wire.websocket import payload_of, split_frames
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import KEY, SLACK, TIMEOUTS, Scene, handshake, push_request, request
from tests.server.unit.replies import APPS, NOTHING, code_of, fixed, replies, statuses

# Clients that do not read.


@in_loop
async def test_a_client_that_does_not_read_its_replies_is_not_served_further_until_it_does() -> None:
    scene = Scene()
    client = scene.connect(high=500)
    client.stalled = True
    for _ in range(3):
        await client.say(APPS * 30)
    served = scene.stats.http_requests
    assert served < 90
    assert not client.is_reading()
    await turns(5)
    assert scene.stats.http_requests == served
    while client.unread:
        client.read()
        await turns(3)
    assert statuses(client.received) == [200] * 90
    assert client.is_reading()
    scene.close()


@in_loop
async def test_a_client_that_cannot_be_served_when_it_reads_on_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    scene = Scene()
    client = scene.connect(high=500)
    client.stalled = True
    await client.say(APPS * 90)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(HttpConnection, "_begin", fail)
        client.read()
    assert [entry["event"] for entry in logs] == ["connection_failed"]
    assert client.is_cut()
    scene.close()


@in_loop
async def test_large_replies_do_not_pile_up_for_a_client_that_does_not_read() -> None:
    scene = fixed(Reply(200, b"x" * 20_000))
    client = scene.connect()
    client.stalled = True
    await client.say(request("GET", "/x") * 100)
    await turns(20)
    assert len(client.unread) < client.high + 3 * 20_000
    while client.unread:
        client.read()
        await turns(3)
    assert statuses(client.received) == [200] * 100
    scene.close()


@in_loop
async def test_a_last_reply_goes_out_whole_to_a_client_that_reads_slowly_but_does() -> None:
    scene = Scene()
    client = scene.connect()
    client.stalled = True
    await client.say(APPS.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    for now in (4, 8, 12):
        client.read(10)
        scene.pass_time(now)
        assert not client.is_cut()
    scene.pass_time(16)
    assert client.is_cut()
    scene.close()


@in_loop
async def test_a_client_that_never_reads_is_cut() -> None:
    scene = Scene()
    client = scene.connect(high=500)
    client.stalled = True
    await client.say(APPS * 100)
    scene.pass_time(TIMEOUTS.keepalive + SLACK)
    assert client.is_cut()
    scene.close()


@in_loop
async def test_a_websocket_opened_behind_replies_that_nobody_reads_is_slow_from_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise its transport would take pushes without bound, having said only once that it is full."""
    for share in ("_LONGEST_TURN_S", "_ALL_TURNS_S"):  # all in one turn, however busy this machine is
        monkeypatch.setattr(f"pushery.server.exchanges.{share}", 60.0)
    scene = Scene(outbox_limit=10_000)
    client = scene.connect(high=500)
    client.stalled = True
    await client.say(APPS * 20 + handshake())
    waiting = len(client.unread)
    sent = [f"{number:0100}" for number in range(50)]
    for text in sent:
        scene.node.publish(Publication(KEY, text.encode()))
        await turns()
    assert len(client.unread) == waiting
    while client.unread:
        client.read()
        await turns(2)
    head, _, frames = client.received.partition(b"HTTP/1.1 101 ")[2].partition(b"\r\n\r\n")
    assert b"Sec-WebSocket-Accept" in head
    assert [bytes(payload_of(frame)).decode() for frame in split_frames(frames)] == sent
    assert client.is_reading()
    scene.close()


# Clients that send slowly.


@in_loop
async def test_a_head_that_takes_too_long_is_refused() -> None:
    scene = Scene()
    client = scene.connect()
    for now, byte in enumerate(NOTHING[:9]):
        scene.pass_time(float(now))
        await client.say(bytes((byte,)))
    assert client.received == b""
    scene.pass_time(TIMEOUTS.header + SLACK)
    [(status, body)] = replies(client.received)
    assert (status, code_of(body)) == (408, "request_timeout")
    assert client.has_ended()
    scene.close()


@in_loop
async def test_a_body_that_takes_too_long_is_refused_however_slowly_it_drips() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(push_request("x" * 100)[:-90])
    for now in range(1, 30):
        scene.pass_time(float(now))
        await client.say(b"x")
        assert client.received == b""
    scene.pass_time(TIMEOUTS.body + SLACK)
    assert statuses(client.received) == [408]
    scene.close()


@in_loop
async def test_a_slow_head_behind_other_requests_has_its_own_time() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(NOTHING)
    scene.pass_time(50)
    await client.say(NOTHING[:10])
    scene.pass_time(50 + TIMEOUTS.header - 1)
    await client.say(NOTHING[10:])
    assert statuses(client.received) == [404, 404]
    scene.pass_time(50 + TIMEOUTS.header + SLACK)
    assert not client.is_closing()
    scene.close()
