"""Encrypts the columns that hold secrets, so that a copy of the database file alone gives nothing away.

Does not know where the key comes from (`keyfile`) nor which columns are sealed (`apps`). Invariant: a sealed
value opens with its own key and in its own context, or not at all; never to another text.
"""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pushery.core.ports import StorageError

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # NIST SP 800-38D 8.2.2: random nonces of 96 bits are safe for 2**32 values under one key
VERSION = b"\x01"  # AES-256-GCM; a later algorithm takes the next byte


class Sealer:
    """Seals and unseals with one key. A sealed value is: version byte, nonce, ciphertext with its tag."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, plain: str, context: str) -> bytes:
        """`context` names the place of the value ("app_key:column"): moved elsewhere, it does not open."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plain.encode(), _bound_to(context))

    def unseal(self, sealed: object, context: str) -> str:
        """What `seal` was given. `StorageError` when key, context or a single bit differ."""
        # `object`: SQLite stores whatever type it is handed, so a column of bytes may hold something else.
        if not isinstance(sealed, bytes) or sealed[:1] != VERSION:
            raise StorageError("a sealed value has an unknown format")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _bound_to(context)).decode()
        except (InvalidTag, ValueError):  # ValueError: cut so short that the nonce is no nonce
            raise StorageError("a sealed value was altered or sealed with another key") from None


def decode_key(text: str) -> bytes | None:
    """The key, or None when `text` is not the base64 of exactly 32 bytes."""
    standard = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _bound_to(context: str) -> bytes:
    return VERSION + context.encode()
