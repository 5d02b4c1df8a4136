"""How a target cuts its input, told by the input itself, so that a fuzzer can change that too."""

from collections.abc import Iterator
from itertools import cycle
from typing import Final

PLAN: Final = 4
"""Bytes at the beginning of an input that say how the rest is cut."""


def planned(data: bytes) -> tuple[bytes, bytes]:
    """The plan, and what it is for."""
    return data[:PLAN].ljust(PLAN, b"\0"), data[PLAN:]


def pieces(data: bytes, plan: bytes) -> Iterator[bytes]:
    """`data` in pieces of 1 to 256 bytes, as the plan has it, over and over."""
    sizes, at = cycle(plan), 0
    while at < len(data):
        size = next(sizes) + 1
        yield data[at : at + size]
        at += size


def bytewise(data: bytes) -> Iterator[bytes]:
    """`data` byte by byte."""
    return (data[at : at + 1] for at in range(len(data)))
