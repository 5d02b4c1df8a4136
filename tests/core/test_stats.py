import pytest

from pushery.core.stats import PUSH_SECONDS_BOUNDS, Histogram, Stats


def counted(bounds: tuple[float, ...], *values: float) -> list[int]:
    """The counts after observing `values`."""
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    return histogram.counts


@pytest.mark.parametrize(
    ("value", "bucket"),
    [(0.0, 0), (0.5, 0), (1.0, 0), (1.0000001, 1), (2.0, 1), (2.5, 2), (5.0, 2), (5.1, 3), (1e9, 3)],
)
def test_the_upper_end_of_a_bucket_belongs_to_it(value: float, bucket: int) -> None:
    expected = [0, 0, 0, 0]
    expected[bucket] = 1
    assert counted((1.0, 2.0, 5.0), value) == expected


def test_every_bound_of_the_push_histogram_counts_in_its_own_bucket() -> None:
    assert counted(PUSH_SECONDS_BOUNDS, *PUSH_SECONDS_BOUNDS) == [1] * len(PUSH_SECONDS_BOUNDS) + [0]


def test_the_bounds_of_the_push_histogram_rise() -> None:
    assert list(PUSH_SECONDS_BOUNDS) == sorted(set(PUSH_SECONDS_BOUNDS))


def test_the_total_is_the_sum_of_what_was_observed() -> None:
    histogram = Histogram((1.0,))
    for value in (0.5, 0.25, 8.0):
        histogram.observe(value)
    assert histogram.total == 8.75
    assert sum(histogram.counts) == 3


def test_prometheus_wants_to_know_how_many_are_not_above_each_end() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.5, 1.7, 9.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("1.0", 1), ("2.0", 3), ("+Inf", 4)]


def test_histograms_do_not_share_their_counts() -> None:
    Stats().push_seconds.observe(1.0)
    assert sum(Stats().push_seconds.counts) == 0


def test_counting_begins_at_zero() -> None:
    stats = Stats()
    others = ("errors", "handshakes_refused", "http_responses", "loop_lag_seconds", "push_seconds")
    assert all(getattr(stats, name) == 0 for name in Stats.__slots__ if name not in others)
    assert not any(stats.http_responses)
    assert stats.errors["never_seen"] == 0
    assert not stats.errors
