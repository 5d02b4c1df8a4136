"""How a server stops, on transports in memory."""

import asyncio
import itertools
from collections.abc import Callable

from structlog.testing import capture_logs

from pushery.core import codes
from pushery.server.server import Server, new_wheel
from pushery.server.shared import TICK_S
from pushery.wire.websocket import close_frame
from tests.node.fakes import in_loop, turns, until
from tests.server.unit.memory import CLOSE, KEY, SUPER_AUTH, MemoryTransport, Scene, frame, request

RESTART = close_frame(codes.RESTART)


def stopping(scene: Scene, monotonic: Callable[[], float]) -> "asyncio.Future[None]":
    """A stop with ten seconds' grace."""
    return asyncio.ensure_future(Server(scene.shared, scene.world.clock.wall_ms, monotonic, 1024).stop(10))


def still() -> float:
    """A clock that stands."""
    return 0.0


@in_loop
async def test_clients_that_answer_the_goodbye_end_the_stop_at_once() -> None:
    scene = Scene(fanout_slice=2)
    clients = [scene.client(f"A:{number}") for number in range(5)]
    idle = scene.connect()
    stop = stopping(scene, still)
    await until(lambda: all(client.received for client in clients))
    assert [client.received for client in clients] == [RESTART] * 5
    assert idle.is_closing()
    assert not stop.done()
    for client in clients:
        client.send(frame(CLOSE, b"\x03\xf4"))
    await stop
    assert not any(client.is_cut() for client in clients)
    assert scene.stats.connections == 0
    scene.close()


@in_loop
async def test_clients_that_do_not_answer_are_cut_at_the_deadline() -> None:
    scene = Scene()
    deaf: list[MemoryTransport] = [scene.client("A:1"), scene.client("A:2")]
    seconds = itertools.count()
    with capture_logs() as logs:
        await stopping(scene, lambda: float(next(seconds)))
    assert [client.received for client in deaf] == [RESTART] * 2
    assert all(client.is_cut() for client in deaf)
    assert [(entry["event"], entry["count"]) for entry in logs] == [("connections_cut", 2)]
    await turns()
    scene.close()


@in_loop
async def test_what_is_being_worked_on_is_finished_first() -> None:
    scene = Scene()
    backend, client = scene.connect(), scene.client("A:1")
    backend.send(request("DELETE", f"/api/{KEY}/unregister", SUPER_AUTH))
    stop = stopping(scene, still)
    await until(lambda: backend.received)
    assert b'\r\n\r\n{"message":"Scuess"}' in backend.received
    assert b"\r\nConnection: close\r\n" in backend.received
    backend.send_eof()
    await until(lambda: client.received)
    assert client.received == close_frame(codes.APP_UNREGISTERED)
    client.send(frame(CLOSE, b"\x0f\xa1"))
    await stop
    scene.close()


def test_the_wheel_begins_at_the_present_and_ticks_as_the_server_turns_it() -> None:
    assert new_wheel(lambda: 1234.5).now == 1234.5
    assert TICK_S == 0.5
