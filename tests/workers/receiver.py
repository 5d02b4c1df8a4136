"""A backend that takes webhooks: a real HTTP server in a thread of its own, which answers as a test tells it."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

Answer = Callable[["Request"], Awaitable[int]]


@dataclass(frozen=True)
class Request:
    """One request as it came; `at` is a monotonic time in seconds."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    connection: int

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that it tells."""
        events: list[dict[str, Any]] = self.json["events"]
        return events


class Receiver:
    """Answers 200, unless `answers` says otherwise for a path. Sees every request before it is answered."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.accepted: list[Request] = []
        self.answers: dict[str, Answer] = {}
        self.most_at_once = 0
        self.location = ""
        """Where redirects lead."""
        self.port = 0
        self._at_once = 0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End; in the thread of the receiver."""
        self._stopping.set()

    async def serve(self, started: Callable[[], None]) -> None:
        """Take requests until `stop`."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        started()
        await self._stopping.wait()
        await runner.cleanup()

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    def names(self, path: str | None = None) -> list[str]:
        """The names of all events that were accepted."""
        return [event["name"] for event in self.events(path)]

    def events(self, path: str | None = None) -> list[dict[str, Any]]:
        """All events that were accepted, in order."""
        return [event for request in list(self.accepted) if path in (None, request.path) for event in request.events]

    def status(self, path: str, status: int) -> None:
        """Answer so from now on."""

        async def answer(_: Request) -> int:
            return status

        self.answers[path] = answer

    def hang(self, path: str) -> None:
        """Never answer from now on."""

        async def answer(_: Request) -> int:
            await self._stopping.wait()
            return 500

        self.answers[path] = answer

    async def handle(self, incoming: web.Request) -> web.Response:
        """Take a request."""
        body = await incoming.read()
        connection = id(incoming.transport)
        request = Request(incoming.path, dict(incoming.headers), body, time.monotonic(), connection)
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            answer = self.answers.get(request.path)
            status = 200 if answer is None else await answer(request)
        finally:
            self._at_once -= 1
        if 200 <= status < 300:
            self.accepted.append(request)
        headers = {"Location": self.location} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers, text="x" * 10)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs."""
    receiver = Receiver()
    started = threading.Event()
    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_until_complete(receiver.serve(started.set))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(receiver.stop)
        thread.join(10)
