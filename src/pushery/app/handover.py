"""Hands the listening sockets of a running server to the one that is to take its place.

Both then accept from one queue, which the kernel keeps until the last of them has closed it: so no connection is
refused or lost, whichever of the two stops, in order or not. SO_REUSEPORT gives each its own queue instead, and what
waits in it dies with it (measured: docs/how-to/restart-without-interruption.md). Invariant: a server gives away only
sockets that it accepts from, and keeps its own until it stops.
"""

import array
import asyncio
import contextlib
import socket
from typing import Final

import msgspec
import structlog

from pushery.app.activation import Sockets
from pushery.bus.meeting import Meeting

log = structlog.get_logger("pushery.app")

KIND: Final = "doors"
ANSWER_S: Final = 3.0
"""How long to wait for a running server's answer; it may be in the midst of a huge broadcast."""

_MOST: Final = 64
"""Sockets: one for each address of a host name."""


class _Doors(msgspec.Struct):
    """How many sockets come along: first those of `front`."""

    front: int
    back: int


class Offer:
    """A running server's: gives its sockets to every server of the same user that asks."""

    def __init__(self, meeting: Meeting, name: str, sockets: Sockets) -> None:
        """`name` is the server's in the meeting. Raises OSError."""
        self._meeting = meeting
        self._name = name
        self._said = msgspec.json.encode(_Doors(len(sockets.front), len(sockets.back)))
        # Copies: the event loop owns the ones it was given.
        self._given = [listening.dup() for listening in (*sockets.front, *sockets.back)]
        self._listening = meeting.listen(name, KIND)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._listening, self._give)

    def close(self) -> None:
        """Give no more. Must come before the server stops accepting: its port stays open as long as this does."""
        self._meeting.remove(self._name, KIND)
        self._loop.remove_reader(self._listening)
        for held in (self._listening, *self._given):
            held.close()

    def _give(self) -> None:
        try:
            asker, _ = self._listening.accept()
        except OSError:
            return
        with asker, contextlib.suppress(OSError):  # whoever has gone away meanwhile needs nothing
            asker.setblocking(False)
            descriptors = array.array("i", [given.fileno() for given in self._given])
            asker.sendmsg([self._said], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
            log.info("sockets_handed_over", count=len(self._given))


def ask(meeting: Meeting) -> Sockets:
    """The sockets of a running server; none when none runs, or none answers. Blocks for `ANSWER_S` at most."""
    for name in meeting.names(KIND):
        connection = meeting.connect(name, KIND)
        if connection is None:
            continue
        with connection:
            connection.settimeout(ANSWER_S)
            try:
                return _received(connection)
            except (OSError, msgspec.MsgspecError, ValueError) as error:
                log.warning("sockets_not_handed_over", server=name, error=str(error) or type(error).__name__)
    return Sockets()


def _received(connection: socket.socket) -> Sockets:
    said, descriptors, flags, _ = socket.recv_fds(connection, 4096, _MOST)
    received = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    sockets = Sockets()
    try:
        doors = msgspec.json.decode(said, type=_Doors)
        if flags & socket.MSG_CTRUNC or doors.front + doors.back != len(received):
            raise ValueError(f"{len(received)} sockets have come of {doors.front + doors.back}")
    except (msgspec.MsgspecError, ValueError):
        for one in received:
            one.close()
        raise
    for one in received:
        one.set_inheritable(False)
    sockets.front, sockets.back = received[: doors.front], received[doors.front :]
    return sockets
