"""Who gets a frame, as the fan-out sees it.

An audience maps each subscriber to the one callable that takes its frames: the transport's own bound `write` while
the socket keeps up, its outbox while it does not. Swapping that callable is all that back-pressure costs; the
fan-out never asks. A subscriber is any object compared by identity.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from operator import length_hint
from typing import TypeAlias

Write: TypeAlias = Callable[[bytes], object]
Audience: TypeAlias = dict[object, Write]


def size(audiences: Iterable[Audience]) -> int:
    """How many subscribers there are in all; audiences of one selection never overlap."""
    return sum(map(len, audiences))


def write_all(audience: Audience, frame: bytes) -> list[object]:
    """Hand `frame` to every subscriber; returns those whose write raised.

    One broken subscriber must not cost the others their frame, so the loop resumes behind it. A write may swap entries
    of the audience, but must not add or remove any.
    """
    broken: list[object] = []
    writes = iter(audience.values())
    while True:
        try:
            for write in writes:
                write(frame)
            return broken
        except Exception:
            at = len(audience) - length_hint(writes) - 1
            broken.append(next(islice(audience, at, None)))
