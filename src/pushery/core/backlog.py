"""What waits in this process for others to read it or to send the rest of it, in bytes, and who holds it.

Each holder has a bound of its own; this is the bound of all together. It closes nobody: whoever made it is told once
when there is too much, and asks who has to go.
"""

from collections.abc import Callable
from heapq import nlargest
from typing import Final, Protocol

_ENOUGH: Final = 0.9
"""How full it may stay when room has been made: a tenth of room, or it would be full again at once."""

_AT_ONCE: Final = 64
"""Holders looked for at a time: mostly few hold nearly all."""


class Holder(Protocol):
    """Something that holds bytes of one client."""

    def give_up(self) -> None:
        """Let go of what it holds, and see to it that the client's connection ends. Changes no audience
        at once: it may stand within a fan-out."""


class Backlog:
    """`limit` is in bytes, and may be changed."""

    __slots__ = ("_full", "_on_full", "_sizes", "limit", "size")

    def __init__(self, limit: int, on_full: Callable[[], object]) -> None:
        """`on_full` is called when the limit is passed, and not again before `make_room`."""
        self.limit = limit
        self.size = 0
        self._sizes: dict[Holder, int] = {}
        self._on_full = on_full
        self._full = False

    def __len__(self) -> int:
        return len(self._sizes)

    def hold(self, holder: Holder, size: int) -> None:
        """`holder` holds `size` bytes now."""
        self.size += size - self._sizes.get(holder, 0)
        self._sizes[holder] = size
        if self.size > self.limit and not self._full:
            self._full = True
            self._on_full()

    def release(self, holder: Holder) -> None:
        """`holder` holds nothing any more; harmless when it held nothing."""
        self.size -= self._sizes.pop(holder, 0)

    def make_room(self) -> int:
        """Have those who hold most give up until there is room again; returns how many those were."""
        self._full = False
        given_up = 0
        while self._sizes and self.size > self.limit * _ENOUGH:
            for holder in nlargest(_AT_ONCE, self._sizes, key=self._sizes.__getitem__):
                if self.size <= self.limit * _ENOUGH:
                    break
                holder.give_up()
                self.release(holder)
                given_up += 1
        return given_up
