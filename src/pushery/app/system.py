"""What is asked of the operating system before the first client comes."""

import gc
import resource
import socket
from typing import Final

from pushery.config import Address

_GC_THRESHOLDS: Final = (50_000, 50, 100)
"""No cycles are made per connection, so the collector has next to nothing to find: let it look rarely."""


def raise_descriptor_limit() -> int:
    """Raise the limit on open files, which every socket counts against, to the hard limit; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # some systems name a hard limit that they do not grant
        return soft
    return hard


def settle_collector() -> None:
    """What lives now lives as long as the process: take it out of the collector's sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def listening_sockets(address: Address) -> list[socket.socket]:
    """Sockets bound to `address`: one, or one for each address that a host name has. Raises OSError."""
    if not address.host:
        if socket.has_dualstack_ipv6():
            return [_bind(socket.AF_INET6, ("::", address.port), both=True)]
        return [_bind(socket.AF_INET, ("0.0.0.0", address.port))]  # noqa: S104  # what ":8001" asks for
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, _, _, _, sockaddr in dict.fromkeys(found):
            host, port = str(sockaddr[0]), int(sockaddr[1])
            if bound and port == 0:
                port = int(bound[0].getsockname()[1])  # the same free port for every address of the host
            bound.append(_bind(family, (host, port)))
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return bound


def _bind(family: int, address: tuple[str, int], *, both: bool = False) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening
