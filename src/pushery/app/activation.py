"""What systemd hands to a service, and wants to hear from it: sd_listen_fds(3) and sd_notify(3).

Needs no library of systemd's. Whoever else speaks these two protocols (a test, another supervisor) is served as well.
Invariant: what is inherited and is of no use is an error that names it, never a silent fall-back.
"""

import os
import socket
from collections.abc import MutableMapping
from typing import Final

FIRST_DESCRIPTOR: Final = 3
ADMIN: Final = "admin"
"""The name (FileDescriptorName=) of a socket that takes the place of `admin_listen`; all others are for `listen`."""

_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


class ActivationError(Exception):
    """What was inherited cannot be listened on. The message is one line for the operator."""


class Sockets:
    """Listening sockets by what they are for: `front` in place of `listen`, `back` in place of `admin_listen`."""

    def __init__(self) -> None:
        self.front: list[socket.socket] = []
        self.back: list[socket.socket] = []

    def __bool__(self) -> bool:
        return bool(self.front or self.back)

    def close(self) -> None:
        """Let go of all of them."""
        for listening in (*self.front, *self.back):
            listening.close()


def inherited_sockets(environ: MutableMapping[str, str], pid: int) -> Sockets:
    """The sockets that this process, `pid`, was started with; none when they are meant for another one.

    The variables are taken out of `environ`, so that no child thinks they are its own. Raises ActivationError.
    """
    said = {name: environ.pop(name, "") for name in _VARIABLES}
    sockets = Sockets()
    if said["LISTEN_PID"] != str(pid):
        return sockets
    count = int(said["LISTEN_FDS"]) if said["LISTEN_FDS"].isdecimal() and said["LISTEN_FDS"].isascii() else 0
    names = said["LISTEN_FDNAMES"].split(":") if said["LISTEN_FDNAMES"] else []
    try:
        for number in range(count):
            name = names[number] if number < len(names) else ""
            listening = _adopted(FIRST_DESCRIPTOR + number, name)
            (sockets.back if name == ADMIN else sockets.front).append(listening)
    except ActivationError:
        sockets.close()
        raise
    return sockets


def _adopted(descriptor: int, name: str) -> socket.socket:
    what = f"the inherited socket {name or 'without a name'} (descriptor {descriptor})"
    try:
        os.set_inheritable(descriptor, False)
        listening = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ActivationError(f"{what} is no socket: {error.strerror or error}") from error
    why = _why_not(listening)
    if why:
        listening.close()
        raise ActivationError(f"{what} {why}: in the socket unit, use ListenStream= with a port, and Accept=no")
    return listening


def _why_not(listening: socket.socket) -> str:
    """What keeps a socket from being listened on; "" when nothing does."""
    if listening.family not in (socket.AF_INET, socket.AF_INET6) or listening.type != socket.SOCK_STREAM:
        return "is not TCP"
    if not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "does not listen"
    return ""


def notify(environ: MutableMapping[str, str], *states: str) -> None:
    """Tell whoever supervises this process, such as "READY=1"; nobody, when nobody asked. Never raises."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # in Linux's abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
            speaker.setblocking(False)
            speaker.sendto("\n".join(states).encode(), address)
    except OSError:  # a supervisor that does not listen must not keep anybody from serving
        return
