"""What has been done once and must not be done again: the answers to publishes that carry an idempotency key.

Held in memory, so a restart forgets. Bounded in number and in time; the oldest goes first.
"""

from typing import Final, Generic, TypeVar

KEPT_S: Final = 3600.0
"""Seconds that an answer is kept. Libraries retry within minutes."""

MAX_KEPT: Final = 100_000
"""Answers that are kept for all apps together."""

T = TypeVar("T")


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
