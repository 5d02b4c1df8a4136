"""HMAC-SHA256 (RFC 2104) with keys that are used again and again.

The part of the work that depends on the key alone is done once: a signature of a short text then costs two thirds.
"""

import hmac
from functools import lru_cache


def signature(secret: str, text: bytes) -> str:
    """The HMAC of `text`, in lower-case hex."""
    mac = _begun(secret).copy()
    mac.update(text)
    return mac.hexdigest()


@lru_cache(maxsize=1024)
def _begun(secret: str) -> hmac.HMAC:
    """The MAC with the key in it, and no text yet."""
    return hmac.new(secret.encode(), digestmod="sha256")
