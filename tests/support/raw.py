"""A TCP connection on which a test says exactly what it wants, byte by byte, and reads what comes back."""

import base64
import contextlib
import http.client
import io
import os
import select
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self
from urllib.parse import quote

from tests.support.server import DEADLINE_S, Answer

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def basic(auth: tuple[str, str]) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode()


def request(
    method: str,
    path: str,
    body: bytes | None = None,
    auth: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    version: str = "1.1",
) -> bytes:
    """The bytes of a request; a body gets its Content-Length and is called a form."""
    lines = [f"{method} {path} HTTP/{version}", "Host: test"]
    if auth is not None:
        lines.append(f"Authorization: {basic(auth)}")
    if body is not None:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(body: bytes, size: int) -> bytes:
    """`body` in chunks of `size` bytes."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def is_turned_away(client: socket.socket) -> bool:
    """Whether the server has said on this connection that there is no room (503); nothing is taken off it."""
    client.setblocking(False)
    try:
        return client.recv(4096, socket.MSG_PEEK).startswith(b"HTTP/1.1 503 ")
    except OSError:
        return False


def handshake(app_key: str, tag: str, headers: Mapping[str, str | None] | None = None) -> bytes:
    """The opening handshake; `headers` replaces some of its headers, and drops those that are None."""
    fields: dict[str, str | None] = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **(headers or {}),
    }
    sent = {name: value for name, value in fields.items() if value is not None}
    return request("GET", f"/ws/{app_key}/{tag}", headers=sent)


def client_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """A frame as a client sends it, or as it must not."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size, mask_bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += struct.pack("!BH", mask_bit | 126, size)
    else:
        head += struct.pack("!BQ", mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def close_payload(code: int, reason: str = "") -> bytes:
    """The body of a close frame."""
    return struct.pack("!H", code) + reason.encode()


class Frame(NamedTuple):
    """A frame from the server. `payload` is inflated already."""

    opcode: int
    payload: bytes
    compressed: bool

    @property
    def code(self) -> int:
        """Of a close frame."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big")


class RawConnection:
    """A context manager: leaving it closes the connection. Everything that waits has a deadline."""

    def __init__(self, port: int, *, receive_buffer: int | None = None, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(DEADLINE_S)
        plain.connect(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = plain if tls is None else tls.wrap_socket(plain, server_hostname="localhost")
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    @property
    def tls_socket(self) -> ssl.SSLSocket:
        """The socket, of a connection with TLS."""
        assert isinstance(self.socket, ssl.SSLSocket)
        return self.socket

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    @contextlib.contextmanager
    def sending(self, data: bytes) -> Iterator[None]:
        """Send it while the block reads; a peer that stops reading would block both otherwise."""
        thread = threading.Thread(target=self.send, args=(data,))
        thread.start()
        try:
            yield
        finally:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "the server does not read"

    def send_what_fits(self, data: bytes, patience_s: float = 1.0) -> int:
        """Send until the peer has taken nothing more for a while; returns how much it took."""
        sent = 0
        while sent < len(data) and select.select([], [self.socket], [], patience_s)[1]:
            self.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sent += self.socket.send(data[sent : sent + 65536])
        self.socket.settimeout(DEADLINE_S)
        return sent

    def finish_sending(self) -> None:
        """Shut our side; the server may still answer."""
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer:
        """The next HTTP answer, a 100 included."""
        head = self._until(b"\r\n\r\n")
        status_line, _, lines = head.partition(b"\r\n")
        version, status, _ = status_line.split(b" ", 2)
        assert version == b"HTTP/1.1", status_line
        headers = http.client.parse_headers(io.BytesIO(lines))
        bodyless = method == "HEAD" or int(status) < 200 or int(status) in (204, 304)
        body = b"" if bodyless else self._exactly(int(headers["Content-Length"]))
        return Answer(int(status), headers, body)

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        while self._fill():
            pass
        rest, self._buffer = self._buffer, b""
        return rest

    @property
    def waiting(self) -> bytes:
        """What has been received and not read."""
        return self._buffer

    def open_socket(self, app_key: str, tag: str, headers: Mapping[str, str | None] | None = None) -> Answer:
        """Become a WebSocket; returns the 101."""
        self.send(handshake(app_key, quote(tag, safe=""), headers))
        answer = self.answer()
        assert answer.status == 101, answer
        return answer

    def frame(self) -> Frame:
        """The next frame."""
        first, second = self._exactly(2)
        assert not second & 0x80, "a server must not mask"
        assert first & 0x80, "the server sends no fragments"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        payload, compressed = self._exactly(size), bool(first & 0x40)
        if compressed:
            payload = zlib.decompress(payload + b"\x00\x00\xff\xff\x03\x00", wbits=-15)
        return Frame(first & 0x0F, payload, compressed)

    def text(self) -> str:
        """The next frame, which is a text."""
        frame = self.frame()
        assert frame.opcode == TEXT, frame
        return frame.payload.decode()

    def take_in(self, size: int) -> None:
        """Read at most `size` bytes, for later, if there are any by now."""
        if select.select([self.socket], [], [], 0)[0]:
            self._buffer += self.socket.recv(size)

    def _fill(self) -> bool:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        self._buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            assert self._fill(), f"the server ended the connection after {self._buffer!r}"
        found, _, self._buffer = self._buffer.partition(mark)
        return found + mark

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            assert self._fill(), f"the server ended the connection after {self._buffer!r}"
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found
