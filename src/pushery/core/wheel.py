"""One timer wheel for every deadline of every connection.

A timer of the event loop per connection would cost memory and a heap operation per message. Here a connection
stands in one slot; activity only notes the time, and when its slot comes up the connection decides whether it
really was idle.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final, Generic, Protocol, TypeVar

NEVER: Final = -1
_DUE: Final = -2


class Timed(Protocol):
    """Something with a deadline. `wheel_slot` belongs to the wheel; it starts as NEVER."""

    __slots__ = ()
    wheel_slot: int


T = TypeVar("T", bound=Timed)


class Wheel(Generic[T]):
    """Items by the tick at which they are due. An item is handed out within one tick after its deadline, never
    before.
    """

    __slots__ = ("_slots", "_tick_s", "_turned_to", "now")

    def __init__(self, tick_s: float, now: float) -> None:
        self._tick_s = tick_s
        self._slots: dict[int, set[T]] = {}
        self._turned_to = int(now / tick_s)
        self.now = now
        """The time as of the last turn: what connections note as their last activity, exact to within one tick."""

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def arm(self, item: T, at: float) -> None:
        """Let `item` fall due when the time `at` has passed, and not at whatever it was armed for before."""
        self.cancel(item)
        slot = max(int(at / self._tick_s), self._turned_to) + 1
        item.wheel_slot = slot
        items = self._slots.get(slot)
        if items is None:
            items = self._slots[slot] = set()
        items.add(item)

    def cancel(self, item: T) -> None:
        """Forget `item`; harmless when it was not armed."""
        items = self._slots.get(item.wheel_slot)
        if items is not None:
            items.discard(item)
        item.wheel_slot = NEVER

    def __iter__(self) -> Iterator[T]:
        """Everything that is armed, in no order. Arm and cancel nothing meanwhile."""
        return chain.from_iterable(self._slots.values())

    def turn(self, now: float) -> None:
        """Move on to `now`: all whose time has come waits to be taken."""
        self.now = now
        due = self._slots.setdefault(_DUE, set())
        until = int(now / self._tick_s)
        while self._turned_to < until:
            self._turned_to += 1
            for item in self._slots.pop(self._turned_to, ()):
                item.wheel_slot = _DUE
                due.add(item)

    def take(self, count: int) -> list[T]:
        """Take out at most `count` of those that are due, each once; what is cancelled or armed anew first is not."""
        due = self._slots.get(_DUE, set())
        taken = [due.pop() for _ in range(min(count, len(due)))]
        for item in taken:
            item.wheel_slot = NEVER
        return taken
