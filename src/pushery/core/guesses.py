"""Who tries passwords: how often wrong credentials came from where.

Past the limit a source is not listened to any more, since a guess that is looked at may be the right one. Credentials
that have been right from there before are: else one who guesses could lock out the backends behind his own proxy.
"""

from typing import Final

from pushery.core.rates import Buckets

_MOST_RIGHT: Final = 10_000
"""Pairs of source and credentials that are remembered; past that all are forgotten, and those that come back are
remembered anew."""

_MINUTE_S: Final = 60.0


class Guesses:
    """`limit` is the number of wrong credentials of one source in a minute; 0: any number. It may be changed."""

    __slots__ = ("_right", "_wrong", "limit", "suspicious")

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.suspicious = False
        """Whether any wrong credentials have come yet."""
        self._wrong = Buckets()
        self._right: set[tuple[str, str]] = set()

    def wait(self, source: str, credentials: str, now: float) -> float:
        """For how many seconds these credentials of this source are not looked at; 0 when they are."""
        limit = self.limit
        bucket = self._wrong.known(source) if limit else None
        if bucket is None:
            return 0.0
        minutes = bucket.wait(limit, now / _MINUTE_S)
        return 0.0 if not minutes or (source, credentials) in self._right else minutes * _MINUTE_S

    def wrong(self, source: str, now: float) -> bool:
        """Take note of wrong credentials; whether these were the last that are looked at for now."""
        limit = self.limit
        if not limit:
            return False
        self.suspicious = True
        bucket, minutes = self._wrong.of(source), now / _MINUTE_S
        return bucket.take(1, limit, minutes) and bucket.wait(limit, minutes) > 0

    def right(self, source: str, credentials: str) -> None:
        """Take note of credentials that are right."""
        pair = (source, credentials)
        if self.limit and pair not in self._right:
            if len(self._right) >= _MOST_RIGHT:
                self._right.clear()
            self._right.add(pair)
