"""From where something comes, for limits that count each source apart."""

from functools import lru_cache
from ipaddress import ip_network


def source_of(peer: str) -> str:
    """The source behind a peer's "ip:port" or "[ip]:port": its IPv4 address, or the /64 network of its IPv6 address.

    A /64 is what one subscriber gets (RFC 6177), who could take another address of it for every connection.
    """
    host = peer.rpartition(":")[0]
    return _network(host[1:-1]) if host.startswith("[") else host


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        return str(ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host
