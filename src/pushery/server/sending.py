"""The short way for a frame: straight into the socket.

A transport's `write` costs as much again as the system call behind it. While a transport has nothing to send, a
frame can go past it. So that "nothing to send" need not be asked for every frame, the transport is made to pause as
soon as it holds anything at all: an unpaused transport is an empty one.
"""

import asyncio
import socket


def plain_socket(transport: asyncio.Transport) -> socket.socket | None:
    """A second handle on the transport's socket, for `send` alone; None where bytes have to go through the transport.

    It does not own the descriptor: `detach` it before the transport closes. The transport pauses its protocol from
    now on whenever something waits in it, and resumes it when nothing does.
    """
    found = transport.get_extra_info("socket")
    if found is None or transport.get_extra_info("sslcontext") is not None:
        return None
    transport.set_write_buffer_limits(high=0)
    return socket.socket(found.family, found.type, found.proto, fileno=found.fileno())
