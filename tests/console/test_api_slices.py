"""Searching a crowd slice by slice: the same is found as in one go, and no slice is long."""

import asyncio
import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from pushery.console.api.slices import SLICE, SORTED_AT_MOST, gather, in_order, matching_tags
from pushery.core.patterns import compile_pattern

TAGS = st.text(st.sampled_from("ab1:\n"), min_size=1, max_size=4)
"""A few letters, so that tags often match, and newlines, which a scan by lines cannot see."""

PATTERNS = ["a", "^a", "b$", "^a:1$", "[ab]", ".", "a\\n", "(?s)^a.b$", "1|:", "\\C", "[^a]"]


@given(st.lists(TAGS, unique=True), st.sampled_from(PATTERNS))
def test_the_tags_found_are_those_that_match_one_by_one(tags: list[str], pattern: str) -> None:
    compiled = compile_pattern(pattern)
    found = [tag for some in matching_tags(tags, compiled) for tag in some]
    assert sorted(found) == sorted(tag for tag in tags if compiled.matches(tag))


def test_many_tags_are_found_in_many_slices_of_bounded_size() -> None:
    tags = [f"user-{number}" for number in range(2 * SLICE + 5)]
    slices = list(matching_tags(tags, compile_pattern("user")))
    assert [len(some) for some in slices] == [SLICE, SLICE, 5]
    assert list(itertools.chain(*slices)) == tags


def test_the_loop_turns_between_two_slices_and_its_time_is_not_counted() -> None:
    clock, log = itertools.count().__next__, []

    def slices() -> Iterator[list[str]]:
        for name in "ab":
            log.append(name)
            yield [name]

    async def story() -> tuple[list[str], float]:
        asyncio.get_running_loop().call_soon(log.append, "another's turn")
        return await gather(slices(), clock)

    found, seconds = asyncio.run(story())
    assert (found, seconds) == (["a", "b"], 3.0), "one second for each slice, and one to see the end"
    assert log == ["a", "another's turn", "b"]


def test_names_are_sorted_unless_there_are_very_many() -> None:
    names = [f"{number:06}" for number in range(SORTED_AT_MOST, 0, -1)]
    assert in_order(names) == sorted(names)
    assert in_order([*names, "x"]) == [*names, "x"]
