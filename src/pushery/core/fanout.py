"""Handing frames to many sockets: few system calls, nobody waits, order kept.

What is published within one turn of the event loop is gathered: an audience that was pushed to several times is
written once, with all its frames in one piece, which costs a sixth of writing each. Whatever changes an audience
flushes first, so exactly those who were there get a frame.

A huge audience becomes a `Broadcast` that is written in slices, so that pings, handshakes and other apps get their
turn between two slices. A smaller push that comes meanwhile first hands its own receivers what the broadcast still
owes them.

Invariant: every subscriber gets the frames of one `FanOut` in the order in which they were published.
"""

from collections import deque
from collections.abc import Callable, Collection
from itertools import islice
from typing import Final

from pushery.core.audience import Audience, size, write_all

Done = Callable[[int], None]

GATHER_BYTES: Final = 256 * 1024
"""Bytes gathered before they are written without waiting for the turn to end: a bound on what a piece can hold."""


class Broadcast:
    """Frames on their way to a huge audience."""

    __slots__ = ("_data", "_frames", "_order", "_owed", "audiences", "broken", "on_done", "total", "without")

    def __init__(self, audiences: tuple[Audience, ...], without: object = None) -> None:
        self.audiences = audiences
        self.without = without
        """Who gets none of it, though it is in the audience."""
        self._frames: list[bytes] = []
        self._data = b""
        """All frames in one piece, once the first slice is written; no frame can be added after that."""
        self._owed = {subscriber: audience for audience in audiences for subscriber in audience}
        """Who has not got them yet, and the audience that knows how to write to them."""
        self._owed.pop(without, None)
        self._order = iter(list(self._owed))
        self.total = 0
        """How many they were handed to so far. A socket that leaves before its turn is not counted."""
        self.broken: list[object] = []
        """Those whose write raised."""
        self.on_done: list[Done] = []
        """Called with the total once nobody is owed anything."""

    @property
    def begun(self) -> bool:
        """Whether anybody has got it."""
        return bool(self._data)

    def add(self, frame: bytes, on_done: Done) -> None:
        """Carry another frame to the same audience, while nobody has got anything yet."""
        assert not self.begun
        self._frames.append(frame)
        self.on_done.append(on_done)

    def settle(self, subscriber: object) -> None:
        """Hand it over now to a subscriber that may still be owed it."""
        audience = self._owed.pop(subscriber, None)
        write = audience.get(subscriber) if audience is not None else None
        if write is None:
            return
        try:
            if not self._data:
                self._data = b"".join(self._frames)
            write(self._data)
            self.total += 1
        except Exception:
            self.broken.append(subscriber)

    def step(self, count: int) -> bool:
        """Serve the next `count`; True when that was all."""
        for subscriber in islice(self._order, count):
            self.settle(subscriber)
        return not self._owed


class Gathered:
    """The frames that one turn of the loop has brought for an audience."""

    __slots__ = ("_left_out", "audience", "frames")

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.frames: list[bytes] = []
        self._left_out: dict[object, set[int]] | None = None
        """Which frames, by position, some subscribers are not to get; None when everybody gets all."""

    def leave_out(self, subscriber: object) -> None:
        """The last frame is not for `subscriber`."""
        if self._left_out is None:
            self._left_out = {}
        self._left_out.setdefault(subscriber, set()).add(len(self.frames) - 1)

    def write(self, data: bytes) -> list[object]:
        """Hand out `data`, all frames in one piece; returns those whose write raised."""
        left_out, audience = self._left_out, self.audience
        if left_out is None:
            return write_all(audience, data)
        entries = {subscriber: audience[subscriber] for subscriber in left_out if subscriber in audience}
        audience.update(dict.fromkeys(entries, _skip))
        broken = write_all(audience, data)
        audience.update(entries)
        for subscriber, write in entries.items():
            missing = left_out[subscriber]
            theirs = [frame for position, frame in enumerate(self.frames) if position not in missing]
            if theirs:
                broken += write_all({subscriber: write}, b"".join(theirs))
        return broken


def _skip(frame: bytes) -> None:
    """Stands in for the entry of a subscriber who is not to get what is being written."""


class FanOut:
    """The publications of one app."""

    __slots__ = ("_broadcasts", "_gathered", "_layer", "_pending", "_sealed", "broken", "slice_size")

    def __init__(self, slice_size: int) -> None:
        self.slice_size = slice_size
        """How many sockets are written before the event loop gets its turn."""
        self.broken: list[object] = []
        """Subscribers who did not get what was theirs, for a write raised or there was no memory: to be taken out and
        closed, since a stream with holes would be worse."""
        self._pending: dict[int, Gathered] = {}
        """What this turn of the loop has gathered, by the audience's identity."""
        self._gathered = 0
        """Bytes of frames in `_pending`, each frame once."""
        self._layer: object = None
        """Whose audiences `_pending` holds."""
        self._broadcasts: deque[Broadcast] = deque()
        self._sealed = False
        """Whether somebody has joined since the youngest broadcast was begun: it takes no more frames then."""

    @property
    def broadcasts(self) -> int:
        """How many huge audiences are being written to."""
        return len(self._broadcasts)

    def publish(
        self, frame: bytes, audiences: Collection[Audience], layer: object, on_done: Done, without: object = None
    ) -> int | None:
        """Take a frame for `flush`, and return how many will get it: everybody but `without`.

        Between layers order is kept by flushing. Where audiences of one `layer` have subscribers in common, these get
        the frames of each audience in order, but not those of one among those of another. For an audience above
        `slice_size` the answer is None, and `on_done` gets the total once `step` has served them all.
        """
        total = size(audiences)
        if total > self.slice_size:
            self.flush()
            self._broadcast(frame, tuple(audiences), on_done, without)
            return None
        if layer is not self._layer:
            self.flush()
            self._layer = layer
        for audience in audiences:
            total -= self._gather(frame, audience, without)
        self._gathered += len(frame)
        if self._gathered > GATHER_BYTES:
            self.flush()
        return total

    def publish_small(self, frame: bytes, audience: Audience, layer: object, without: object = None) -> int:
        """As `publish`, for one audience of at most `slice_size`: what nearly every event comes to."""
        if layer is not self._layer:
            self.flush()
            self._layer = layer
        total = len(audience) - self._gather(frame, audience, without)
        self._gathered += len(frame)
        if self._gathered > GATHER_BYTES:
            self.flush()
        return total

    def _gather(self, frame: bytes, audience: Audience, without: object) -> int:
        """Keep a frame for an audience; returns how many of it do not get it."""
        gathered = self._pending.get(id(audience))
        if gathered is None:
            gathered = self._pending[id(audience)] = Gathered(audience)
        gathered.frames.append(frame)
        if without is None or without not in audience:
            return 0
        gathered.leave_out(without)
        return 1

    def flush(self) -> None:
        """Write what has been gathered."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        self._gathered = 0
        joined: dict[tuple[int, ...], bytes] = {}
        for gathered in pending.values():
            frames = gathered.frames
            for broadcast in self._broadcasts:
                for subscriber in gathered.audience:
                    broadcast.settle(subscriber)
            # Audiences that got the same frames share one piece: it is held, and compressed, once.
            key = tuple(map(id, frames))
            data = joined.get(key)
            if data is None:
                try:
                    data = joined[key] = frames[0] if len(frames) == 1 else b"".join(frames)
                except MemoryError:
                    self.broken += gathered.audience
                    continue
            self.broken += gathered.write(data)

    def before_joining(self) -> None:
        """Somebody is about to join an audience: what was published so far is not for them."""
        self.flush()
        self._sealed = True

    def before_leaving(self, subscriber: object) -> None:
        """Somebody is about to leave an audience: what was published so far is still for them."""
        self.flush()
        for broadcast in self._broadcasts:
            broadcast.settle(subscriber)

    def step(self) -> bool:
        """Write one slice of the oldest broadcast; True while there is more to do."""
        if not self._broadcasts:
            return False
        broadcast = self._broadcasts[0]
        if broadcast.step(self.slice_size):
            self._broadcasts.popleft()
            self.broken += broadcast.broken
            for done in broadcast.on_done:
                done(broadcast.total)
        return bool(self._broadcasts)

    def _broadcast(self, frame: bytes, audiences: tuple[Audience, ...], on_done: Done, without: object) -> None:
        """Queue a frame, in one piece with those that wait for the same audience."""
        last = self._broadcasts[-1] if self._broadcasts else None
        if (
            last is None
            or last.begun
            or self._sealed
            or last.without is not without
            or not _same(last.audiences, audiences)
        ):
            last = Broadcast(audiences, without)
            self._broadcasts.append(last)
            self._sealed = False
        last.add(frame, on_done)


def _same(some: tuple[Audience, ...], others: tuple[Audience, ...]) -> bool:
    return len(some) == len(others) and all(map(lambda one, other: one is other, some, others))
