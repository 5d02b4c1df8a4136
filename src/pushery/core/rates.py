"""How often something may happen: a token bucket, with the time as an argument."""


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
        full = float(rate)
        tokens = full if self._tokens is None else min(full, self._tokens + (now - self._at) * rate)
        self._at = now
        if tokens < min(count, rate):
            self._tokens = tokens
            return False
        self._tokens = tokens - count
        return True
