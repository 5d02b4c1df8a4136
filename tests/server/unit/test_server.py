"""How a server stops, on transports in memory."""

import asyncio
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.core.wheel import Wheel
from pushery.server.server import Server, drain_pace, new_wheel
from pushery.server.shared import TICK_S
from pushery.wire.websocket import PING, PONG, close_frame, encode_frame
from tests.node.fakes import in_loop, turns, until
from tests.server.unit.memory import CLOSE, KEY, SUPER_AUTH, MemoryTransport, Scene, frame, request

RESTART = close_frame(codes.RESTART)


def stopping(scene: Scene, monotonic: Callable[[], float], drain_rate: int = 0) -> "asyncio.Future[None]":
    """A stop with ten seconds' grace."""
    return asyncio.ensure_future(Server(scene.shared, scene.world.clock.wall_ms, monotonic).stop(10, drain_rate))


class Dial:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now


@in_loop
async def test_clients_that_answer_the_goodbye_end_the_stop_at_once() -> None:
    scene = Scene(fanout_slice=2)
    clients = [scene.client(f"A:{number}") for number in range(5)]
    idle = scene.connect()
    dial = Dial()
    stop = stopping(scene, dial)
    await until(lambda: all(client.received for client in clients))
    assert [client.received for client in clients] == [RESTART] * 5
    assert not idle.is_closing()
    dial.now = 1.0
    await until(idle.is_closing)
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
    stop = stopping(scene, Dial())
    await until(lambda: backend.received)
    assert b'\r\n\r\n{"message":"Scuess"}' in backend.received
    assert b"\r\nConnection: close\r\n" in backend.received
    backend.send_eof()
    await until(lambda: client.received)
    assert client.received == close_frame(codes.APP_UNREGISTERED)
    client.send(frame(CLOSE, b"\x0f\xa1"))
    await stop
    scene.close()


@in_loop
async def test_sockets_are_closed_at_the_rate_and_go_on_as_before_until_their_turn() -> None:
    scene, dial = Scene(fanout_slice=2), Dial()
    clients = [scene.client(f"A:{number}") for number in range(8)]

    def closed() -> list[MemoryTransport]:
        return [client for client in clients if client.received == RESTART]

    stop = stopping(scene, dial, drain_rate=2)
    for second, count in ((0.0, 1), (0.6, 2), (1.1, 3)):
        dial.now, reads = second, dial.reads
        await until(lambda reads=reads: dial.reads > reads + 5)  # type: ignore[misc]
        assert len(closed()) == count
    waiting = next(client for client in clients if not client.received)
    waiting.send(frame(PING, b"still there?"))
    assert waiting.received == encode_frame(PONG, b"still there?")
    dial.now = 100.0
    await until(lambda: all(client.received.endswith(RESTART) for client in clients))
    for client in clients:
        client.send(frame(CLOSE, b"\x03\xf4"))
    await stop
    scene.close()


@in_loop
async def test_who_asks_on_a_kept_connection_is_answered_and_told_to_go_as_long_as_sockets_are_open() -> None:
    scene, dial = Scene(), Dial()
    kept, clients = scene.connect(), [scene.client(f"A:{number}") for number in range(3)]
    stop = stopping(scene, dial, drain_rate=1)
    dial.now = 0.9
    await until(lambda: any(client.received for client in clients))
    kept.send(request("POST", f"/api/push/{KEY}?content=x", SUPER_AUTH))
    await until(lambda: kept.received)
    assert b"\r\nConnection: close\r\n" in kept.received
    assert b'"total":"2"' in kept.received
    dial.now = 11.0
    await stop
    await turns()
    scene.close()


@given(st.integers(0, 10_000_000), st.integers(0, 10_000_000), st.floats(-10, 3600))
def test_all_sockets_are_closed_in_time_and_not_more_slowly_than_asked(count: int, rate: int, time_s: float) -> None:
    pace = drain_pace(count, rate, time_s)
    if rate == 0 or time_s <= 0:
        assert pace == 0
    else:
        assert pace >= rate
        assert count / pace <= time_s * 0.75 * 1.000001 or count / pace <= (time_s - 1) * 1.000001
        assert pace in (rate, count / (time_s - min(1.0, time_s / 4)))


@in_loop
async def test_the_wheel_goes_on_behind_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    scene = Scene()
    client = scene.connect()
    server = Server(scene.shared, scene.world.clock.wall_ms, lambda: 1000.0)
    monkeypatch.setattr("pushery.server.server.TICK_S", 0.001)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(Wheel, "turn", fail)
        await server.listen([], scene.door, 1, None)
        await until(lambda: bool(logs))
    assert logs[0]["event"] == "unexpected_error"
    await until(client.is_lost)
    await server.stop(0)
    scene.close()


def test_the_wheel_begins_at_the_present_and_ticks_as_the_server_turns_it() -> None:
    assert new_wheel(lambda: 1234.5).now == 1234.5
    assert TICK_S == 0.5
