"""How an HTTP connection on a transport in memory ends: by either side, by a deadline, when the server stops."""

from pushery.server.http import HttpConnection
from pushery.wire.http import HttpLimits
from tests.node.fakes import in_loop, turns, until
from tests.server.unit.memory import KEY, SLACK, TIMEOUTS, Scene, handshake, request
from tests.server.unit.replies import APPS, NOTHING, UNREGISTER, answered, code_of, replies, statuses

# The end of a connection.


@in_loop
async def test_a_connection_ends_when_the_client_asks_for_it_and_what_comes_behind_is_not_answered() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(NOTHING + request("GET", "/nothing", "Connection: close") + APPS)
    await client.say(APPS)
    assert statuses(client.received) == [404, 404]
    assert client.received.count(b"Connection: close") == 1
    assert client.has_ended()
    client.send_eof()
    await turns()
    assert client.is_lost()
    scene.close()


@in_loop
async def test_what_is_no_request_is_refused_behind_the_answers_to_what_was() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(APPS + b"nonsense\r\n\r\n" + APPS)
    (_, _), (status, body) = replies(client.received)
    assert (status, code_of(body)) == (400, "bad_request")
    assert client.has_ended()
    assert scene.errors == {"bad_request": 1}
    scene.close()


@in_loop
async def test_a_refused_client_may_go_on_sending_for_a_while_and_is_then_cut() -> None:
    scene = Scene(limits=HttpLimits(1024, 100))
    client = scene.connect()
    await client.say(request("POST", "/api/register", "Content-Length: 1000000"))
    [(status, body)] = replies(client.received)
    assert (status, code_of(body)) == (413, "body_too_large")
    await client.say(b"x" * 100_000)
    assert not client.is_cut()
    scene.pass_time(5)
    assert client.is_cut()
    await turns()
    scene.pass_time(1000)
    scene.close()


@in_loop
async def test_where_the_end_cannot_be_shown_a_refused_client_is_closed_at_once() -> None:
    scene = Scene()
    client = scene.connect()
    client.half_closes = False
    await client.say(b"nonsense\r\n\r\n")
    assert statuses(client.received) == [400]
    await turns()
    assert client.is_lost()
    scene.close()


@in_loop
async def test_a_client_that_ends_its_side_still_gets_its_answer() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(UNREGISTER + APPS)
    client.send_eof()
    assert client.received == b""
    await answered(scene)
    await turns(3)
    assert statuses(client.received) == [200, 200]
    assert client.is_lost()
    scene.close()


@in_loop
async def test_a_client_that_vanishes_while_its_request_is_worked_on_does_no_harm() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(UNREGISTER + APPS)
    client.vanish()
    await until(lambda: KEY not in scene.node.registry.apps)
    await turns(3)
    assert client.received == b""
    assert not scene.shared.exchanges
    scene.close()


@in_loop
async def test_while_the_server_stops_what_is_asked_is_answered_for_the_last_time() -> None:
    scene = Scene()
    busy, idle, half = scene.connect(), scene.connect(), scene.connect()
    await busy.say(UNREGISTER, 1)
    await idle.say(NOTHING, 1)
    await half.say(APPS[:20], 1)
    scene.shared.draining = True
    for client in (busy, idle, half):
        assert isinstance(client.protocol, HttpConnection)
        client.protocol.drain()
    assert idle.is_closing()
    assert not busy.is_closing()
    await answered(scene)
    await half.say(APPS[20:])
    for client in (busy, half):
        assert statuses(client.received) == [200]
        assert b"Connection: close" in client.received
        assert client.has_ended()
    scene.close()


@in_loop
async def test_while_the_server_stops_only_the_first_of_pipelined_requests_is_answered() -> None:
    scene = Scene()
    client = scene.connect()
    scene.shared.draining = True
    await client.say(NOTHING + APPS)
    assert statuses(client.received) == [404]
    assert client.has_ended()
    assert scene.stats.http_requests == 1
    scene.close()


@in_loop
async def test_no_websocket_is_opened_while_the_server_stops() -> None:
    scene = Scene()
    client = scene.connect()
    scene.shared.draining = True
    await client.say(handshake())
    [(status, body)] = replies(client.received)
    assert (status, code_of(body)) == (503, "stopping")
    assert scene.stats.connections == 0
    scene.close()


# Deadlines.


@in_loop
async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word() -> None:
    scene = Scene()
    client = scene.connect()
    scene.pass_time(TIMEOUTS.header - 1)
    assert not client.is_closing()
    scene.pass_time(TIMEOUTS.header + SLACK)
    assert client.is_closing()
    assert client.received == b""
    scene.close()


@in_loop
async def test_an_idle_connection_is_closed_after_a_while_and_kept_as_long_as_it_is_used() -> None:
    scene = Scene()
    client = scene.connect()
    for now in range(0, 300, 60):
        scene.pass_time(float(now))
        await client.say(NOTHING)
    scene.pass_time(240 + TIMEOUTS.keepalive - 1)
    assert not client.is_closing()
    scene.pass_time(240 + TIMEOUTS.keepalive + SLACK)
    assert client.is_closing()
    assert statuses(client.received) == [404] * 5
    scene.close()


@in_loop
async def test_a_request_that_is_worked_on_has_no_deadline() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(UNREGISTER)
    for now in range(0, 1000, 10):
        scene.pass_time(float(now))
    assert not client.is_closing()
    await answered(scene)
    assert statuses(client.received) == [200]
    scene.close()
