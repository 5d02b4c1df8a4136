"""Long searches in short slices: a crowd of a hundred thousand is looked through without holding up anybody.

A search is a generator that yields what each of its slices has found; between two slices the event loop does what else
it has to do. Who comes or goes meanwhile may be missed. Invariant: a slice takes a few milliseconds at most.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from pushery.core.patterns import Pattern

SLICE: Final = 2000
"""Tags or sockets looked at in one go: up to 3 ms where all of them match."""

SORTED_AT_MOST: Final = 20_000
"""Names up to which they are put in order: some 4 ms; more are shown as they came."""

T = TypeVar("T")


async def gather(slices: Iterable[Sequence[T]], monotonic: Callable[[], float]) -> tuple[list[T], float]:
    """All that a search finds, and how many seconds it took by itself."""
    found: list[T] = []
    spent, started = 0.0, monotonic()
    for some in slices:
        found += some
        spent += monotonic() - started
        await asyncio.sleep(0)
        started = monotonic()
    return found, spent + monotonic() - started


def matching_tags(tags: Sequence[str], pattern: Pattern) -> Iterator[list[str]]:
    """The tags that a pattern matches, each once, in order."""
    for start in range(0, len(tags), SLICE):
        some = tags[start : start + SLICE]
        lines = bytearray("".join(f"{tag}\n" for tag in some if "\n" not in tag).encode())
        found = dict.fromkeys(pattern.scan(lines, 0, len(lines)))
        yield [*found, *(tag for tag in some if "\n" in tag and pattern.matches(tag))]


def in_order(names: Sequence[str]) -> Sequence[str]:
    """The names sorted, unless there are very many."""
    return sorted(names) if len(names) <= SORTED_AT_MOST else names
