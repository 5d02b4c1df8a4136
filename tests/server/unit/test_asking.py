"""A handshake that waits for an app's word: what the client does meanwhile, and what may happen to the server."""

import msgspec
import pytest

from pushery.core.appsettings import AppSettings
from tests.node.fakes import in_loop, turns, until
from tests.server.unit.memory import KEY, TEXT, MemoryTransport, Scene, frame, handshake, push_request, request

HOOK = "https://backend.example/connect"


def a_scene() -> Scene:
    """A server with an app whose backend is asked."""
    scene = Scene()
    directory = scene.node.registry.directory
    directory.put(msgspec.structs.replace(directory.apps[KEY], settings=AppSettings(connect_hook=HOOK)))
    return scene


async def asking(scene: Scene, *headers: str) -> MemoryTransport:
    """A client who waits for the answer."""
    client = scene.connect()
    await client.say(handshake("A:1?token=T", *headers))
    return client


@in_loop
async def test_a_client_is_let_in_when_the_app_says_so_and_gets_what_is_pushed_from_then_on() -> None:
    scene = a_scene()
    client = await asking(scene)
    assert scene.hooks.asked == [(KEY, HOOK, "T", "A:1")]
    assert (client.received, scene.stats.connections) == (b"", 0)
    scene.hooks.answers[0].set_result(True)
    await turns(4)
    assert client.received.startswith(b"HTTP/1.1 101 ")
    assert list(scene.node.hub.crowd(KEY).tags.names()) == ["A:1"]
    backend = scene.connect()
    await backend.say(push_request("hello"), 4)
    assert client.received.endswith(b"hello")
    scene.close()


@in_loop
async def test_a_client_is_refused_without_a_reason_when_the_app_does_not() -> None:
    scene = a_scene()
    client = await asking(scene)
    scene.hooks.answers[0].set_result(False)
    await turns(4)
    assert client.received.startswith(b"HTTP/1.1 403 ")
    assert client.received.endswith(b'{"error":{"code":"not_admitted","message":"The app does not let you in."}}')
    assert client.has_ended()
    assert scene.errors["not_admitted"] == 1
    scene.close()


@in_loop
async def test_others_are_answered_meanwhile() -> None:
    scene = a_scene()
    waiting = [await asking(scene) for _ in range(50)]
    backend = scene.connect()
    await backend.say(push_request("hello"), 4)
    assert b'"total":"0"' in backend.received
    for answer in scene.hooks.answers:
        answer.set_result(True)
    await turns(4)
    assert all(client.received.startswith(b"HTTP/1.1 101 ") for client in waiting)
    scene.close()


@pytest.mark.parametrize("by", ["network", "end"])
def test_nobody_goes_on_asking_for_a_client_that_has_gone(by: str) -> None:
    @in_loop
    async def story() -> None:
        scene = a_scene()
        client = await asking(scene)
        client.vanish() if by == "network" else client.send_eof()
        await turns(4)
        assert scene.hooks.answers[0].cancelled()
        assert client.is_lost()
        assert (client.received, scene.stats.connections) == (b"", 0)
        assert len(scene.shared.wheel) == 0
        scene.close()

    story()


@in_loop
async def test_a_client_that_goes_just_as_the_answer_comes_is_not_counted_in() -> None:
    scene = a_scene()
    client = await asking(scene)
    scene.hooks.answers[0].set_result(True)
    client.vanish()
    await turns(4)
    assert (client.received, scene.stats.connections, len(scene.shared.wheel)) == (b"", 0, 0)
    scene.close()


@in_loop
async def test_frames_that_come_before_the_answer_are_read_behind_it() -> None:
    scene = a_scene()
    client = scene.connect()
    await client.say(handshake("A:1?token=T") + frame(TEXT, b"one"))
    await client.say(frame(TEXT, b"two"))
    assert scene.stats.messages_in == 0
    scene.hooks.answers[0].set_result(True)
    await turns(4)
    assert scene.stats.messages_in == 2
    await client.say(frame(TEXT, b"three"))
    assert scene.stats.messages_in == 3
    scene.close()


@in_loop
async def test_a_client_that_sends_much_before_the_answer_is_not_read_from_until_then() -> None:
    scene = a_scene()
    client = await asking(scene)
    piece = b"".join(frame(TEXT, b"x" * 100) for _ in range(100))
    for _ in range(5):
        await client.say(piece)
    assert not client.is_reading()
    scene.hooks.answers[0].set_result(True)
    await turns(30)
    assert scene.stats.messages_in == 500
    scene.close()


@in_loop
@pytest.mark.parametrize("count", [0, 200])
async def test_what_is_kept_behind_a_body_that_came_in_parts_and_a_handshake_counts_alone(count: int) -> None:
    scene = a_scene()
    client, frames = scene.connect(), frame(TEXT, b"x" * 100) * count
    before = request("POST", "/nothing", body=b"x" * 100)
    client.send(before[:-10])
    await client.say(before[-10:] + handshake("A:1?token=T") + frames)
    assert scene.shared.backlog.size == len(frames)
    scene.hooks.answers[0].set_result(True)
    await until(lambda: scene.stats.connections == 1 and scene.stats.messages_in == count)
    assert (scene.shared.backlog.size, len(scene.shared.backlog)) == (0, 0)
    scene.close()


@in_loop
async def test_what_is_kept_of_clients_counts_and_whoever_holds_most_goes_when_it_is_too_much() -> None:
    scene = a_scene()
    client = scene.connect()
    early = frame(TEXT, b"x" * 100)
    await client.say(handshake("A:1?token=T") + early)
    assert scene.shared.backlog.size == len(early)
    await client.say(early)
    assert scene.shared.backlog.size == 2 * len(early)
    scene.shared.backlog.limit = 0
    assert scene.shared.backlog.make_room() == 1
    await turns(4)
    assert client.received.startswith(b"HTTP/1.1 503 ")
    assert client.received.count(b"HTTP/1.1") == 1
    assert scene.hooks.answers[0].cancelled()
    scene.shared.backlog.limit = 1 << 20
    second = scene.connect()
    await second.say(handshake("A:1?token=T") + early)
    scene.hooks.answers[1].set_result(True)
    await turns(4)
    assert (scene.shared.backlog.size, scene.stats.messages_in) == (0, 1)
    scene.close()


@in_loop
async def test_a_server_that_stops_does_not_wait_for_the_answer() -> None:
    scene = a_scene()
    client = await asking(scene)
    scene.shared.draining = True
    assert not scene.shared.exchanges
    for connection in list(scene.shared.wheel):
        connection.drain()
    await turns(4)
    assert client.received.startswith(b"HTTP/1.1 503 ")
    assert scene.hooks.answers[0].cancelled()
    scene.close()


@in_loop
async def test_an_app_that_was_unregistered_meanwhile_lets_nobody_in() -> None:
    scene = a_scene()
    client = await asking(scene)
    scene.node.registry.directory.drop(KEY)
    scene.hooks.answers[0].set_result(True)
    await turns(4)
    assert client.received.startswith(b"HTTP/1.1 404 ")
    scene.close()


@in_loop
async def test_a_defect_of_the_asking_is_ours_and_answered() -> None:
    scene = a_scene()
    client = await asking(scene)
    scene.hooks.answers[0].set_exception(RuntimeError("a defect"))
    await turns(4)
    assert client.received.startswith(b"HTTP/1.1 500 ")
    scene.close()


@in_loop
async def test_a_handshake_that_is_not_in_order_asks_nobody() -> None:
    scene = a_scene()
    client = scene.connect()
    await client.say(handshake("A:1?token=T").replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"), 4)
    assert client.received.startswith(b"HTTP/1.1 400 ")
    scene.shared.draining = True
    late = await asking(scene)
    assert late.received.startswith(b"HTTP/1.1 503 ")
    assert scene.hooks.asked == []
    scene.close()
