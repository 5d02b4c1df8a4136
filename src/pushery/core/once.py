"""What has been done once and must not be done again: the answers to publishes that carry an idempotency key.

Held in memory, so a restart forgets. Bounded in number and in time; the oldest goes first.
"""

import re
from typing import Final, Generic, TypeVar

from pushery.core.exchange import Request

MAX_KEY: Final = 255
"""Characters of an idempotency key."""

_VISIBLE: Final = re.compile(rb"[!-~]{1,%d}" % MAX_KEY)

KEPT_S: Final = 3600.0
"""Seconds that an answer is kept. Libraries retry within minutes."""

MAX_KEPT: Final = 10_000
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""How many answers of one app are kept, and of how many bytes; the oldest goes first."""

T = TypeVar("T")


def idempotency_key(request: Request) -> str:
    """The Idempotency-Key header, "" when there is none. Raises ValueError when it is no key; says what one is."""
    sent = request.headers.get(b"idempotency-key")
    if sent is None:
        return ""
    if not _VISIBLE.fullmatch(sent):
        raise ValueError(f"An Idempotency-Key is 1 to {MAX_KEY} visible ASCII characters")
    return sent.decode()


class Remembered(Generic[T]):
    """The answers of one app, by key. Times are monotonic seconds."""

    __slots__ = ("_bytes", "_kept")

    def __init__(self) -> None:
        self._bytes = 0
        self._kept: dict[str, tuple[float, bytes, T, int]] = {}
        """Since when, the fingerprint, the answer and its size; the oldest first."""

    def get(self, key: str, now: float) -> tuple[bytes, T] | None:
        """The fingerprint of what was asked for, and its answer."""
        found = self._kept.get(key)
        if found is None or found[0] + KEPT_S <= now:
            return None
        return found[1], found[2]

    def put(self, key: str, fingerprint: bytes, answer: T, size: int, now: float) -> None:
        """Keep an answer of `size` bytes."""
        self.forget(key)
        self._kept[key] = (now, fingerprint, answer, size)
        self._bytes += size
        while self._kept and self._is_too_much(now):
            self.forget(next(iter(self._kept)))

    def forget(self, key: str) -> None:
        """It was not done after all, or long ago."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found[3]

    def _is_too_much(self, now: float) -> bool:
        oldest = next(iter(self._kept.values()))[0]
        return len(self._kept) > MAX_KEPT or self._bytes > MAX_KEPT_BYTES or oldest + KEPT_S <= now
