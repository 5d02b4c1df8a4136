"""Who is really asking, when a proxy that we trust stands between.

Both headers are read from their end: every proxy appends what it was called from, so what trusted proxies say stands
there, and before it whatever the client has made up. Invariant: nothing before the first address that is not a trusted
proxy's has any effect.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

from pushery.config.settings import ForwardedHeader
from pushery.core.exchange import Request

Networks = tuple[IPv4Network | IPv6Network, ...]

_ADDRESS: Final = re.compile(r"\[([^\[\]]*)\](?::[^:]*)?|([^:]*)(?::[^:]*)?|(.*)", re.DOTALL)
"""An address in brackets or without a colon in it, each maybe with a port; or what else may be one: bare IPv6."""

_LONGEST: Final = 64
"""Characters of an address with its port: what is remembered has to be small."""

# RFC 7239 4: forwarded-pair = token "=" ( token / quoted-string ), with the space around it that RFC 9110 5.6.1 allows
# around elements.
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105  # of RFC 9110 5.6.2
_PAIR: Final = re.compile(rf'[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?[ \t]*(;|\Z)', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


class _Told(NamedTuple):
    """What one proxy says."""

    client: str
    """The address it was called from; as little as "unknown" or nothing when it does not tell."""
    proto: str
    """How it was called, in lower case; "" when it does not tell."""


def asked_by(request: Request, trusted: Networks, header: ForwardedHeader) -> tuple[str, bool]:
    """The client's "ip:port", and whether it speaks TLS: what trusted proxies say of it in `header`, or else
    `request.peer` and `request.secure`.

    The first address from the end that is not a trusted proxy's is the last one that somebody trustworthy vouches for.
    The port is 0, since hardly a proxy tells it. Where a trusted proxy hides an address, that proxy is who is asking.
    """
    if not is_trusted(request.peer, trusted):
        return request.peer, request.secure
    client, proto = "", ""
    for told in _forwarded(request) if header == "forwarded" else _x_forwarded(request):
        proto = told.proto
        host = _host_of(told.client)
        if host is None:
            break
        client = f"[{host}]:0" if host.version == 6 else f"{host}:0"
        if not _is_within(host, trusted):
            break
    return client or request.peer, proto in ("https", "wss") if proto else request.secure


def is_trusted(peer: str, trusted: Networks) -> bool:
    """Whether "ip:port" or "[ip]:port" is a trusted proxy's."""
    host = _host_of(peer)
    return host is not None and _is_within(host, trusted)


def _x_forwarded(request: Request) -> Iterator[_Told]:
    """What X-Forwarded-For says, last first. X-Forwarded-Proto is no list in step with it: its last value counts."""
    proto = request.header(b"x-forwarded-proto").rpartition(b",")[2].strip().lower().decode("latin-1")
    for entry in reversed(request.header(b"x-forwarded-for").decode("latin-1").split(",")):
        yield _Told(entry.strip(), proto)


def _forwarded(request: Request) -> Iterator[_Told]:
    """What Forwarded says (RFC 7239), last element first; one that is malformed says nothing."""
    value = request.header(b"forwarded").decode("latin-1")
    end = len(value)
    while end >= 0:
        start = _element_before(value, end)
        element = value[start:end].strip(" \t")
        if element:  # RFC 9110 5.6.1: an empty one says nothing
            pairs = _pairs(element)
            yield _Told(pairs.get("for", ""), pairs.get("proto", "").lower())
        end = start - 1


def _element_before(value: str, end: int) -> int:
    """Where the element begins that ends at `end`.

    From the end as well, for a quote that a client has opened and not closed would swallow what proxies have appended.
    """
    while True:
        comma = value.rfind(",", 0, end)
        while end > comma:
            closing = value.rfind('"', comma + 1, end)
            if closing < 0:
                return comma + 1
            end = _opening_before(value, closing)
            if end < 0:
                return 0  # malformed


def _opening_before(value: str, closing: int) -> int:
    """Where the quoted string begins whose last quote is at `closing`; -1 when nowhere."""
    at = value.rfind('"', 0, closing)
    while at > 0:
        first = at
        while first > 0 and value[first - 1] == "\\":
            first -= 1
        if (at - first) % 2 == 0:
            break
        at = value.rfind('"', 0, at)
    return at


def _pairs(element: str) -> dict[str, str]:
    """The parameters of an element, names in lower case; none when it is malformed or says something twice."""
    pairs: dict[str, str] = {}
    at = 0
    while True:
        found = _PAIR.match(element, at)
        if found is None:
            return {}
        name, token, quoted, separator = found.groups()
        if name is not None:
            name = name.lower()
            if name in pairs:
                return {}
            pairs[name] = token if token is not None else _QUOTED_PAIR.sub(r"\1", quoted)
        if not separator:
            return pairs
        at = found.end()


def _host_of(address: str) -> IPv4Address | IPv6Address | None:
    """The IP address in "ip", "ip:port", "[ip]" or "[ip]:port", mapped IPv4 as such; None when there is none."""
    return _read(address) if len(address) <= _LONGEST else None


@lru_cache(maxsize=1024)  # a proxy's connections stay, and so do its clients; reading an address costs microseconds
def _read(address: str) -> IPv4Address | IPv6Address | None:
    found = _ADDRESS.fullmatch(address)
    host = next((group for group in found.groups() if group is not None), "") if found else ""
    try:
        parsed = ip_address(host)
    except ValueError:
        return None
    if isinstance(parsed, IPv4Address):
        return parsed
    # The zone of an interface means nothing on another host, and can be any text.
    return None if parsed.scope_id else parsed.ipv4_mapped or parsed


def _is_within(host: IPv4Address | IPv6Address, networks: Networks) -> bool:
    return any(host in network for network in networks)
