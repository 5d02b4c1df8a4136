"""Who is really asking, when a proxy that we trust stands between."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from pushery.core.exchange import Request

Networks = tuple[IPv4Network | IPv6Network, ...]


def forwarded_peer(request: Request, trusted: Networks) -> str:
    """The client's "ip:port" from X-Forwarded-For, if the connection comes from a trusted proxy; else the peer as
    it is.

    Every proxy appends the address it was called from, so the list is read from its end: the first address that is
    not a trusted proxy's is the last one that somebody trustworthy vouches for. The port is 0, since no proxy tells
    it.
    """
    if not _is_trusted(_host_of(request.peer), trusted):
        return request.peer
    client = ""
    for entry in reversed(request.header(b"x-forwarded-for").decode("latin-1").split(",")):
        host = _host_of(entry.strip())
        if not host:
            break
        client = host
        if not _is_trusted(host, trusted):
            break
    if not client:
        return request.peer
    return f"[{client}]:0" if ":" in client else f"{client}:0"


def forwarded_secure(request: Request, trusted: Networks) -> bool:
    """Whether the client speaks TLS: to a trusted proxy (X-Forwarded-Proto), or else to us.

    Ask before `peer` changes.
    """
    told = request.header(b"x-forwarded-proto").rpartition(b",")[2].strip().lower()
    if not told or not _is_trusted(_host_of(request.peer), trusted):
        return request.secure
    return told in (b"https", b"wss")


def _host_of(address: str) -> str:
    """The IP address in "ip", "ip:port", "[ip]" or "[ip]:port", mapped IPv4 as such; "" when there is none."""
    host = address
    if address.startswith("["):
        host = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        host = address.partition(":")[0]
    try:
        parsed = ip_address(host)
    except ValueError:
        return ""
    return str((isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed)


def _is_trusted(host: str, trusted: Networks) -> bool:
    if not host:
        return False
    address = ip_address(host)
    return any(address in network for network in trusted)
