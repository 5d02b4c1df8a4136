"""A sample is small, fair and in order, however much comes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pushery.console.sampling import Sample


def of(items: range, most: int) -> tuple[int, list[int]]:
    sample: Sample[int] = Sample(most)
    for item in items:
        sample.add(item)
    return sample.take()


def test_what_fits_is_kept_whole() -> None:
    assert of(range(10), most=10) == (10, list(range(10)))


@given(st.integers(0, 5000), st.integers(2, 64))
def test_at_most_so_many_are_kept_in_order_and_all_are_counted(count: int, most: int) -> None:
    seen, kept = of(range(count), most)
    assert seen == count
    assert len(kept) == min(count, len(kept)) <= most
    assert kept == sorted(set(kept))
    assert len(kept) >= min(count, most // 2)


@given(st.integers(1, 5000), st.integers(2, 64))
def test_they_are_spread_evenly_over_all(count: int, most: int) -> None:
    _, kept = of(range(count), most)
    steps = {after - before for before, after in pairwise(kept)}
    assert kept[0] == 0
    assert max(steps, default=1) <= 2 * min(steps, default=1)


def test_taking_begins_anew() -> None:
    sample: Sample[int] = Sample(4)
    for item in range(100):
        sample.add(item)
    sample.take()
    sample.add(7)
    assert sample.take() == (1, [7])
    assert sample.take() == (0, [])
