"""A fair choice of many: whatever comes, at most so many are kept, spread evenly over all of them.

Every n-th is kept; when there are too many, every other one is let go and n doubles. So keeping costs next to nothing
however much comes, and nothing has to be known of it beforehand. Invariant: what is kept is in order.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Sample(Generic[T]):
    """Takes what comes between two calls of `take`."""

    __slots__ = ("_every", "_kept", "_most", "_skip", "seen")

    def __init__(self, most: int) -> None:
        self._most = most
        self.seen = 0
        """How many have come."""
        self._begin()

    def _begin(self) -> None:
        self._kept: list[T] = []
        self._every = 1
        self._skip = 0

    def add(self, item: T) -> None:
        """One more."""
        self.seen += 1
        if self._skip:
            self._skip -= 1
            return
        if len(self._kept) >= self._most:
            self._kept = self._kept[::2]
            self._every *= 2
        self._kept.append(item)
        self._skip = self._every - 1

    def take(self) -> tuple[int, list[T]]:
        """How many have come since the last call, and those that were kept; begins anew."""
        taken = self.seen, self._kept
        self.seen = 0
        self._begin()
        return taken
