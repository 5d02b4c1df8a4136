"""Which addresses a webhook may lead to: without leave, public ones only.

Otherwise whoever may set an app's webhooks could make the server send requests into the network it stands in. Judges
the numeric address of a connection about to be made, so names, odd spellings and answers of a resolver that change
make no difference. Resolves and connects nothing.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_SPECIAL: Final = (IPv4Network("192.0.0.0/24"), IPv6Network("64:ff9b:1::/48"))  # not known to every Python 3.11
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291, section 2.5.5.1


def is_public(address: str) -> bool:
    """Whether a numeric address, as `getaddrinfo` gives it, is one that everybody on the internet could reach."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_global(one) for one in (parsed, *_embedded(parsed)))


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None or address in _NAT64:
            return True  # only a way of writing the IPv4 address, which is judged beside it
        if address in _COMPATIBLE:
            return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]
