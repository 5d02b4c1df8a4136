"""What a server listens on, and whom it shares it with: bound by itself, inherited, or handed over by the one before.

Where two servers may stand side by side, the old one and the new one, they hear each other's publications. Accepts
nothing and closes no client's socket. Invariant: when nobody else can be there, there is no bus and no file of it.
"""

import errno
import os
import secrets
import socket
from collections.abc import MutableMapping
from typing import Final

import structlog

from pushery.app.activation import ActivationError, Sockets, inherited_sockets
from pushery.app.handover import Offer, ask
from pushery.app.system import are_bound_to, listening_sockets
from pushery.bus.local import LocalBus
from pushery.bus.meeting import Meeting, MeetingError, meeting_path
from pushery.bus.memory import MemoryBus
from pushery.config import Address, Settings

log = structlog.get_logger("pushery.app")

_ADVICE: Final = {
    errno.EADDRINUSE: ". Something listens there already: stop that, or choose another address with --listen",
    errno.EACCES: ". Ports below 1024 are for root: choose another with --listen, or let systemd bind it",
}


class DoorsError(Exception):
    """There is nothing to listen on, or nowhere to meet the other servers. The message is one line for the operator."""


class Doors:
    """Belongs to one event loop, but for the making."""

    def __init__(self, settings: Settings, environ: MutableMapping[str, str], *, binds: bool = True) -> None:
        """Get the sockets; none but inherited ones unless it `binds`. Raises DoorsError."""
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._offers = settings.reuse_port and binds
        self._offer: Offer | None = None
        self._meeting: Meeting | None = None
        self.bus: LocalBus | MemoryBus = MemoryBus()
        """To whom publications are told."""
        self.outlive = False
        """Whether the sockets stay open when this server ends: whoever connects then waits for the next one."""
        try:
            self.sockets = inherited_sockets(environ, os.getpid())
            if self.sockets.back and settings.admin_address is None:
                raise DoorsError("a socket named admin was inherited, and admin_listen is not set: set it as well")
            self.outlive = bool(self.sockets)
            if self.sockets or settings.reuse_port:
                self._meeting = Meeting(meeting_path(settings.sqldir))
                self.bus = LocalBus(self._meeting, self._name)
            handed = ask(self._meeting) if self._meeting is not None and self._offers else Sockets()
        except (ActivationError, MeetingError) as error:
            raise DoorsError(str(error)) from error
        if not binds:
            return
        self.sockets.front = self.sockets.front or _socket_for(settings.address, handed.front)
        if settings.admin_address is not None:
            self.sockets.back = self.sockets.back or _socket_for(settings.admin_address, handed.back)

    def set_backlog(self, backlog: int) -> None:
        """Let so many connections wait to be accepted (listen(2) says that anew); nothing once it is closed."""
        for listening in [*self.sockets.front, *self.sockets.back]:
            if listening.fileno() >= 0:
                listening.listen(backlog)

    async def meet(self) -> None:
        """Find the other servers, and be found. Raises DoorsError."""
        if isinstance(self.bus, LocalBus):
            try:
                await self.bus.start()
            except MeetingError as error:
                raise DoorsError(str(error)) from error

    def offer(self) -> None:
        """The sockets are accepted from: let the next server have them too. Raises DoorsError."""
        if self._offers and self._meeting is not None:
            try:
                self._offer = Offer(self._meeting, self._name, self.sockets)
            except OSError as error:
                raise DoorsError(f"sockets cannot be handed over: {error.strerror or error}") from error

    def withdraw(self) -> None:
        """The server is about to stop accepting."""
        if self._offer is not None:
            self._offer.close()

    @property
    def are_shared(self) -> bool:
        """Whether somebody accepts what this server no longer does, now or soon."""
        return self.outlive or self.bus.has_peers

    async def part(self) -> None:
        """Tell the others what is left to tell, and go."""
        if isinstance(self.bus, LocalBus):
            await self.bus.stop()
        if self._meeting is not None:
            self._meeting.close()


def _socket_for(address: Address, handed: list[socket.socket]) -> list[socket.socket]:
    try:
        if handed and are_bound_to(handed, address):
            return handed
        for other in handed:
            other.close()
        return listening_sockets(address)
    except OSError as error:
        raise cannot_listen(address, error) from error


def cannot_listen(address: Address, error: OSError) -> DoorsError:
    """What the operator is told."""
    advice = _ADVICE.get(error.errno or 0, "")
    return DoorsError(f"cannot listen on {address}: {error.strerror or error}{advice}")
