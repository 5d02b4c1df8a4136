"""The apps' backends: keep-alive connections that publish, pipelined, and sign as Pusher's libraries do."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode

from soak.transports import Address
from soak.wire import ReplyReader, WireError


class BackendError(Exception):
    """A connection of a backend has failed, which none may."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Line(asyncio.Protocol):
    """One connection. Requests may be sent before earlier ones are answered; answers come in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reader = ReplyReader()
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._transport: asyncio.Transport | None = None

    async def connect(self, address: Address) -> None:
        """Raises OSError."""
        await asyncio.get_running_loop().create_connection(lambda: self, address.host, address.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand out answers."""
        try:
            for status, body, _ in self._reader.feed(data):
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(Answer(status, body))
        except (WireError, IndexError) as error:
            self._fail(f"{self.name} got what is no answer: {error!r}")

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits will not be answered."""
        self._fail(f"{self.name} lost its connection while {len(self._waiting)} requests were under way: {error!r}")

    def _fail(self, why: str) -> None:
        self._transport = None
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(BackendError(why))

    def ask(self, data: bytes) -> "asyncio.Future[Answer]":
        """Send a request; the future raises BackendError when the connection fails."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self._transport is None:
            future.set_exception(BackendError(f"{self.name} is not connected"))
            return future
        self._waiting.append(future)
        self._transport.write(data)
        return future

    def close(self) -> None:
        """Let go."""
        if self._transport is not None:
            self._transport.abort()


def request(method: str, path: str, body: bytes = b"", *, headers: str = "") -> bytes:
    """A whole request; `headers` are lines that end in CRLF."""
    head = f"{method} {path} HTTP/1.1\r\nHost: soak\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def basic(auth: tuple[str, str]) -> str:
    """The header of HTTP Basic."""
    return f"Authorization: Basic {base64.b64encode(':'.join(auth).encode()).decode()}\r\n"


def push_request(
    app_key: str, auth: tuple[str, str], content: str, pattern: str | None, *, as_json: bool, once: str = ""
) -> bytes:
    """A GoPusher push, as a form or as JSON."""
    fields = {"content": content} | ({} if pattern is None else {"user_tag": pattern})
    kind = "application/json" if as_json else "application/x-www-form-urlencoded"
    body = json.dumps(fields).encode() if as_json else urlencode(fields).encode()
    headers = f"{basic(auth)}Content-Type: {kind}\r\n{_once(once)}"
    return request("POST", f"/api/push/{app_key}", body, headers=headers)


def signed(
    key: str, secret: str, method: str, path: str, body: bytes = b"", query: str = "", once: str = "", age_s: int = 0
) -> bytes:
    """A request of the Pusher HTTP API. `query` is already encoded, and has no characters that decode otherwise."""
    pairs = [f"auth_key={key}", f"auth_timestamp={int(time.time()) - age_s}", "auth_version=1.0"]
    if body:
        pairs.append(f"body_md5={hashlib.md5(body).hexdigest()}")  # what the protocol asks for
    pairs = sorted(pairs + (query.split("&") if query else []))
    text = f"{method}\n{path}\n{'&'.join(pairs)}"
    return request(method, f"{quote(path)}?{'&'.join(pairs)}&auth_signature={mac(secret, text)}", body,
                   headers="Content-Type: application/json\r\n" + _once(once))  # fmt: skip


def mac(secret: str, text: str) -> str:
    """The signature of everything in the Pusher protocol."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _once(key: str) -> str:
    return f"Idempotency-Key: {key}\r\n" if key else ""
