"""Resolves host names in threads that nobody waits for at the end.

A resolver that hangs holds up its own name only: each look-up has a thread of its own (the caller caches, and asks
once at a time for a name), and none of them keeps the process from ending, as those of a pool would.
"""

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver, ResolveResult

Found = list[tuple[Any, Any, int, str, tuple[Any, ...]]]


def threaded_resolver() -> "AbstractResolver":
    """A resolver for aiohttp that asks `getaddrinfo`."""
    from aiohttp.abc import AbstractResolver

    class ThreadedResolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> "list[ResolveResult]":
            return [_result(host, *found) for found in await _look_up(host, port, family)]

        async def close(self) -> None:
            """Nothing is kept open."""

    return ThreadedResolver()


def _result(host: str, family: Any, kind: Any, protocol: int, name: str, address: tuple[Any, ...]) -> "ResolveResult":
    return {
        "hostname": host,
        "host": str(address[0]),
        "port": int(address[1]),
        "family": family,
        "proto": protocol,
        "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    }


async def _look_up(host: str, port: int, family: socket.AddressFamily) -> Found:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Found] = loop.create_future()

    def tell(found: Found, error: Exception | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def ask() -> None:
        found: Found = []
        problem: Exception | None = None
        try:
            found = [*socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)]
        except UnicodeError:
            problem = OSError("no host has such a name")
        except OSError as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, found, problem)

    threading.Thread(target=ask, name="hooks-dns", daemon=True).start()
    return await answer
