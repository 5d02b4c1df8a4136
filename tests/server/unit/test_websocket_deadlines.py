"""Deadlines on a WebSocket in memory: who is cut for not closing, and who for not answering a ping."""

from pushery.core import codes
from pushery.wire.websocket import close_frame, split_frames
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import PONG, SLACK, TEXT, Scene, frame
from tests.server.unit.sockets import ANSWER, END, IDLE, PING_FRAME, close_of, goodbye, push, says


@in_loop
async def test_a_client_that_does_not_answer_our_close_is_cut() -> None:
    scene = Scene()
    client = scene.client()
    goodbye(client.protocol)
    scene.pass_time(END - 1)
    assert not client.is_cut()
    scene.pass_time(END + SLACK)
    assert client.is_cut()
    scene.close()


@in_loop
async def test_over_tls_a_broken_client_is_cut_when_it_does_not_close() -> None:
    scene = Scene()
    client = scene.client()
    client.half_closes = False
    client.send(frame(0x3))
    assert close_of(client.received)[0] == codes.PROTOCOL_ERROR.code
    scene.pass_time(END + SLACK)
    assert client.is_cut()
    scene.close()


@in_loop
async def test_an_idle_client_is_pinged_and_stays_while_it_answers() -> None:
    scene = Scene()
    client = scene.client()
    now = 0.0
    for _ in range(3):
        client.received = b""
        scene.pass_time(now + IDLE - 1)
        assert client.received == b""
        scene.pass_time(now + IDLE + SLACK)
        assert client.received == PING_FRAME
        client.send(frame(PONG))
        now += IDLE + SLACK
        scene.pass_time(now + ANSWER + SLACK)
        assert client.received == PING_FRAME
    assert push(scene, "x") == 1
    scene.close()


@in_loop
async def test_a_client_that_answers_no_ping_loses_its_place_at_once_and_then_the_connection() -> None:
    scene = Scene()
    client = scene.client()
    scene.pass_time(IDLE + 1)
    scene.pass_time(IDLE + 1 + ANSWER + SLACK)
    assert client.received.startswith(PING_FRAME)
    assert close_of(client.received.removeprefix(PING_FRAME)) == says(codes.NO_PONG)
    assert push(scene, "x") == 0
    assert scene.errors == {f"close_{codes.NO_PONG.code}": 1}
    assert not client.is_cut()
    scene.pass_time(IDLE + ANSWER + END + 3 * SLACK)
    assert client.is_cut()
    await turns()
    assert scene.stats.connections == 0
    scene.close()


@in_loop
async def test_a_client_that_talks_is_not_pinged() -> None:
    scene = Scene()
    client = scene.client()
    for now in range(10, 300, 10):
        scene.pass_time(float(now))
        client.send(frame(TEXT, b"I am here"))
    assert client.received == b""
    scene.pass_time(290 + IDLE + SLACK)
    assert client.received == PING_FRAME
    scene.close()


@in_loop
async def test_anything_that_comes_after_a_ping_shows_that_the_client_is_there() -> None:
    scene = Scene()
    client = scene.client()
    scene.pass_time(IDLE + 1)
    client.send(frame(TEXT, b"no pong, but alive"))
    scene.pass_time(IDLE + ANSWER + SLACK)
    assert client.received == PING_FRAME
    assert push(scene, "x") == 1
    scene.close()


@in_loop
async def test_pushes_do_not_make_an_idle_client_look_alive() -> None:
    scene = Scene()
    client = scene.client()
    for now in range(1, 70):
        scene.pass_time(float(now))
        push(scene, "x")
        await turns()
    assert split_frames(client.received)[-1] == close_frame(codes.NO_PONG)
    scene.close()
