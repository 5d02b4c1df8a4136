"""What is asked of the operating system before the first client comes."""

import errno
import gc
import resource
import socket
from collections.abc import Sequence
from typing import Final, NamedTuple

from pushery.config import Address
from pushery.server.pauses import PAUSES

_GC_THRESHOLDS: Final = (2_000, 5, 1_000)
"""No cycles are made per connection or message, so next to nothing is to be found, and most of it young: the young are
looked at often, some 12,000 objects at most at a time, and all of them hardly ever, which would hold up everybody."""


def raise_descriptor_limit() -> int:
    """Raise the limit on open files, which every socket counts against, to the hard limit; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # some systems name a hard limit that they do not grant
        return soft
    return hard


def descriptor_limit() -> int:
    """How many files the process may have open as it is."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def settle_collector() -> None:
    """What lives now lives as long as the process: take it out of the collector's sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    PAUSES.watch()


_NOT_HERE: Final = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))
"""What binding says of an address that a host name has and this machine has not: in many containers, "::1"."""


class _Place(NamedTuple):
    """Where a socket is bound. `both`: an IPv6 socket that takes IPv4 as well."""

    family: int
    host: str
    port: int
    both: bool = False


def listening_sockets(address: Address) -> list[socket.socket]:
    """Sockets bound to `address`: one, or one for each address that a host name has here. Raises OSError."""
    bound: list[socket.socket] = []
    missing: OSError | None = None
    for place in _places(address):
        port = place.port
        if bound and port == 0:
            port = int(bound[0].getsockname()[1])  # the same free port for every address of the host
        try:
            bound.append(_bind(place._replace(port=port)))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                for listening in bound:
                    listening.close()
                raise
            missing = error
    if missing is not None and not bound:
        raise missing
    return bound


def are_bound_to(sockets: Sequence[socket.socket], address: Address) -> bool:
    """Whether these sockets are what `listening_sockets` may give, on any port where any is free. Raises OSError."""
    bound = {(listening.family, *listening.getsockname()[:2]) for listening in sockets}
    ports = {port for _, _, port in bound}
    port = ports.pop() if not address.port and len(ports) == 1 else address.port
    return bool(bound) and bound <= {(place.family, place.host, port) for place in _places(address)}


def _places(address: Address) -> list[_Place]:
    if not address.host:
        if socket.has_dualstack_ipv6():
            return [_Place(socket.AF_INET6, "::", address.port, both=True)]
        return [_Place(socket.AF_INET, "0.0.0.0", address.port)]  # noqa: S104  # what ":8001" asks for
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [_Place(family, str(name[0]), int(name[1])) for family, _, _, _, name in dict.fromkeys(found)]


def _bind(place: _Place) -> socket.socket:
    listening = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if place.family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if place.both else 1)
        listening.bind((place.host, place.port))
    except OSError:
        listening.close()
        raise
    return listening
