"""Handing one frame to many sockets without making anybody wait.

A small audience is written at once. A huge one becomes a `Broadcast` that is written in slices, so that pings,
handshakes and other apps get their turn between two slices. Order holds all the same: a smaller push that comes
meanwhile first hands its own receivers what the broadcast still owes them, and a second broadcast waits for the
first.

Invariant: every subscriber gets the frames of one `FanOut` in the order in which they were published.
"""

from collections import deque
from collections.abc import Callable, Collection
from itertools import islice

from pushery.core.audience import Audience, size, write_all


class Broadcast:
    """A frame on its way to a huge audience."""

    __slots__ = ("_order", "_owed", "failures", "frame", "on_done", "total")

    def __init__(self, frame: bytes, audiences: Collection[Audience]) -> None:
        self.frame = frame
        self._owed = {subscriber: audience for audience in audiences for subscriber in audience}
        """Who has not got it yet, and the audience that knows how to write to them."""
        self._order = iter(list(self._owed))
        self.total = 0
        """How many it was handed to so far. A socket that leaves before its turn is not counted."""
        self.failures = 0
        self.on_done: Callable[[int], None] | None = None
        """Called with the total once nobody is owed anything."""

    def settle(self, subscriber: object) -> None:
        """Hand it over now to a subscriber that may still be owed it."""
        audience = self._owed.pop(subscriber, None)
        write = audience.get(subscriber) if audience is not None else None
        if write is None:
            return
        try:
            write(self.frame)
            self.total += 1
        except Exception:
            self.failures += 1

    def step(self, count: int) -> bool:
        """Serve the next `count`; True when that was all."""
        for subscriber in islice(self._order, count):
            self.settle(subscriber)
        return not self._owed


class FanOut:
    """The publications of one app, in order."""

    __slots__ = ("_running", "failures", "slice_size")

    def __init__(self, slice_size: int) -> None:
        self.slice_size = slice_size
        """How many sockets are written before the event loop gets its turn."""
        self.failures = 0
        """Writes that raised; the sockets behind them are broken and will be closed by their transports."""
        self._running: deque[Broadcast] = deque()

    @property
    def running(self) -> bool:
        """Whether `step` has work."""
        return bool(self._running)

    def publish(self, frame: bytes, audiences: Collection[Audience]) -> int | Broadcast:
        """Write at once and return how many got it, or a Broadcast that `step` will carry through."""
        total = size(audiences)
        if total > self.slice_size:
            broadcast = Broadcast(frame, audiences)
            self._running.append(broadcast)
            return broadcast
        if self._running:
            for audience in audiences:
                for subscriber in audience:
                    for broadcast in self._running:
                        broadcast.settle(subscriber)
        failures = 0
        for audience in audiences:
            failures += write_all(audience, frame)
        self.failures += failures
        return total - failures

    def step(self) -> bool:
        """Write one slice of the oldest broadcast; True while there is more to do."""
        if not self._running:
            return False
        broadcast = self._running[0]
        if broadcast.step(self.slice_size):
            self._running.popleft()
            self.failures += broadcast.failures
            if broadcast.on_done is not None:
                broadcast.on_done(broadcast.total)
        return bool(self._running)
