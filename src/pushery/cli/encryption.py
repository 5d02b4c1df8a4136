"""Encrypted channels from their two ends: NaCl's secretbox with a key for each channel. The server never has the key.

Needs PyNaCl, which the extra `pushery[encryption]` brings. Source: Pusher Channels protocol, section 10.
"""

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from pushery.cli.credentials import read_secret
from pushery.cli.options import MISUSED, fail

if TYPE_CHECKING:
    from nacl.secret import SecretBox

_KEY_BYTES: Final = 32


class Sealed(msgspec.Struct, frozen=True):
    """The data of an encrypted event: 24 bytes and a ciphertext, both in base64."""

    nonce: str
    ciphertext: str


def read_key(text: str) -> bytes | None:
    """The master key of an app's encrypted channels, from base64 or "@FILE"; None for "". A wrong one is an error."""
    if not text:
        return None
    try:
        key = base64.b64decode(read_secret("--encryption-key", text), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        fail("--encryption-key takes 32 bytes in base64, or @FILE with them", code=MISUSED)
    _box(key, "")  # the library that it takes is looked for now, and not when the first event comes
    return key


def seal(key: bytes, channel: str, data: str) -> str:
    """What is published on an encrypted channel instead of `data`."""
    sealed = _box(key, channel).encrypt(data.encode())
    nonce, ciphertext = base64.b64encode(sealed.nonce).decode(), base64.b64encode(sealed.ciphertext).decode()
    return msgspec.json.encode(Sealed(nonce, ciphertext)).decode()


def unseal(key: bytes, channel: str, data: str) -> str | None:
    """What was published; None when this is not the key, or `data` is not what `seal` makes."""
    from nacl.exceptions import CryptoError

    try:
        sealed = msgspec.json.decode(data, type=Sealed)
        nonce, ciphertext = base64.b64decode(sealed.nonce), base64.b64decode(sealed.ciphertext)
        return _box(key, channel).decrypt(ciphertext, nonce).decode()
    except (CryptoError, msgspec.DecodeError, ValueError):
        return None


def _box(key: bytes, channel: str) -> "SecretBox":
    try:
        from nacl.secret import SecretBox
    except ImportError:
        fail("--encryption-key needs PyNaCl: pip install 'pushery[encryption]'")
    return SecretBox(hashlib.sha256(channel.encode() + key).digest())
