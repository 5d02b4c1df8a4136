"""The bus of servers on one machine that share a database: from the old one to the new one, and back.

Each server has a Unix socket in the `Meeting`. To every other one it keeps a connection on which it only sends, and
takes the ones on which the others send. Who finds a newcomer connects back at once. Loses what a server does not
read in time, and what it is sent while it is not there; knows nothing of other machines.

Invariant: of one sender at most one connection is read at a time, so nothing comes twice or out of order.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Final, cast

import structlog

from pushery.bus.framing import Deframer, OutOfStep, framed
from pushery.bus.meeting import Meeting, MeetingError

log = structlog.get_logger("pushery.bus")

KIND: Final = "bus"
LOOK_EVERY_S: Final = 1.0
"""How often to look who has come, in case that somebody's greeting was lost."""

GREETED_S: Final = 2.0
"""How long a start waits for the others to connect back: what they publish until then would not be heard."""

UNREAD_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that a server may leave unread before it is given up; 64 MiB is a minute of what one core publishes."""

REST_S: Final = 10.0
"""How long a server that was given up is left alone."""

FLUSH_S: Final = 1.0


class LocalBus:
    """One server's end. Made anywhere; all else belongs to one event loop, and begins with `start`."""

    def __init__(self, meeting: Meeting, name: str, *, unread_limit: int = UNREAD_LIMIT) -> None:
        """`name` is this server's own in the meeting."""
        self._meeting = meeting
        self._name = name
        self._unread_limit = unread_limit
        self._receive: Callable[[bytes], None] | None = None
        self._outgoing: dict[str, _Outgoing] = {}
        self._incoming: dict[str, _Incoming] = {}
        self._left_alone: dict[str, float] = {}
        """Who was given up, and until when."""
        self._listener: asyncio.AbstractServer | None = None
        self._connecting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        """The event loop itself would let them be collected."""
        self._greeted = asyncio.Event()

    @property
    def has_peers(self) -> bool:
        """Whether another server would hear."""
        return bool(self._outgoing)

    def attach(self, receive: Callable[[bytes], None]) -> None:
        """Name the function that takes what the others send."""
        self._receive = receive

    def send(self, envelope: bytes) -> None:
        """Hand the envelope to every other server. One that has left too much unread is given up."""
        if not self._outgoing:
            return
        data = framed(envelope)
        for peer in list(self._outgoing.values()):
            peer.transport.write(data)
            if peer.transport.get_write_buffer_size() > self._unread_limit:
                self._give_up(peer)

    async def start(self) -> None:
        """Let others find this server, and find them: what they publish from now on is heard. Raises MeetingError."""
        loop = asyncio.get_running_loop()
        try:
            listening = self._meeting.listen(self._name, KIND)
        except OSError as error:
            raise MeetingError(f"servers cannot find each other: {error.strerror or error}") from error
        self._listener = await loop.create_unix_server(lambda: _Incoming(self), sock=listening)
        await self._look()
        silent = await self._await_greetings()
        if silent:
            log.warning("bus_peer_silent", peers=silent, waited_s=GREETED_S)
        self._run(self._keep_looking())

    async def stop(self) -> None:
        """Say what is left to say, and part."""
        self._meeting.remove(self._name, KIND)
        for task in self._tasks:
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while any(peer.transport.get_write_buffer_size() for peer in self._outgoing.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        links: list[_Outgoing | _Incoming] = [*self._outgoing.values(), *self._incoming.values()]
        for link in links:
            link.transport.close()
        await asyncio.sleep(0)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look()

    async def _look(self) -> None:
        """Connect to whoever is there and not connected yet."""
        now = asyncio.get_running_loop().time()
        try:
            names = self._meeting.names(KIND)
        except OSError as error:
            log.warning("bus_unreadable", error=str(error))
            return
        for name in names:
            if name == self._name or name in self._outgoing or name in self._connecting:
                continue
            if self._left_alone.get(name, 0.0) <= now:
                self._left_alone.pop(name, None)
                await self._connect(name)

    async def _connect(self, name: str) -> None:
        connection = self._meeting.connect(name, KIND)
        if connection is None:
            return
        peer = _Outgoing(self, name)
        self._connecting.add(name)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: peer, sock=connection)
        except OSError:
            connection.close()
            return
        finally:
            self._connecting.discard(name)
        if peer.transport.is_closing():
            return
        self._outgoing[name] = peer
        peer.transport.write(framed(self._name.encode()))
        log.info("bus_peer_found", peer=name)

    async def _await_greetings(self) -> list[str]:
        """Returns who has not connected back in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GREETED_S):
                while self._outgoing.keys() - self._incoming.keys():
                    self._greeted.clear()
                    await self._greeted.wait()
        return sorted(self._outgoing.keys() - self._incoming.keys())

    def _give_up(self, peer: "_Outgoing") -> None:
        log.warning("bus_peer_given_up", peer=peer.name, unread_bytes=peer.transport.get_write_buffer_size())
        self._left_alone[peer.name] = asyncio.get_running_loop().time() + REST_S
        self._outgoing.pop(peer.name, None)
        peer.transport.abort()

    def greeted(self, name: str, link: "_Incoming") -> None:
        """Somebody has said who it is: connect back, and read nobody else by that name."""
        before = self._incoming.get(name)
        self._incoming[name] = link
        if before is not None:
            before.transport.abort()
        self._greeted.set()
        if name not in self._outgoing:
            self._run(self._look())

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def heard(self, envelope: bytes) -> None:
        """Pass on what another server has sent."""
        if self._receive is not None:
            self._receive(envelope)

    def lost(self, link: "_Outgoing | _Incoming") -> None:
        """A connection has ended."""
        links = cast("dict[str, object]", self._outgoing if isinstance(link, _Outgoing) else self._incoming)
        if links.get(link.name) is link:
            del links[link.name]
            self._greeted.set()


class _Outgoing(asyncio.Protocol):
    """What this server says to another one."""

    transport: asyncio.Transport

    def __init__(self, bus: LocalBus, name: str) -> None:
        self._bus = bus
        self.name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._bus.lost(self)


class _Incoming(asyncio.Protocol):
    """What another server says to this one. Its first envelope is its name."""

    transport: asyncio.Transport

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._deframer = Deframer()
        self.name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():  # another connection of the same sender is read
            return
        try:
            envelopes = self._deframer.feed(data)
            if envelopes and not self.name:
                self.name = envelopes.pop(0).decode()
                self._bus.greeted(self.name, self)
        except (OutOfStep, UnicodeDecodeError) as error:
            log.warning("bus_peer_out_of_step", peer=self.name, error=str(error))
            self.transport.abort()
            return
        for envelope in envelopes:
            try:
                self._bus.heard(envelope)
            except Exception:  # a defect must not end the connection, and with it all that comes later
                log.exception("envelope_failed")

    def connection_lost(self, error: Exception | None) -> None:
        self._bus.lost(self)
