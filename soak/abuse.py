"""Bad input of all kinds, on connections of its own and from an address of its own.

Each case says what must be answered. What the server must have counted because of it is noted, so that in the end
every error in its metrics is explained.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from soak.backend import Answer, basic, push_request, request, signed
from soak.publishing import kind_of
from soak.wire import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, ReplyReader, handshake, masked
from soak.world import App, World

FROM: Final = "127.0.0.2"
"""Whose address the abuse comes from: what the server does about it must not concern anybody else."""

_PATIENCE_S: Final = 15.0
TOO_MANY: Final = 429
"""What an address may be answered with that has guessed credentials often, though it now sends the right ones."""


class Abuser:
    """Does one bad thing after the other."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        self._app: App
        self._cases: dict[str, Callable[[], Awaitable[None]]] = {
            "garbage": lambda: self._http(self._garbage(), 400),
            "no such path": lambda: self._http(request("GET", "/nope"), 404),
            "wrong method": lambda: self._http(request("PUT", "/healthz"), 405),
            "huge head": lambda: self._http(request("GET", "/healthz", headers=f"X: {'h' * 40_000}\r\n"), 431),
            "huge body": self._huge_body,
            "two lengths": lambda: self._http(request("POST", "/x", headers="Content-Length: 7\r\n"), 400),
            "bad chunk": lambda: self._http(self._chunks(b"zz\r\n"), 400),
            "wrong version": lambda: self._http(b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n", 400, 505),
            "half a request": self._half_request,
            "wrong password": lambda: self._http(self._push(password="wrong"), 401, TOO_MANY),
            "bad pattern": lambda: self._http(self._push(pattern="(["), 400, TOO_MANY),
            "no content": lambda: self._http(self._push(content=""), 400, TOO_MANY),
            "malformed JSON": self._malformed_json,
            "wrong signature": lambda: self._http(self._signed(spoil=True), 401, TOO_MANY),
            "stale signature": lambda: self._http(self._signed(age_s=4000), 401, TOO_MANY),
            "malformed event": lambda: self._http(self._signed(b'{"name":"x","channels":['), 400, TOO_MANY),
            "bad channel": lambda: self._http(
                self._signed(b'{"name":"x","data":"y","channels":["a b"]}'), 400, TOO_MANY
            ),
            "unknown session": lambda: self._http(request("POST", f"/app/{self._app.key}/1/none/xhr_send", b"[]"), 404),
            "malformed send": lambda: self._http(request("POST", f"/app/{self._app.key}/1/none/xhr_send", b"{"), 400),
            "bad handshake": lambda: self._http(request("GET", f"/ws/{self._app.key}/A"), 400),
            "unknown app": lambda: self._http(handshake("/ws/nobody/A", compress=False), 404),
            "unmasked frame": lambda: self._socket(b"\x81\x02hi", 1002),
            "reserved bits": lambda: self._socket(b"\xf1" + masked(TEXT, b"hi")[1:], 1002),
            "unknown opcode": lambda: self._socket(b"\x83" + masked(TEXT, b"hi")[1:], 1002),
            "bad utf-8": lambda: self._socket(masked(TEXT, b"\xff\xfe"), 1007),
            "huge message": lambda: self._socket(masked(TEXT, b"x" * 200_000), 1009),
            "huge length": lambda: self._socket(b"\x81\xff" + struct.pack("!Q", 1 << 50) + b"\0\0\0\0", 1009, 1002),
            "long ping": lambda: self._socket(masked(PING, b"x" * 200), 1002),
            "binary message": lambda: self._socket(masked(BINARY, b"hi"), 1003),
            "a hundred faults": lambda: self._socket(masked(TEXT, b"{]") * 101, 4010),
            "half a frame": self._half_frame,
        }

    async def one(self) -> None:
        """One bad thing."""
        apps = [app for app in self._world.apps if app.gopusher and app.pusher and not app.passing]
        self._app = self._random.choice(apps)
        name = self._random.choice(list(self._cases))
        self._world.done["abuse"] += 1
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._cases[name]()
        except TimeoutError:
            self._world.report(f"abuse ({name}) was not answered within {_PATIENCE_S:.0f} s")
        except _Unlike as error:
            self._world.report(f"abuse ({name}): {error}")

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._world.address
        return await asyncio.open_connection(address.host, address.port, local_addr=(FROM, 0))

    async def _http(self, data: bytes, *statuses: int) -> None:
        """Send a request; it must be answered with one of these."""
        reader, writer = await self._open()
        try:
            writer.write(data)
            answer = await _answer(reader)
            if answer is None:  # it was reset before we could read: it must have been counted all the same
                self._world.perhaps["headers_too_large"] += 1
                self._world.perhaps["body_too_large"] += 1
                self._world.perhaps["bad_request"] += 1
                return
            if answer.status not in statuses:
                raise _Unlike(f"was answered {answer.status} instead of {statuses}: {answer.body[:200]!r}")
            kind = kind_of(answer)
            self._world.explained[kind] += 1
        finally:
            _drop(writer)

    def _garbage(self) -> bytes:
        return bytes(self._random.randrange(1, 256) for _ in range(60)) + b"\r\n\r\n"

    def _chunks(self, body: bytes) -> bytes:
        head = f"POST /api/push/{self._app.first_key} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head.encode() + body

    def _push(self, content: str = "abuse", password: str = "", pattern: str | None = "^abuse$") -> bytes:
        account, right = self._app.auth
        return push_request(self._app.first_key, (account, password or right), content, pattern, as_json=False)

    def _signed(self, body: bytes = b"{}", *, spoil: bool = False, age_s: int = 0) -> bytes:
        app, secret = self._app, self._app.secret
        path = f"/apps/{app.id}/events"
        return signed(app.key, secret + "x" if spoil else secret, "POST", path, body, age_s=age_s)

    async def _malformed_json(self) -> None:
        headers = basic(self._app.auth) + "Content-Type: application/json\r\n"
        await self._http(
            request("POST", f"/api/push/{self._app.first_key}", b'{"content":', headers=headers), 400, TOO_MANY
        )

    async def _huge_body(self) -> None:
        head = f"POST /api/push/{self._app.first_key} HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\n\r\n"
        await self._http(head.encode() + b"x" * 1000, 413)

    async def _half_request(self) -> None:
        """Begin a request and go away, or wait until the server has had enough."""
        reader, writer = await self._open()
        try:
            writer.write(self._push()[: self._random.randint(1, 120)])
            if self._random.random() < 0.5:
                return
            answer = await _answer(reader)
            if answer is None or answer.status != 408:
                raise _Unlike(f"was answered {answer} instead of 408")
            self._world.explained[kind_of(answer)] += 1
        finally:
            _drop(writer)

    async def _socket(self, data: bytes, *codes: int) -> None:
        """Be let in, send something bad; the server must close with one of these."""
        reader, writer = await self._open()
        try:
            writer.write(handshake(f"/app/{self._app.key}?protocol=7", compress=False))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101"):
                raise _Unlike(f"was not let in: {head[:80]!r}")
            writer.write(data)
            code = await _close_code(reader, writer)
            if code not in codes:
                raise _Unlike(f"was closed with {code} instead of {codes}")
            self._world.explained[f"close_{code}"] += 1
        finally:
            _drop(writer)

    async def _half_frame(self) -> None:
        """Begin a frame, and be gone with a reset."""
        reader, writer = await self._open()
        writer.write(handshake(f"/app/{self._app.key}?protocol=7", compress=False))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(TEXT, json.dumps({"event": "pusher:ping"}).encode())[:-5])
        await asyncio.sleep(0.05)
        _reset(writer)


class _Unlike(Exception):
    """Something else was answered."""


async def _answer(reader: asyncio.StreamReader) -> Answer | None:
    """The reply; None when the connection was reset before it was there."""
    replies = ReplyReader()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            for status, body, _ in replies.feed(data):
                return Answer(status, body)
    return None


async def _close_code(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """The code that the server closes with; 0 when it closes without."""
    frames = FrameReader()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            for opcode, payload in frames.feed(data):
                if opcode == PING:
                    writer.write(masked(PONG, payload))
                elif opcode == CLOSE:
                    writer.write(masked(CLOSE, payload[:2]))
                    return int.from_bytes(payload[:2], "big")
    return 0


def _drop(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
