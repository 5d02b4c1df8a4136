"""A socket whose ASGI server is played by the test: what waits while that server does not take it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pushery.app import Host
from pushery.app.embedded import Server
from pushery.asgi.scopes import Message
from pushery.asgi.sockets import AsgiPeer
from pushery.core import codes
from pushery.core.codes import Close
from pushery.core.exchange import Request
from pushery.dialects.gopusher.session import GoPusherSession

PIECE = 20_000


class Web:
    """An ASGI server with one client, who takes messages while `open` is set."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.open = asyncio.Event()
        self.broken = False
        self.picky = False
        """Whether it takes no close codes but 1000 and those of applications, as Daphne does."""
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.task: asyncio.Future[None] | None = None
        """In which it serves the client; there once it does."""

    async def send(self, message: Message) -> None:
        await self.open.wait()
        if self.broken:
            raise OSError("the client has gone")
        if self.picky and message["type"] == "websocket.close" and 1000 < message["code"] < 3000:
            raise ValueError("invalid close code")
        self.said.append(message)

    def texts(self) -> list[str]:
        """What the client has got."""
        return [message["text"] for message in self.said if message["type"] == "websocket.send"]


def play(
    directory: Path,
    body: Callable[[Server, str, AsgiPeer, Web], Awaitable[None]],
    kind: type[GoPusherSession] = GoPusherSession,
    **settings: Any,
) -> None:
    """Run `body` beside a socket that has just been let in."""

    async def host() -> None:
        here = Host(owns_process=False, listens=False)
        async with Server(host=here, sqldir=str(directory / "apps.sqlite"), **settings) as server:
            app = await server.register_app("shop")
            web, shared = Web(), server.front.shared
            session = kind(app.key, "a", 512)
            peer = AsgiPeer(shared, session, Request("GET", "/", "", {}, b"", peer="192.0.2.1:5"), "")
            running = web.task = asyncio.ensure_future(peer.run(web.heard.get, web.send))
            await asyncio.sleep(0)
            await body(server, app.key, peer, web)
            web.heard.put_nowait({"type": "websocket.disconnect", "code": 1005})
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(running, 10)
            assert (shared.stats.connections, len(shared.wheel), shared.backlog.size) == (0, 0, 0)

    asyncio.run(host())


class Broken(GoPusherSession):
    """A session with a defect."""

    def received(self, message: str | bytes) -> tuple[()]:
        raise ZeroDivisionError


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until this is so."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("waited in vain")


def test_what_waits_is_sent_in_order_however_many_pieces_it_is(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        texts = [str(number) * PIECE for number in range(10)]
        for text in texts:
            assert await server.push(app, text) == 1
            await turns()
        assert peer.waiting > 9 * PIECE
        assert peer.address == "192.0.2.1:5"
        web.open.set()
        await until(lambda: len(web.texts()) == len(texts))
        assert web.texts() == texts
        assert web.said[0] == {"type": "websocket.accept"}
        assert peer.waiting == 0

    play(tmp_path, body)


def test_no_more_waits_than_the_limit_and_the_last_word_is_4101(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        pushed = 0
        while await server.push(app, "x" * PIECE):
            pushed += 1
            await turns()
            assert peer.waiting <= 4 * PIECE
        assert pushed == 4
        web.open.set()
        await until(lambda: web.said[-1]["type"] == "websocket.close" if web.said else False)
        assert web.said[-1]["code"] == codes.SLOW_CLIENT.code
        assert server.front.shared.stats.slow_clients == 1

    play(tmp_path, body, outbox_limit=4 * PIECE)


def test_when_too_much_waits_for_all_together_the_slowest_has_to_go(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        server.front.shared.backlog.limit = 2 * PIECE
        while await server.push(app, "x" * PIECE):
            await turns()
        assert server.front.shared.backlog.size < PIECE

    play(tmp_path, body)


def test_a_web_server_that_fails_to_send_ends_the_socket(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        web.open.set()
        await turns()
        web.broken = True
        assert await server.push(app, "hello") == 1
        await until(lambda: server.front.shared.stats.connections == 0)
        assert await server.push(app, "hello") == 0

    play(tmp_path, body)


def test_nothing_comes_after_the_close(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        web.open.set()
        assert await server.push(app, "before") == 1
        peer.close(codes.RESTART)
        peer.close(codes.NORMAL)
        peer.send(b"nothing more")
        assert await server.push(app, "after") == 0
        await turns()
        assert web.texts() == ["before"]
        assert web.said[-1] == {"type": "websocket.close", "code": 1012, "reason": codes.RESTART.reason}

    play(tmp_path, body)


@pytest.mark.parametrize(
    ("close", "told"),
    [
        (codes.RESTART, codes.RESTARTING),
        (codes.INTERNAL_ERROR, codes.RESTARTING),
        (codes.TOO_BIG, codes.MALFORMED),
        (codes.NOT_TEXT, codes.MALFORMED),
        (codes.NORMAL, codes.NORMAL),
        (codes.SLOW_CLIENT, codes.SLOW_CLIENT),
    ],
    ids=lambda close: str(close.code),
)
def test_a_web_server_that_refuses_a_close_code_is_told_one_that_means_the_same(
    tmp_path: Path, close: Close, told: Close
) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        web.open.set()
        web.picky = True
        peer.close(close)
        await turns()
        assert (web.said[-1]["type"], web.said[-1]["code"]) == ("websocket.close", told.code)

    play(tmp_path, body)


def test_a_client_is_told_when_the_web_server_stops_without_saying_so(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        web.open.set()
        assert await server.push(app, "before") == 1
        assert web.task is not None
        web.task.cancel()
        await until(web.task.done)
        assert web.task.cancelled()
        assert web.texts() == ["before"]
        assert (web.said[-1]["type"], web.said[-1]["code"]) == ("websocket.close", codes.RESTART.code)

    play(tmp_path, body)


def test_a_client_that_takes_nothing_does_not_hold_up_a_web_server_that_stops(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        await turns()
        assert web.task is not None
        web.task.cancel()
        await asyncio.wait((web.task,), timeout=10)
        assert web.task.cancelled()
        assert web.said == []

    play(tmp_path, body)


def test_a_session_with_a_defect_costs_its_own_socket_only(tmp_path: Path) -> None:
    async def body(server: Server, app: str, peer: AsgiPeer, web: Web) -> None:
        web.open.set()
        web.heard.put_nowait({"type": "websocket.receive", "text": "hello"})
        await turns()
        assert web.said[-1]["code"] == codes.INTERNAL_ERROR.code
        assert await server.push(app, "still there?") == 0

    play(tmp_path, body, Broken)
