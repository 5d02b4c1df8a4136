"""How often something may happen: token buckets, with the time as an argument."""

from typing import Final

MOST_SOURCES: Final = 50_000
"""Sources whose rate is known at a time, at some 200 bytes each."""


class TokenBucket:
    """Lets `rate` things happen in a second, and as many at once after a second of rest."""

    __slots__ = ("_at", "_tokens")

    def __init__(self) -> None:
        self._tokens: float | None = None
        """What may happen at once, below 0 after more than that has; None when nothing has happened yet."""
        self._at = 0.0

    def take(self, count: int, rate: int, now: float) -> bool:
        """Whether `count` more may happen at the time `now` (monotonic seconds); if not, nothing is used up.

        `rate` may differ from call to call. More than `rate` at once may happen when the bucket is full,
        and is paid back before anything else may.
        """
        tokens = self._refill(rate, now)
        if tokens < min(count, rate):
            return False
        self._tokens = tokens - count
        return True

    def wait(self, rate: int, now: float) -> float:
        """In how many seconds one more may happen; 0 when it may now. Uses nothing up."""
        return max(0.0, (1.0 - self._refill(rate, now)) / rate)

    def _refill(self, rate: int, now: float) -> float:
        full = float(rate)
        tokens = full if self._tokens is None else min(full, self._tokens + (now - self._at) * rate)
        self._tokens, self._at = tokens, now
        return tokens


class Buckets:
    """A token bucket for each source of something. Of too many, the one unused for longest is forgotten."""

    __slots__ = ("_buckets", "_most")

    def __init__(self, most: int = MOST_SOURCES) -> None:
        self._most = most
        self._buckets: dict[str, TokenBucket] = {}
        """In the order of their last use."""

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, source: str) -> TokenBucket:
        """The source's bucket."""
        bucket = self._buckets.pop(source, None) or TokenBucket()
        self._buckets[source] = bucket
        if len(self._buckets) > self._most:
            del self._buckets[next(iter(self._buckets))]
        return bucket

    def known(self, source: str) -> TokenBucket | None:
        """The source's bucket, if it has been asked for lately."""
        return self._buckets.get(source)
