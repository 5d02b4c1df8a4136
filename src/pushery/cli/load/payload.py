"""What is pushed: a text that says which run, lane and number it is and when it was sent, padded to its size.

It is ASCII without quotes or backslashes, so that it stands in JSON, and in JSON within JSON, just as it is.
"""

import re
from typing import Final, NamedTuple

SMALLEST: Final = 64
"""Characters that the longest marks need."""

_MARKS: Final = re.compile(rb"pb:([0-9a-f]{8}):(\d+):(\d+):(\d+):")


class Marks(NamedTuple):
    """What a text says. `sent_ns` is on the sender's `perf_counter_ns`."""

    run: bytes
    lane: int
    number: int
    sent_ns: int


def write(marks: Marks, size: int) -> bytes:
    """The text, `size` characters long."""
    text = b"pb:%b:%d:%d:%d:" % marks
    return text + b"x" * (size - len(text))


def read(message: bytes) -> Marks | None:
    """The marks in a message, wherever they stand; None when there are none."""
    found = _MARKS.search(message)
    if found is None:
        return None
    run, lane, number, sent_ns = found.groups()
    return Marks(run, int(lane), int(number), int(sent_ns))
