"""How often something may happen."""

from hypothesis import given
from hypothesis import strategies as st

from pushery.core.rates import Buckets, TokenBucket


def test_a_second_of_rest_allows_as_many_at_once_as_a_second_does() -> None:
    bucket = TokenBucket()
    assert [bucket.take(1, 3, 100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1, 3, 101.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1, 3, 999.0) for _ in range(4)] == [True, True, True, False]


def test_tokens_come_back_one_by_one() -> None:
    bucket = TokenBucket()
    assert bucket.take(4, 4, 0.0)
    assert not bucket.take(1, 4, 0.125)
    assert bucket.take(1, 4, 0.25)
    assert not bucket.take(1, 4, 0.25)
    assert bucket.take(2, 4, 0.75)


def test_what_is_refused_uses_nothing_up() -> None:
    bucket = TokenBucket()
    assert bucket.take(2, 4, 0.0)
    assert not bucket.take(3, 4, 0.0)
    assert bucket.take(2, 4, 0.0)


def test_more_than_the_rate_at_once_may_happen_after_a_rest_and_only_then() -> None:
    bucket = TokenBucket()
    assert bucket.take(10, 4, 0.0)
    assert not bucket.take(1, 4, 1.5)
    assert bucket.take(1, 4, 1.75)
    assert not bucket.take(10, 4, 2.4)
    assert bucket.take(10, 4, 2.75)


def test_the_rate_may_change() -> None:
    bucket = TokenBucket()
    assert bucket.take(1, 100, 0.0)
    assert [bucket.take(1, 2, 0.0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(11, 100, 0.1)
    assert bucket.take(10, 100, 0.1)


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 10)), max_size=60),
)
def test_no_second_sees_more_than_a_burst_and_what_the_rate_adds(rate: int, asked: list[tuple[float, int]]) -> None:
    bucket, now = TokenBucket(), 0.0
    happened: list[tuple[float, int]] = []
    for pause, count in asked:
        now += pause
        if bucket.take(min(count, rate), rate, now):
            happened.append((now, min(count, rate)))
    for index, (start, _) in enumerate(happened):
        for end, _ in happened[index:]:
            total = sum(count for at, count in happened if start <= at <= end)
            assert total <= rate + (end - start) * rate + 1e-6


def test_the_wait_is_until_one_more_may_happen_and_uses_nothing_up() -> None:
    bucket = TokenBucket()
    assert bucket.wait(4, 0.0) == 0.0
    assert bucket.take(4, 4, 0.0)
    assert [bucket.wait(4, 0.0), bucket.wait(4, 0.125), bucket.wait(4, 0.25)] == [0.25, 0.125, 0.0]
    assert bucket.take(1, 4, 0.25)
    assert bucket.take(0, 4, 0.25)
    assert bucket.wait(4, 0.25) == 0.25


def test_each_source_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(2)
    assert buckets.known("a") is None
    assert buckets.of("a").take(1, 1, 0.0)
    assert not buckets.of("a").take(1, 1, 0.0)
    assert buckets.of("b").take(1, 1, 0.0)
    assert buckets.known("a") is buckets.of("a")


def test_of_too_many_sources_the_one_unused_for_longest_is_forgotten() -> None:
    buckets = Buckets(2)
    for source in ("a", "b", "a", "c"):
        buckets.of(source)
    assert (buckets.known("b"), len(buckets)) == (None, 2)
    assert buckets.known("a") is not None
