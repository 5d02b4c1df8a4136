"""Pushing to a pattern with 100,000 tags online: the tag index in this process, beside one RE2 call per tag.

Times are the thread's CPU time: it is nothing but computing, and a busy neighbour must not look like a slow index.
"""

import gc
from collections.abc import Callable, Collection, Iterable, Sized
from statistics import median
from time import thread_time_ns
from typing import Protocol

import re2

from benchmarks.errors import BenchError
from benchmarks.results import Values

TAGS = 100_000
COLD = [f"^user:A:{first}.*{last}$" for first in range(1, 5) for last in (7, 3, 8, 1, 9)]
HOT = COLD[0]
EXACT = [f"^user:A:{number}$" for number in range(1234, 2234)]
LITERAL = [f"user:A:{number}" for number in range(1234, 9999, 173)]
AGAIN = 1_000
"""How often a pattern is used again."""


class Index(Protocol):
    """What is asked of `pushery.core.tags.TagIndex`."""

    def join(self, tag: str, subscriber: object, write: Callable[[bytes], object], /) -> None: ...
    def select(self, pattern: str, /) -> Collection[Sized]: ...


def patterns() -> tuple[Values, float]:
    """The values of the rows, and what the naive loop takes for the first cold pattern, in ms."""
    tags = [f"user:A:{number}" for number in range(TAGS)]
    index = _index(tags)
    gc.collect()
    gc.freeze()  # as the server does
    try:
        cold = _median_ms(index, COLD)
        hot = _median_ms(index, [HOT] * AGAIN)
        exact = _median_ms(index, EXACT)
        literal = _median_ms(index, LITERAL)
        literal_hot = _median_ms(index, [LITERAL[0]] * AGAIN)
        naive_ms = _naive(tags, index)
    finally:
        gc.unfreeze()
    return {
        "patterns.cold_ms": cold,
        "patterns.hot_ms": hot,
        "patterns.exact_ms": exact,
        "patterns.literal_ms": literal,
        "patterns.literal_hot_ms": literal_hot,
    }, naive_ms


def _index(tags: Iterable[str]) -> Index:
    try:
        from pushery.core.tags import TagIndex

        index = TagIndex()
        for tag in tags:
            index.join(tag, object(), _drop)
        index.select("^nobody$")
    except (ImportError, TypeError, AttributeError) as error:
        raise BenchError(f"pushery.core.tags.TagIndex is not as the benchmark knows it: {error}") from None
    return index


def _drop(frame: bytes) -> None:
    """A socket that takes everything."""


def _median_ms(index: Index, queries: Iterable[str]) -> float:
    taken = []
    for query in queries:
        begin = thread_time_ns()
        index.select(query)
        taken.append(thread_time_ns() - begin)
    return median(taken) / 1e6


def _naive(tags: list[str], index: Index) -> float:
    """One call per tag. Also proves that the index found the same."""
    for query in (HOT, LITERAL[0], EXACT[0]):
        search = re2.compile(query).search
        begin = thread_time_ns()
        found = [tag for tag in tags if search(tag)]
        taken = thread_time_ns() - begin
        if sum(map(len, index.select(query))) != len(found):
            raise BenchError(f"the index and one RE2 call per tag disagree about {query}")
        if query == HOT:
            naive_ms = taken / 1e6
    return naive_ms
