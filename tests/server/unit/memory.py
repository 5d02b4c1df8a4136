"""A server's connections without sockets: a transport in memory whose client the test plays."""

import asyncio
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pushery.core.backlog import Backlog
from pushery.core.guesses import Guesses
from pushery.core.stats import Stats
from pushery.core.wheel import Wheel
from pushery.dialects.gopusher import GoPusher, GoPusherOptions
from pushery.node import Node
from pushery.server.admission import Admission, Limits
from pushery.server.compression import SharedDeflater
from pushery.server.door import Door
from pushery.server.http import HttpConnection
from pushery.server.router import Router
from pushery.server.shared import TICK_S, Shared, Timeouts
from pushery.wire.http import HttpLimits
from pushery.wire.replies import ReplyEncoder
from pushery.wire.websocket import BINARY, CLOSE, PING, PONG, TEXT, unmask
from tests.node.fakes import World, turns

__all__ = ["BINARY", "CLOSE", "PING", "PONG", "TEXT"]

KEY = "k" * 32
SUPER = ("admin", "correct horse")
SUPER_AUTH = "Authorization: Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="
NONCE = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"

TIMEOUTS = Timeouts(header=10, body=30, keepalive=75, ping_idle=54, ping_timeout=6, close=5)
SLACK = 2.0
"""Seconds by which a deadline may be late: the wheel's ticks."""


_NO_LIMITS = Limits()


class MemoryTransport(asyncio.Transport):
    """Carries bytes to a client that reads at once, or only when the test says so (`stalled`).

    As a socket's transport it asks its protocol to pause above `high` bytes, and once they have all been read to go on;
    it hands in nothing while reading is paused, and calls back through the event loop only.
    """

    def __init__(
        self, protocol: asyncio.Protocol, *, high: int = 1 << 16, peername: object = ("203.0.113.9", 4711)
    ) -> None:
        super().__init__({"peername": peername})
        self.loop = asyncio.get_running_loop()
        self.protocol = protocol
        self.high = high
        self.stalled = False
        """Whether the client does not read."""
        self.received = b""
        """What the client has read."""
        self.unread = bytearray()
        """What waits for the client."""
        self.paused = False
        self._ended = False
        self._closing = False
        self._aborted = False
        self._lost = False
        """Whether the connection is gone."""
        self._told = False
        """Whether the protocol has been told so."""
        self.half_closes = True
        """False as with TLS."""
        self._reading = True
        self._incoming: list[bytes] = []
        self._eof_came = False
        protocol.connection_made(self)

    # What the client does.

    def send(self, data: bytes) -> None:
        """The client sends."""
        self._incoming.append(data)
        self._hand_in()

    def get_write_buffer_size(self) -> int:
        """What waits for the client."""
        return len(self.unread)

    async def say(self, data: bytes, count: int = 2) -> None:
        """The client sends; the reply comes at the end of the turn that this begins, what it pushes a turn later."""
        self.send(data)
        await turns(count)

    def send_eof(self) -> None:
        """The client has sent its last."""
        self._eof_came = True
        self._hand_in()

    def read(self, count: int | None = None) -> None:
        """The client reads so many bytes, or all."""
        count = len(self.unread) if count is None else count
        self.received += self.unread[:count]
        del self.unread[:count]
        if not self.unread:
            if self.paused:
                self.paused = False
                self.protocol.resume_writing()
            if self._closing:
                self._lose()

    def vanish(self) -> None:
        """The network takes the client away."""
        self._closing = True
        self._lose()

    def is_lost(self) -> bool:
        """Whether the connection has ended and the protocol knows."""
        return self._told

    def is_cut(self) -> bool:
        """Whether the server has let go without an end in order."""
        return self._aborted

    def has_ended(self) -> bool:
        """Whether the server has said that nothing more comes of its side."""
        return self._ended

    # What the server sees.

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        if self._ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing:
            return
        self.unread += data
        if not self.stalled and not self.paused:
            self.received += self.unread
            self.unread.clear()
        elif len(self.unread) > self.high and not self.paused:
            self.paused = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        assert self.half_closes
        self._ended = True

    def can_write_eof(self) -> bool:
        return self.half_closes

    def close(self) -> None:
        self._closing = True
        if not self.unread:
            self._lose()

    def abort(self) -> None:
        self._aborted = self._closing = True
        self.unread.clear()
        self._lose()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self.loop.call_soon(self._hand_in)

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def _hand_in(self) -> None:
        while self._incoming and self.is_reading():
            self.protocol.data_received(self._incoming.pop(0))
        if self._eof_came and not self._incoming and self.is_reading():
            self._eof_came = False
            if not self.protocol.eof_received():
                self.close()

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self.loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._told = True
        self.protocol.connection_lost(None)


class Hook:
    """The backends of apps, which a test speaks for: implements `ConnectHooks`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, str]] = []
        self.answers: list[asyncio.Future[bool]] = []

    async def admits(self, app_key: str, url: str, token: str, tag: str) -> bool:
        """Waits until the test sets the answer."""
        self.asked.append((app_key, url, token, tag))
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return await answer


class Scene:
    """A node with one app, and the server's connections on it. `close` when done."""

    def __init__(
        self,
        *,
        compress_from: int | None = None,
        outbox_limit: int = 1 << 20,
        cors_origins: frozenset[str] = frozenset(),
        trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        limits: HttpLimits | None = None,
        router: Callable[[Node], Router] | None = None,
        fanout_slice: int = 1000,
        admit: Limits = _NO_LIMITS,
        descriptors: int = 1024,
        max_buffered_bytes: int = 1 << 30,
    ) -> None:
        self.world = World(KEY)
        self.node = self.world.node(fanout_slice=fanout_slice)
        dialect = GoPusher(
            GoPusherOptions(*SUPER, mask_passwords=False, message_limit=512),
            self.node.registry.directory,
            self.world.clock,
        )
        self.hooks = Hook()
        self.shared = Shared(
            loop=asyncio.get_running_loop(),
            node=self.node,
            stats=self.node.stats,
            admission=Admission(admit, self.node.stats, descriptors, self.world.clock.monotonic),
            backlog=Backlog(max_buffered_bytes, lambda: None),
            wheel=Wheel(TICK_S, 0.0),
            replies=ReplyEncoder(0),
            http_limits=limits or HttpLimits(16384, 65536),
            timeouts=TIMEOUTS,
            outbox_limit=outbox_limit,
            deflater=None if compress_from is None else SharedDeflater(compress_from, self.node.stats),
            cors_origins=cors_origins,
            trusted_proxies=trusted_proxies,
            connect_hooks=self.hooks,
        )
        self.guesses = Guesses()
        self.door = Door(
            self.shared,
            Router(dialect.routes()) if router is None else router(self.node),
            self.guesses,
            self.world.clock.monotonic,
            secure=False,
        )

    @property
    def stats(self) -> Stats:
        """The server's counters."""
        return self.shared.stats

    @property
    def errors(self) -> Counter[str]:
        """What has been counted as an error."""
        return self.stats.errors

    def connect(self, **options: Any) -> MemoryTransport:
        """A client that has connected and said nothing."""
        return MemoryTransport(HttpConnection(self.door), **options)

    def client(self, tag: str = "A:1", **options: Any) -> MemoryTransport:
        """A client whose WebSocket is open; what it received of the handshake is taken off."""
        transport = self.connect(**options)
        transport.send(handshake(tag))
        assert transport.received.startswith(b"HTTP/1.1 101 "), transport.received
        transport.received = transport.received.partition(b"\r\n\r\n")[2]
        return transport

    def pass_time(self, now: float) -> None:
        """Let it become `now`: the wheel started at 0."""
        wheel = self.shared.wheel
        wheel.turn(now)
        while due := wheel.take(100):
            for connection in due:
                connection.due()

    def close(self) -> None:
        """End the registry's thread."""
        self.world.close()


def request(method: str, path: str, *headers: str, body: bytes | None = None) -> bytes:
    """An HTTP request, with its length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def push_request(content: str, user_tag: str = "") -> bytes:
    """A push by the super admin."""
    body = f"content={content}&user_tag={user_tag}".encode()
    kind = "Content-Type: application/x-www-form-urlencoded"
    return request("POST", f"/api/push/{KEY}", SUPER_AUTH, kind, body=body)


def handshake(tag: str = "A:1", *headers: str) -> bytes:
    """The opening handshake of RFC 6455."""
    return request(
        "GET",
        f"/ws/{KEY}/{tag}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {NONCE}",
        "Sec-WebSocket-Version: 13",
        *headers,
    )


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """A client's frame."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes(((0x80 if final else 0) | opcode,)) + length + MASK + unmask(MASK, payload)
