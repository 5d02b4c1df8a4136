"""The PROXY protocol, versions 1 and 2, receiving side, sans-I/O: who is connected to the proxy, told before all else.

Does not decide whether a connection begins with a header, nor whether its sender is believed: who asks this reader has
decided both, for a receiver must never guess (section 2 of the specification). Source: HAProxy's proxy-protocol.txt.

Invariant: a connection is read the same whatever the pieces it comes in, and what is not exactly one header is refused
after at most 107 bytes (version 1) or 2 KiB and a bit (version 2).
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

UNKNOWN_PEER: Final = "unknown:0"
"""Of a client whose address the proxy does not know or cannot tell."""

_V1_START: Final = b"PROXY "
_V1_LONGEST: Final = 107
"""Bytes of the longest line, its end included (section 2.1)."""
_V1_LINE: Final = re.compile(r"PROXY (TCP4|TCP6) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})", re.ASCII)

_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD: Final = 16
_V2_LONGEST: Final = 2048
"""Bytes after the first 16: addresses take 216 at most, and what proxies add to them is a few names."""

_LOCAL, _PROXY = 0x0, 0x1
_UNSPEC, _INET, _INET6, _UNIX = 0x0, 0x1, 0x2, 0x3
_ADDRESSES: Final = {_INET: 12, _INET6: 36, _UNIX: 216}
"""Bytes of both addresses, by family (section 2.2)."""
_STREAM, _DATAGRAM = 0x1, 0x2

_TLV_SSL: Final = 0x20
_SSL_LEAST: Final = 5
_CLIENT_SSL: Final = 0x01
"""The bit that says that the client came by TLS (section 2.2.6)."""


class ProxyHeaderError(ValueError):
    """What came is no PROXY header. The message says why, for the log, and quotes nothing."""


class ProxyHeader(NamedTuple):
    """What a header says."""

    peer: str | None
    """The client's "ip:port" or "[ip]:port", or UNKNOWN_PEER; None when the proxy itself is the client, as in its
    health checks (LOCAL)."""
    secure: bool
    """Whether the client came to the proxy by TLS. Version 1 cannot tell, nor does every proxy tell it in version 2."""
    rest: bytes
    """What came behind it: the client's first bytes."""


class ProxyHeaderReader:
    """Reads the header at the start of one connection."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> ProxyHeader | None:
        """Take in bytes; None while the header is not complete. Raises ProxyHeaderError. Not to be called after it has
        returned a header or raised.
        """
        buffer = self._buffer = self._buffer + data
        if _begins(buffer, _V1_START):
            return _read_v1(buffer)
        if _begins(buffer, _V2_SIGNATURE):
            return _read_v2(buffer)
        raise ProxyHeaderError("neither version 1 nor version 2 begins like this")


def _begins(buffer: bytes, start: bytes) -> bool:
    """Whether it begins so, as far as it has come."""
    return buffer.startswith(start) or start.startswith(buffer)


def _read_v1(buffer: bytes) -> ProxyHeader | None:
    """Section 2.1: one line of text."""
    end = buffer.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        if len(buffer) >= _V1_LONGEST:
            raise ProxyHeaderError("a line of version 1 ends within 107 bytes")
        return None
    line, rest = buffer[:end].decode("latin-1"), buffer[end + 2 :]
    if line == "PROXY UNKNOWN" or line.startswith("PROXY UNKNOWN "):
        return ProxyHeader(UNKNOWN_PEER, False, rest)
    found = _V1_LINE.fullmatch(line)
    if found is None:
        raise ProxyHeaderError("a line of version 1 is not of the form that it has to have")
    family, source, destination, *ports = found.groups()
    read = _v4 if family == "TCP4" else _v6
    try:
        host, _ = read(source), read(destination)
    except ValueError:
        raise ProxyHeaderError(f"an address of {family} is none") from None
    if any(int(port) > 65535 for port in ports):
        raise ProxyHeaderError("a port is above 65535")
    return ProxyHeader(_shown(host, int(ports[0])), False, rest)


def _v4(text: str) -> IPv4Address | IPv6Address:
    return IPv4Address(text)


def _v6(text: str) -> IPv4Address | IPv6Address:
    if "%" in text:  # the zone of an interface means nothing on another host
        raise ValueError
    return IPv6Address(text)


def _read_v2(buffer: bytes) -> ProxyHeader | None:
    """Section 2.2: 16 bytes, addresses, and further values by type and length."""
    if len(buffer) < _V2_HEAD:
        return None
    version, command = buffer[12] >> 4, buffer[12] & 0x0F
    family, transport = buffer[13] >> 4, buffer[13] & 0x0F
    size = int.from_bytes(buffer[14:16], "big")
    if version != 2:
        raise ProxyHeaderError("the version behind the signature of version 2 is another one")
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("the command is neither LOCAL nor PROXY")
    if size > _V2_LONGEST:
        raise ProxyHeaderError(f"a header of version 2 has at most {_V2_LONGEST} bytes here after its first 16")
    if len(buffer) < _V2_HEAD + size:
        return None
    block, rest = buffer[_V2_HEAD : _V2_HEAD + size], buffer[_V2_HEAD + size :]
    if command == _LOCAL:
        return ProxyHeader(None, False, rest)
    if (family, transport) == (_UNSPEC, _UNSPEC):
        return ProxyHeader(UNKNOWN_PEER, False, rest)
    # A client of HTTP/3 came to the proxy in datagrams: its address is an address too.
    if family not in _ADDRESSES or transport not in (_STREAM, _DATAGRAM):
        raise ProxyHeaderError("the family or protocol of the addresses is not one of the specification's")
    if size < _ADDRESSES[family]:
        raise ProxyHeaderError("the header is too short for its addresses")
    return ProxyHeader(_peer_v2(family, block), _is_secure(block[_ADDRESSES[family] :]), rest)


def _peer_v2(family: int, block: bytes) -> str:
    if family == _INET:
        return _shown(IPv4Address(block[:4]), int.from_bytes(block[8:10], "big"))
    if family == _INET6:
        return _shown(IPv6Address(block[:16]), int.from_bytes(block[32:34], "big"))
    return UNKNOWN_PEER


def _is_secure(values: bytes) -> bool:
    """Whether PP2_TYPE_SSL is among the values and says that the client came by TLS; the others are skipped."""
    secure, at = False, 0
    while at < len(values):
        start = at + 3
        end = start + int.from_bytes(values[at + 1 : start], "big")
        if start > len(values) or end > len(values):
            raise ProxyHeaderError("a value behind the addresses is longer than the header")
        if values[at] == _TLV_SSL:
            if end - start < _SSL_LEAST:
                raise ProxyHeaderError("the value about TLS is too short")
            secure = bool(values[start] & _CLIENT_SSL)
        at = end
    return secure


def _shown(host: IPv4Address | IPv6Address, port: int) -> str:
    """As everywhere: IPv4 that came as IPv6 is shown as IPv4."""
    if isinstance(host, IPv6Address):
        if host.ipv4_mapped is None:
            return f"[{host}]:{port}"
        host = host.ipv4_mapped
    return f"{host}:{port}"
