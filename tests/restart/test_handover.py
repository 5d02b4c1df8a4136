"""Listening sockets go from one server to the next, through a directory that only its user may enter."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pushery.app.activation import Sockets
from pushery.app.handover import KIND, Offer, ask
from pushery.bus.meeting import Meeting, meeting_path
from tests.node.fakes import in_loop


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[Meeting]:
    with closing(Meeting(meeting_path(str(tmp_path / "apps.sqlite")))) as made:
        yield made


def some_sockets(front: int, back: int) -> Sockets:
    sockets = Sockets()
    sockets.front = [socket.create_server(("127.0.0.1", 0)) for _ in range(front)]
    sockets.back = [socket.create_server(("127.0.0.1", 0)) for _ in range(back)]
    return sockets


def ports(sockets: Sockets) -> list[list[int]]:
    return [[one.getsockname()[1] for one in side] for side in (sockets.front, sockets.back)]


@in_loop
async def test_who_asks_gets_all_of_them_as_often_as_asked_and_what_waits_in_them_stays(meeting: Meeting) -> None:
    sockets = some_sockets(2, 1)
    expected = ports(sockets)
    offer = Offer(meeting, "old", sockets)
    with closing(socket.create_connection(("127.0.0.1", expected[0][0]), 10)) as waiting:
        for _ in range(2):
            received = await asyncio.to_thread(ask, meeting)
            assert ports(received) == expected
            received.close()
        received = await asyncio.to_thread(ask, meeting)
        offer.close()
        sockets.close()
        accepted, address = received.front[0].accept()
        assert address == waiting.getsockname()
        accepted.close()
        received.close()
    assert meeting.names(KIND) == []


@in_loop
async def test_after_it_is_withdrawn_nobody_gets_any(meeting: Meeting) -> None:
    sockets = some_sockets(1, 0)
    Offer(meeting, "old", sockets).close()
    assert not await asyncio.to_thread(ask, meeting)
    sockets.close()


@pytest.mark.parametrize("answer", [b"", b"nonsense", b'{"front":1,"back":0}'])
def test_a_server_that_answers_nonsense_is_passed_over(meeting: Meeting, answer: bytes) -> None:
    with closing(meeting.listen("odd", KIND)) as listening:
        listening.setblocking(True)
        loop = asyncio.new_event_loop()

        async def asked() -> Sockets:
            asking = asyncio.ensure_future(asyncio.to_thread(ask, meeting))
            asker, _ = await asyncio.to_thread(listening.accept)
            with asker:
                asker.sendall(answer)
            return await asking

        assert not loop.run_until_complete(asked())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_without_another_server_there_is_nothing(meeting: Meeting) -> None:
    assert not ask(meeting)
