"""What waits for a slow client, bounded in bytes."""

from pushery.core.audience import Write
from pushery.core.backlog import Backlog


class Outbox:
    """Takes a socket's frames while its transport is full.

    `put` has the shape of a write, so it stands in for the transport in every audience. Past the limit nothing more is
    kept and `overflowed` is set: a client that slow is closed, since a stream with holes would be worse.
    """

    __slots__ = ("_backlog", "_frames", "_limit", "_on_overflow", "overflowed", "size")

    def __init__(self, limit: int, on_overflow: Write, backlog: Backlog) -> None:
        self._limit = limit
        self._on_overflow = on_overflow
        """Called once, with the frame that did not fit. It must not change any audience: a fan-out is under way."""
        self._backlog = backlog
        """What waits for all clients together."""
        self._frames: list[bytes] = []
        self.size = 0
        self.overflowed = False

    def put(self, frame: bytes) -> None:
        """Keep a frame for later, or note that there is no more room."""
        if self.overflowed:
            return
        self.size += len(frame)
        if self.size > self._limit:
            self._overflow(frame)
        else:
            self._frames.append(frame)
            self._backlog.hold(self, self.size)

    def give_up(self) -> None:
        """There is no more room for all clients together, and this one holds most."""
        if not self.overflowed:
            self._overflow(b"")

    def _overflow(self, frame: bytes) -> None:
        self.overflowed = True
        self.discard()
        self._on_overflow(frame)

    def discard(self) -> None:
        """Forget what waits. To be called when an outbox is let go of with frames in it."""
        self._frames.clear()
        self.size = 0
        self._backlog.release(self)

    def drain(self) -> list[bytes]:
        """All that waits, oldest first; the outbox is empty afterwards."""
        frames, self._frames, self.size = self._frames, [], 0
        self._backlog.release(self)
        return frames

    def refill(self, frames: list[bytes]) -> None:
        """Put back, in front, what `drain` gave out and the transport did not take."""
        self._frames[:0] = frames
        self.size += sum(map(len, frames))
        if self.size:
            self._backlog.hold(self, self.size)
