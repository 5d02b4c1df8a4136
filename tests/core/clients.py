"""Subscribers that remember what was written to them, and what tests of a fan-out do with them."""

from functools import partial

from pushery.core.audience import Audience, Write
from pushery.core.fanout import FanOut

LAYER = object()
"""A layer for tests in which there is but one."""


def frame_of(number: int) -> bytes:
    """A frame that can be told apart in a piece of many."""
    return b"%d;" % number


class Client:
    """Frames end in ";". A write by a way it has given up, or after it has left, is an error."""

    def __init__(self, *, raises_every: int = 0, swaps_every: int = 0) -> None:
        self.raises_every = raises_every
        """Every how many writes it raises; 0 is never."""
        self.swaps_every = swaps_every
        """Every how many writes it asks to be written to by another way; 0 is never."""
        self.way = 0
        self.writes = 0
        self.raised = 0
        self.offered: list[bytes] = []
        """The frames it was written."""
        self.taken: list[bytes] = []
        """Those it did not raise at."""
        self.homes: list[Audience] = []
        """The audiences it is in."""

    def new_way(self) -> Write:
        """The only way it may be written to from now on."""
        self.way += 1
        return partial(self._take, self.way)

    def redirect(self) -> None:
        """Be written to by a new way."""
        write = self.new_way()
        for home in self.homes:
            home[self] = write

    def join(self, *homes: Audience) -> None:
        """Come in."""
        self.homes = list(homes)
        self.redirect()

    def leave(self) -> None:
        """Go for good."""
        for home in self.homes:
            del home[self]
        self.homes = []
        self.way = -1

    def _take(self, way: int, data: bytes) -> None:
        assert way == self.way, "written to by a way it has given up"
        frames = [frame + b";" for frame in data.split(b";")[:-1]]
        self.writes += 1
        self.offered += frames
        if self.swaps_every and self.writes % self.swaps_every == 0:
            self.redirect()
        if self.raises_every and self.writes % self.raises_every == 0:
            self.raised += 1
            raise BrokenPipeError
        self.taken += frames


def crowd(count: int) -> tuple[Audience, list[Client]]:
    """An audience of so many well-behaved clients."""
    audience: Audience = {}
    clients = [Client() for _ in range(count)]
    for client in clients:
        client.join(audience)
    return audience, clients


def finish(fanout: FanOut) -> None:
    """Let everything arrive."""
    fanout.flush()
    while fanout.step():
        pass


def ignore(_: int) -> None:
    """What to do with a total that does not matter."""
