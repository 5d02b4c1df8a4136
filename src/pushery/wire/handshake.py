"""The opening handshake of RFC 6455 (4.2), server side, as a function from request to answer."""

import base64
import binascii
import hashlib
from typing import Final

from pushery.core.exchange import Refusal, Request

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION: Final = (("Sec-WebSocket-Version", "13"),)


def check_handshake(request: Request) -> bytes:
    """The value for Sec-WebSocket-Accept. Raises a Refusal (400) that says what is wrong with the handshake."""
    if request.method != "GET":
        raise _refusal("A WebSocket handshake is a GET request.")
    if request.version != "1.1":
        raise _refusal("A WebSocket handshake needs HTTP/1.1.")
    if b"websocket" not in _tokens(request.header(b"upgrade")):
        raise _refusal("This address is a WebSocket: send 'Upgrade: websocket'.")
    if b"upgrade" not in _tokens(request.header(b"connection")):
        raise _refusal("The handshake lacks 'Connection: Upgrade'.")
    if request.header(b"sec-websocket-version") != b"13":
        raise _refusal("Only WebSocket version 13 is spoken here: send 'Sec-WebSocket-Version: 13'.")
    key = request.header(b"sec-websocket-key")
    if not _is_nonce(key):
        raise _refusal("Sec-WebSocket-Key must be 16 bytes in base64.")
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def handshake_answer(accept: bytes, extension: bytes = b"") -> bytes:
    """The 101 response. `extension` is the value of Sec-WebSocket-Extensions when one was agreed on."""
    offer = b"\r\nSec-WebSocket-Extensions: " + extension if extension else b""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + offer
        + b"\r\n\r\n"
    )


def _refusal(message: str) -> Refusal:
    return Refusal(400, "bad_handshake", message, headers=_VERSION)


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]


def _is_nonce(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
