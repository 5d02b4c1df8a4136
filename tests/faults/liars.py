"""Webhook targets that do what no web server should: each is an address, and a way to misbehave."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Reads, and never answers."""
    await reader.read(-1)


async def closes_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the connection and lets go of it."""
    writer.transport.abort()


async def closes_after_the_request(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Reads the head, and says nothing."""
    await reader.readuntil(b"\r\n\r\n")


async def talks_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers something that is not HTTP."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\xffSMTP ready\r\n\r\n" * 10)
    await writer.drain()


async def never_ends_its_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Headers, for ever."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: more\r\n" * 1000)
        await writer.drain()


async def never_ends_its_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says 200, and then a body without end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(bytes(100_000))
        await writer.drain()


async def accepts_with_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says 200, and a body that is not what its headers say."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: 9\r\nConnection: close\r\n\r\n\xff\xfe{{{]]\x00\n"
    )
    await writer.drain()


REFUSING = (hangs, closes_at_once, closes_after_the_request, talks_nonsense, never_ends_its_head)
ACCEPTING = (never_ends_its_body, accepts_with_garbage)


@contextlib.contextmanager
def liars() -> Iterator[dict[str, str]]:
    """All of them at work, in a thread of their own: their URLs by name."""
    urls: dict[str, str] = {}
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def serving(behaviour: Behaviour) -> Behaviour:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await behaviour(reader, writer)
            writer.close()

        return serve

    async def run() -> None:
        servers = []
        for behaviour in (*REFUSING, *ACCEPTING):
            server = await asyncio.start_server(serving(behaviour), "127.0.0.1", 0)
            urls[behaviour.__name__] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            servers.append(server)
        started.set()
        await stop.wait()
        for server in servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield urls
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
