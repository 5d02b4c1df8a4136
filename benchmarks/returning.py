"""Clients that come back when they are closed, as pusher-js does, and backends that publish meanwhile.

Every client notes what it hears and when it was connected; every backend what it has published and what became of it.
Nothing here knows a server's process. `account` draws the sum.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, cast

CHANNEL: Final = "news"
PAUSE_S: Final = 1.0
"""How long pusher-js waits after 4100 to 4199, and after a connection that ended without a code."""

NEVER: Final = float("inf")
_NUMBER: Final = re.compile(rb'"data":"(\d+)"')
_REPLY_S: Final = 30.0


@dataclass(frozen=True)
class App:
    """What a backend knows."""

    id: str
    key: str
    secret: str


@dataclass
class Epoch:
    """From one subscription to the end of its socket; what was heard."""

    opened: float
    closed: float = NEVER
    heard: "array[int]" = field(default_factory=lambda: array("L"))


@dataclass
class Crowd:
    """All clients of one run, and what went wrong."""

    port: int
    app: App
    clients: "list[Client]" = field(default_factory=list)
    refused: int = 0
    cut: int = 0
    """Sockets that ended without a close frame."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Of handshakes that were answered otherwise than with 101."""
    codes: Counter[int] = field(default_factory=Counter)
    over: bool = False

    async def gather(self, count: int, at_once: int = 100) -> None:
        """Let so many clients come, some at a time, and wait until all are subscribed."""
        for start in range(0, count, at_once):
            newcomers = [Client(self) for _ in range(min(at_once, count - start))]
            self.clients += newcomers
            await asyncio.gather(*(client.connect() for client in newcomers))
            await self.subscribed()

    async def subscribed(self) -> None:
        """Wait until everybody is subscribed."""
        while not all(client.epoch for client in self.clients):  # noqa: ASYNC110  # a thousand events at a time
            await asyncio.sleep(0.01)

    def leave(self) -> None:
        """Everybody goes for good."""
        self.over = True
        for client in self.clients:
            client.transport.abort()


class Client(asyncio.Protocol):
    """One of them: subscribes to `CHANNEL` whenever it is connected."""

    transport: asyncio.Transport

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.epochs: list[Epoch] = []
        self.epoch: Epoch | None = None
        """The present one, once it is subscribed."""
        self._held = b""
        self._is_open = False
        self._closed = False

    async def connect(self) -> None:
        """Come, and try until that works."""
        loop = asyncio.get_running_loop()
        while not self.crowd.over:
            self._held, self._is_open, self._closed = b"", False, False
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", self.crowd.port)
                return
            except OSError:
                self.crowd.refused += 1
                await asyncio.sleep(PAUSE_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /app/{self.crowd.app.key}?protocol=7&client=crowd&version=1 HTTP/1.1\r\nHost: x\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        if not self._is_open:
            head, end, rest = held.partition(b"\r\n\r\n")
            if not end:
                self._held = held
                return
            status = int(head[9:12])
            if status != 101:
                self.crowd.statuses[status] += 1
                self.transport.close()
                return
            self._is_open, held = True, rest
            self._say(1, b'{"event":"pusher:subscribe","data":{"channel":"%s"}}' % CHANNEL.encode())
        at = 0
        while len(held) >= at + 2:
            size, start = held[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(held[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(held[at + 2 : at + 10], "big"), at + 10
            if len(held) < start + size:
                break
            self._take(held[at] & 15, held[start : start + size])
            at = start + size
        self._held = held[at:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 8:
            self._close(int.from_bytes(payload[:2], "big"))
        elif opcode == 9:
            self._say(10, payload)
        elif self.epoch is not None:
            number = _NUMBER.search(payload)
            if number is not None:
                self.epoch.heard.append(int(number[1]))
        elif b"subscription_succeeded" in payload:
            self.epoch = Epoch(time.monotonic())
            self.epochs.append(self.epoch)

    def _close(self, code: int) -> None:
        self._closed = True
        self._end_epoch()
        self.crowd.codes[code] += 1
        self._say(8, code.to_bytes(2, "big"))
        self.transport.close()
        self._come_back(0.0 if 4200 <= code < 4300 else PAUSE_S)

    def connection_lost(self, error: Exception | None) -> None:
        if self._closed or self.crowd.over:
            return
        self.crowd.cut += self._is_open
        self._end_epoch()
        self._come_back(PAUSE_S)

    def _end_epoch(self) -> None:
        if self.epoch is not None:
            self.epoch.closed = time.monotonic()
            self.epoch = None

    def _come_back(self, after_s: float) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(after_s, lambda: loop.create_task(self.connect()))

    def _say(self, opcode: int, payload: bytes) -> None:
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self.transport.write(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)  # a mask of zeros: as it is


@dataclass
class Publication:
    """When it was begun, and answered."""

    started: float
    answered: float = NEVER


@dataclass
class Backend:
    """Publishes one event after the other; on a connection that it keeps, or on a fresh one for each."""

    port: int
    app: App
    number: int
    """Which of `of` backends it is: its events are numbered number, number + of, ..."""
    of: int
    keeps: bool
    every_s: float
    publications: dict[int, Publication] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    retried: int = 0
    """On a kept connection that the server had closed meanwhile: what every HTTP library does by itself."""
    stopping: bool = False

    async def run(self) -> None:
        """Publish until `stopping`."""
        event = self.number
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        due = time.monotonic()
        while not self.stopping:
            publication = self.publications[event] = Publication(time.monotonic())
            try:
                connection = await asyncio.wait_for(self._publish(event, connection), _REPLY_S)
                publication.answered = time.monotonic()
            except (OSError, EOFError, ValueError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                connection = None
            event += self.of
            due += self.every_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if connection is not None:
            connection[1].close()

    async def _publish(
        self, event: int, kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Returns the connection if it can be used again."""
        if kept is not None:
            try:
                return await self._ask(event, *kept)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if getattr(error, "partial", b""):
                    raise
                self.retried += 1
        return await self._ask(event, *await asyncio.open_connection("127.0.0.1", self.port))

    async def _ask(
        self, event: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            return await self._answer(event, reader, writer)
        except BaseException:
            writer.transport.abort()
            raise

    async def _answer(
        self, event: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        writer.write(self._request(event))
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        found = re.search(r"content-length: (\d+)", head)
        body = await reader.readexactly(int(found[1]) if found else 0)
        if " 200 " not in head.partition("\r\n")[0]:
            raise ValueError(head.partition("\r\n")[0] + " " + body.decode())
        if self.keeps and "connection: close" not in head:
            return reader, writer
        writer.close()
        return None

    def _request(self, event: int) -> bytes:
        body = f'{{"name":"m","channel":"{CHANNEL}","data":"{event}"}}'.encode()
        path = f"/apps/{self.app.id}/events"
        query = (
            f"auth_key={self.app.key}&auth_timestamp={int(time.time())}&auth_version=1.0"
            f"&body_md5={hashlib.md5(body).hexdigest()}"
        )
        signature = hmac.new(self.app.secret.encode(), f"POST\n{path}\n{query}".encode(), hashlib.sha256).hexdigest()
        keep = "keep-alive" if self.keeps else "close"
        return (
            f"POST {path}?{query}&auth_signature={signature} HTTP/1.1\r\nHost: x\r\nConnection: {keep}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


@dataclass
class Account:
    """What a run comes to. All times in seconds."""

    clients: int
    published: int
    failures: list[str]
    retried: int
    refused: int
    cut: int
    statuses: dict[int, int]
    codes: dict[int, int]
    missed: int
    """Events that a client did not get, though on the same socket it got one that was published after them."""
    twice: int
    out_of_order: int
    lost_in_gaps: int
    """Events that a client did not get because it was away, over all clients: after its last one, before the next."""
    gaps: list[float]
    """From the close of a socket to the subscription of the next one, of every return, sorted."""
    returns: list[float]
    """When each client was subscribed again, sorted; 0 is the first close."""
    slowest_publish: float

    @property
    def is_flawless(self) -> bool:
        """Whether nothing was refused, failed, cut, lost, doubled or mixed up."""
        wrong = (self.refused, self.cut, self.missed, self.twice, self.out_of_order)
        return not any(wrong) and not self.failures and not self.statuses


def account(crowd: Crowd, backends: list[Backend]) -> Account:
    """Draw the sum of a run that is over."""
    published = {n: one for backend in backends for n, one in backend.publications.items() if one.answered < NEVER}
    order = sorted(published, key=lambda n: published[n].started)
    missed = twice = mixed = lost = 0
    gaps: list[float] = []
    returns: list[float] = []
    for client in crowd.clients:
        heard = [n for epoch in client.epochs for n in epoch.heard]
        twice += len(heard) - len(set(heard))
        lost += len(published.keys() - set(heard))
        latest: dict[int, int] = {}
        for n in heard:
            mixed += n < latest.get(n % len(backends), -1)
            latest[n % len(backends)] = n
        missed += sum(_holes(epoch, order, published) for epoch in client.epochs)
        for before, after in zip(client.epochs, client.epochs[1:], strict=False):
            gaps.append(after.opened - before.closed)
            returns.append(after.opened)
    closes = [epoch.closed for client in crowd.clients for epoch in client.epochs if epoch.closed < NEVER]
    first = min(closes, default=0.0)
    return Account(
        clients=len(crowd.clients),
        published=len(published),
        failures=[failure for backend in backends for failure in backend.failures],
        retried=sum(backend.retried for backend in backends),
        refused=crowd.refused,
        cut=crowd.cut,
        statuses=dict(crowd.statuses),
        codes=dict(crowd.codes),
        missed=missed,
        twice=twice,
        out_of_order=mixed,
        lost_in_gaps=lost - missed,
        gaps=sorted(gaps),
        returns=sorted(moment - first for moment in returns),
        slowest_publish=max((one.answered - one.started for one in published.values()), default=0.0),
    )


def _holes(epoch: Epoch, order: list[int], published: dict[int, Publication]) -> int:
    """How many events between the subscription and the last one heard were not heard.

    What comes after the last one heard belongs to the gap: a client learns late that its socket has been closed.
    """
    heard = set(epoch.heard)
    last = max((published[n].started for n in heard & published.keys()), default=0.0)
    return sum(n not in heard and epoch.opened < published[n].started and published[n].answered < last for n in order)
