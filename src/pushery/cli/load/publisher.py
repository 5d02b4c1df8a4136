"""One backend's connection: a push, its answer, the next push."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import httptools

from pushery.cli.target import Target, why

_ANSWER_S: Final = 10.0


class PushFailed(Exception):
    """A push was not taken; says why in one line. `status` is 0 when no answer came."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status

    @property
    def is_final(self) -> bool:
        """Whether it would be refused again: not when the server is down, full or asked too often."""
        return 400 <= self.status < 500 and self.status != 429


class Publisher(asyncio.Protocol):
    """Speaks HTTP/1.1 with one request at a time, and connects anew when it has lost the connection."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._transport: asyncio.Transport | None = None
        """None while there is no connection."""
        self._answer: asyncio.Future[int] | None = None
        self._body = b""
        self._parser: Any = None

    async def connect(self) -> None:
        """See that there is a connection. Raises PushFailed."""
        if self._transport is not None:
            return
        target, loop = self._target, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await loop.create_connection(lambda: self, target.host, target.port, ssl=target.tls())
        except OSError as error:
            raise PushFailed(why(error)) from None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to be asked."""
        self._transport = cast(asyncio.Transport, transport)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """One request. Raises PushFailed unless it is answered 200."""
        if self._transport is None:
            raise PushFailed("the connection was lost")
        self._answer, self._body = asyncio.get_running_loop().create_future(), b""
        self._parser = httptools.HttpResponseParser(self)
        named = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: {self._target.authority}\r\n{named}Content-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        try:
            async with asyncio.timeout(_ANSWER_S):
                status = await self._answer
        except TimeoutError:
            self.close()
            raise PushFailed("no answer came in time") from None
        if status != 200:
            said = " ".join(self._body.decode("utf-8", "replace").split())
            raise PushFailed(f"status {status} {said}"[:300].rstrip(), status)

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        if self._answer is None or self._answer.done():
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._answer.set_exception(PushFailed(f"the answer is not HTTP: {error}"))

    def on_body(self, data: bytes) -> None:
        """Part of the answer's body."""
        self._body += data

    def on_message_complete(self) -> None:
        """The answer is there."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())

    def connection_lost(self, error: Exception | None) -> None:
        """No answer comes any more."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(PushFailed("the connection was lost"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()
