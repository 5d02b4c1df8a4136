"""A backend that says who may connect: a real HTTP server in a thread of its own, good and bad."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs

from aiohttp import web


class Gatekeeper:
    """Says at `/say` that `token` belongs to the tag that is its text behind "for "; at other paths other things."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.kinds: list[str] = []
        self.at_once: dict[str, int] = {}
        self.most_at_once: dict[str, int] = {}
        self.sent = 0
        """Bytes of the endless answer."""
        self.answer = b""
        """What is answered at `/exactly`."""
        self.status = 200
        self.location = ""
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.open = asyncio.Event()
        """Lets go on what waits at `/wait`."""
        self._stopping = asyncio.Event()

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    def release(self) -> None:
        """Answer at `/wait` from now on."""
        self.loop.call_soon_threadsafe(self.open.set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take a request."""
        path, body = request.path, await request.read()
        self.bodies.append(body)
        self.kinds.append(request.headers.get("Content-Type", ""))
        self.at_once[path] = self.at_once.get(path, 0) + 1
        self.most_at_once[path] = max(self.most_at_once.get(path, 0), self.at_once[path])
        try:
            return await self._answer(path, body, request)
        finally:
            self.at_once[path] -= 1

    async def _answer(self, path: str, body: bytes, request: web.Request) -> web.StreamResponse:
        if path == "/hang":
            await self._stopping.wait()
        if path == "/wait":
            await self.open.wait()
        if path == "/redirect":
            return web.Response(status=307, headers={"Location": self.location})
        if path == "/endless":
            return await self._endless(request)
        if path == "/exactly":
            return web.Response(status=self.status, body=self.answer)
        [token] = parse_qs(body.decode())["token"]
        return web.Response(text=token.removeprefix("for ") + "\n")

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while self.sent < 1 << 30:
                await response.write(b"x" * 65536)
                self.sent += 65536
        return response

    def run(self, started: threading.Event) -> None:
        """Be a server until `stop`."""

        async def serve() -> None:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self.handle)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
            await site.start()
            self.port = runner.addresses[0][1]
            started.set()
            await self._stopping.wait()
            await runner.cleanup()

        self.loop.run_until_complete(serve())
        self.loop.close()

    def stop(self) -> None:
        """End."""
        self.loop.call_soon_threadsafe(self._stopping.set)


@contextlib.contextmanager
def a_gatekeeper() -> Iterator[Gatekeeper]:
    """One that runs."""
    keeper, started = Gatekeeper(), threading.Event()
    thread = threading.Thread(target=keeper.run, args=(started,), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield keeper
    finally:
        keeper.stop()
        thread.join(10)
