"""pusher-js's way without WebSockets: receives in replies, sends with requests on a second connection.

To its listener it is a transport like a WebSocket. It does what pusher-js does, also where that is odd: a stream that
has brought 256 KB is dropped for another.
"""

import asyncio
import json
from collections import deque
from typing import Final, cast

from soak.transports import Address, Listener
from soak.wire import ReplyReader, WireError

STREAM_ROOM: Final = 256 * 1024
"""Characters of a stream, as JavaScript counts them, after which pusher-js opens another.

The server says no more until then.
"""


class _Exchange(asyncio.Protocol):
    """One HTTP connection of a fallback's client: tells its owner about every piece of a reply."""

    def __init__(self, owner: "HttpSession", request: bytes) -> None:
        self._owner = owner
        self._request = request
        self._reader = ReplyReader()
        self._dropped = False
        self.transport: asyncio.Transport | None = None

    async def connect(self, address: Address) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, address.host, address.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._dropped:
            self.transport.abort()
        elif self._request:
            self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        try:
            for status, piece, last in self._reader.feed(data):
                self._owner.heard(self, status, piece, last)
        except WireError as error:
            self._owner.fault(f"the server has sent {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.lost(self)

    def write(self, data: bytes) -> None:
        if self.transport is None:  # not connected yet
            self._request += data
        elif not self.transport.is_closing():
            self.transport.write(data)

    def abort(self) -> None:
        self._dropped = True
        if self.transport is not None:
            self.transport.abort()


class HttpSession:
    """pusher-js's way without WebSockets: receives in replies, sends with requests on a second connection."""

    def __init__(self, listener: Listener, app_path: str, session: str, *, streaming: bool) -> None:
        self.kind = "xhr_streaming" if streaming else "xhr"
        self.reopened = 0
        """How often a full stream was followed by another."""
        self._listener = listener
        self._base = f"{app_path}/7/{session}"
        self._streaming = streaming
        self._address = Address("", 0)
        self._receiving: _Exchange | None = None
        self._sending: _Exchange | None = None
        self._queue: deque[str] = deque()
        self._under_way = False
        self._line = b""
        self._characters = 0
        self._pongs = b'{"event":"pusher:pong"'
        self._done = False
        self._opened = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, address: Address) -> None:
        """Open both connections. Raises OSError."""
        self._address = address
        self._sending = _Exchange(self, b"")
        await self._sending.connect(address)
        self._receiving = _Exchange(self, self._receive_request())
        await self._receiving.connect(address)

    def _receive_request(self) -> bytes:
        self._characters, self._line = 0, b""
        return _post(f"{self._base}/{self.kind}?protocol=7&client=js&version=8.4.0", b"")

    def heard(self, exchange: _Exchange, status: int, piece: bytes, last: bool) -> None:
        """A piece of a reply."""
        if self._done:
            return
        if exchange is self._sending:
            self._sent(status, piece)
        elif exchange is self._receiving:
            if status != 200:
                self._done = True
                self._listener.on_refused(status, piece)
                return
            self._take(piece)
            if last and not self._done:
                self._again(exchange)

    def _take(self, piece: bytes) -> None:
        self._characters += len(piece) if piece.isascii() else len(piece.decode().encode("utf-16-le")) // 2
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            self._take_line(line)
            if self._done:
                return
        if self._streaming and self._characters > STREAM_ROOM and not self._line:
            self.reopened += 1
            self._renew()

    def _take_line(self, line: bytes) -> None:
        if line == b"o{}":
            if self._opened:
                self._listener.on_fault("the session was opened twice: the server had forgotten it")
                return
            self._opened = True
            self._listener.on_open()
        elif line == b"h":
            self._queue_up(None)
        elif line.startswith(b"a"):
            for text in json.loads(line[1:]):
                if not self._done:
                    data = text.encode()
                    if data.startswith(self._pongs):
                        self._listener.on_pong()
                    else:
                        self._listener.on_text(data)
        elif line.startswith(b"c"):
            code, reason = json.loads(line[1:])
            self._done = True
            self._listener.on_close(code, reason)
            self._let_go()
        elif line.strip(b"h"):
            self._listener.on_fault(f"the server has sent the line {line[:60]!r}")

    def _again(self, exchange: _Exchange) -> None:
        if self._streaming:
            self._listener.on_fault("the stream has ended without a close")
        else:
            exchange.write(self._receive_request())

    def _renew(self) -> None:
        """Drop the full stream and open another."""
        assert self._receiving is not None
        self._receiving.abort()
        self._receiving = _Exchange(self, self._receive_request())
        self._connect(self._receiving)

    def _connect(self, exchange: _Exchange) -> None:
        task = asyncio.get_running_loop().create_task(exchange.connect(self._address))
        self._tasks.add(task)
        task.add_done_callback(self._connected)

    def _connected(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._done:
            self.fault(f"a session cannot connect again: {error}")

    def _sent(self, status: int, body: bytes) -> None:
        self._under_way = False
        if status == 204:
            self._pump()
        elif status == 404:
            self._queue.clear()  # it has been closed meanwhile; the other connection says so
        else:
            self._listener.on_fault(f"xhr_send was answered {status}: {body[:100]!r}")

    def _queue_up(self, text: str | None) -> None:
        """Send, or with None answer a heartbeat."""
        if text is not None:
            self._queue.append(text)
        if text is None and not self._queue and not self._under_way:
            self._post([])
        self._pump()

    def _pump(self) -> None:
        if self._queue and not self._under_way:
            texts = list(self._queue)
            self._queue.clear()
            self._post(texts)

    def _post(self, texts: list[str]) -> None:
        self._under_way = True
        assert self._sending is not None
        self._sending.write(_post(f"{self._base}/xhr_send", json.dumps(texts).encode()))

    def lost(self, exchange: _Exchange) -> None:
        """One of the connections is gone."""
        if self._done or exchange not in (self._receiving, self._sending):
            return
        if exchange is self._sending and not self._under_way:  # the server does not keep an idle one for ever
            self._sending = _Exchange(self, b"")
            self._connect(self._sending)
            return
        self._done = True
        self._listener.on_gone()
        self._let_go()

    def fault(self, what: str) -> None:
        """Tell the listener."""
        self._listener.on_fault(what)

    def _let_go(self) -> None:
        for exchange in (self._receiving, self._sending):
            if exchange is not None:
                exchange.abort()

    def send(self, text: str) -> None:
        """Send a message."""
        self._queue_up(text)

    def ping(self) -> None:
        """Ask for a pong, as a message."""
        self._queue_up('{"event":"pusher:ping","data":{}}')

    def close(self) -> None:
        """There is no polite end: the server misses it after some seconds."""
        self.reset()

    def reset(self) -> None:
        """Be gone."""
        self._done = True
        self._let_go()


def _post(path: str, body: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: soak\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
