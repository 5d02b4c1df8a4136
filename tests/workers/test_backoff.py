"""Pauses between attempts grow, are spread, and stay within their bounds."""

from hypothesis import given
from hypothesis import strategies as st

from pushery.workers.backoff import LEAST_S, pause_s


def test_the_longest_pause_doubles_up_to_the_bound() -> None:
    assert [pause_s(attempts, 1.0, first_s=1.0, most_s=60.0) for attempts in range(1, 9)] == [
        1, 2, 4, 8, 16, 32, 60, 60,
    ]  # fmt: skip


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_every_pause_is_within_its_bounds(attempts: int, chance: float) -> None:
    assert LEAST_S <= pause_s(attempts, chance, first_s=1.0, most_s=60.0) <= 60.0
