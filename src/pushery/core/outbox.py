"""What waits for a slow client, bounded in bytes."""

from pushery.core.audience import Write


class Outbox:
    """Takes a socket's frames while its transport is full.

    `put` has the shape of a write, so it stands in for the transport in every audience. Past the limit nothing more is
    kept and `overflowed` is set: a client that slow is closed, since a stream with holes would be worse.
    """

    __slots__ = ("_frames", "_limit", "_on_overflow", "overflowed", "size")

    def __init__(self, limit: int, on_overflow: Write) -> None:
        self._limit = limit
        self._on_overflow = on_overflow
        """Called once, with the frame that did not fit. It must not change any audience: a fan-out is under way."""
        self._frames: list[bytes] = []
        self.size = 0
        self.overflowed = False

    def put(self, frame: bytes) -> None:
        """Keep a frame for later, or note that there is no more room."""
        if self.overflowed:
            return
        self.size += len(frame)
        if self.size > self._limit:
            self.overflowed = True
            self._frames.clear()
            self._on_overflow(frame)
        else:
            self._frames.append(frame)

    def drain(self) -> list[bytes]:
        """All that waits, oldest first; the outbox is empty afterwards."""
        frames, self._frames, self.size = self._frames, [], 0
        return frames

    def refill(self, frames: list[bytes]) -> None:
        """Put back, in front, what `drain` gave out and the transport did not take."""
        self._frames[:0] = frames
        self.size += sum(map(len, frames))
