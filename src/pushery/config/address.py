"""Settings whose text means more than text: the listening address, proxies, origins, account, sealing key.

Only the text is looked at: nothing is resolved, bound or opened. Invariant: every function returns a value or
raises `ValueError` with a message that says what was expected and never quotes the text.
"""

import base64
import binascii
import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LISTEN: Final = re.compile(r"(\[[^\[\]]+\]|[A-Za-z0-9._-]*):([0-9]{1,5})")
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#,]+", re.IGNORECASE)
SECRET_KEY_BYTES: Final = 32


class Address(msgspec.Struct, frozen=True):
    """Where to listen. `host` "" means every interface, IPv4 and IPv6; `port` 0 means any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> Address:
    """Read ":8001", "127.0.0.1:8001", "example.org:8001" or "[::1]:8001"."""
    match = _LISTEN.fullmatch(text)
    if match is None:
        if text.count(":") > 1:
            raise ValueError('expected an IPv6 address in brackets, such as "[::1]:8001"')
        raise ValueError('expected ":port" or "host:port", such as ":8001" or "127.0.0.1:8001"')
    host, port = match[1], int(match[2])
    if port > 65535:
        raise ValueError("expected a port from 0 to 65535")
    if host.startswith("["):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError('expected an IPv6 address between the brackets, such as "[::1]:8001"') from None
    return Address(host, port)


def check_url(text: str) -> None:
    """Accept an http or https URL with a host, without a query: "http://localhost:4318"."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise ValueError('expected an http or https URL, such as "http://localhost:4318"')


def parse_network(text: str) -> Network:
    """Read an IP address ("10.0.0.7") or a network ("10.0.0.0/8"), IPv4 or IPv6."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError("expected a network whose bits after the prefix are zero, such as 10.0.0.0/8") from None
        raise ValueError("expected IP addresses or networks, such as 10.0.0.7 or 10.0.0.0/8") from None


def check_origin(text: str) -> None:
    """Accept "*" or an origin as browsers send it: scheme, host, maybe a port, no path (RFC 6454 6.2)."""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError('expected origins such as "https://example.org" (no path, no final slash), or "*"')


def check_account(text: str) -> None:
    """Refuse an account that could never log in: Basic credentials end the name at the first colon (RFC 7617 2)."""
    if ":" in text:
        raise ValueError("expected a name without a colon")


def decode_secret_key(text: str) -> bytes:
    """The 32 bytes that `secret_key` spells in base64, standard or URL-safe alphabet, padded or not."""
    standard = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != SECRET_KEY_BYTES:
        raise ValueError("expected 32 bytes in base64, as `openssl rand -base64 32` prints them")
    return key
