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

MAX_KEPT: Final = 100_000
"""Answers that are kept for all apps together."""

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
    """Answers by app and key."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, bytes, T]] = {}

    def get(self, app_key: str, key: str, now: float) -> tuple[bytes, T] | None:
        """The fingerprint of what was asked for, and its answer. `now` in monotonic seconds."""
        found = self._kept.get((app_key, key))
        if found is None or found[0] + KEPT_S <= now:
            return None
        return found[1], found[2]

    def put(self, app_key: str, key: str, fingerprint: bytes, answer: T, now: float) -> None:
        """Keep an answer."""
        kept = self._kept
        kept.pop((app_key, key), None)
        kept[app_key, key] = (now, fingerprint, answer)
        while len(kept) > MAX_KEPT or next(iter(kept.values()))[0] + KEPT_S <= now:
            del kept[next(iter(kept))]

    def forget(self, app_key: str, key: str) -> None:
        """It was not done after all."""
        self._kept.pop((app_key, key), None)
