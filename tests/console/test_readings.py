"""Readings are differences of counters, per second."""

import pytest

from pushery.console.readings import KEPT, AppReadings, Readings, quantile_ms
from pushery.core.backlog import Backlog
from pushery.core.hub import Hub
from pushery.core.stats import Stats

OWN = "console"


@pytest.fixture
def stats() -> Stats:
    return Stats()


@pytest.fixture
def hub() -> Hub:
    return Hub(fanout_slice=100, standing_patterns=10)


@pytest.fixture
def readings(stats: Stats, hub: Hub) -> Readings:
    stats.pushes, stats.errors["old"] = 1000, 5
    return Readings(stats, hub, Backlog(1000, lambda: None), OWN)


def test_a_reading_says_what_happened_since_the_one_before(stats: Stats, readings: Readings) -> None:
    readings.take(1, 1.0, 0, 0.0)
    stats.pushes += 30
    stats.messages_out += 60
    stats.errors["invalid_pattern"] += 3
    stats.slow_clients += 1
    stats.push_seconds.observe(0.0002)
    reading = readings.take(2000, 1.5, apps=4, late_s=0.25)
    assert (reading.at_ms, reading.apps, reading.lag_ms) == (2000, 4, 250)
    assert (reading.pushes_per_s, reading.deliveries_per_s) == (20, 40)
    assert reading.errors == {"invalid_pattern": 3}
    assert (reading.errors_per_s, reading.totals.errors, reading.totals.pushes) == (2, 8, 1030)
    assert reading.slow_per_s == pytest.approx(1 / 1.5)
    assert reading.p50_ms == pytest.approx(0.175)
    following = readings.take(3000, 1.0, 4, 0.0)
    assert (following.pushes_per_s, following.errors, following.p50_ms) == (0, {}, None)


def test_the_pages_own_sockets_are_not_counted(stats: Stats, hub: Hub, readings: Readings) -> None:
    for key in (OWN, "a" * 32):
        hub.crowd(key).join("tag", object(), lambda frame: None)
        hub.crowd(key).messages_out += 10
    stats.connections, stats.messages_out = 2, 20
    reading = readings.take(1, 1.0, 1, 0.0)
    assert (reading.connections, reading.tags, reading.deliveries_per_s) == (1, 1, 10)


def test_five_minutes_are_kept(readings: Readings) -> None:
    for number in range(KEPT + 10):
        readings.take(number, 1.0, 0, 0.0)
    assert [reading.at_ms for reading in readings.kept] == list(range(10, KEPT + 10))


def test_an_apps_reading_is_its_crowds(hub: Hub) -> None:
    crowd = hub.crowd("a" * 32)
    crowd.pushes, crowd.messages_out = 5, 50
    of_app = AppReadings(crowd)
    crowd.join("tag", object(), lambda frame: None)
    crowd.pushes, crowd.messages_out = 7, 60
    reading = of_app.take(crowd, 1, 2.0)
    assert (reading.connections, reading.tags, reading.pushes_per_s, reading.deliveries_per_s) == (1, 1, 1, 5)
    assert of_app.take(hub.look("b" * 32), 2, 1.0).pushes_per_s == 0  # registered anew under the same key


@pytest.mark.parametrize(
    ("counts", "quantile", "expected"),
    [
        ([0, 0, 0], 0.5, None),
        ([4, 0, 0], 0.5, 5),
        ([0, 4, 0], 0.5, 15),
        ([2, 2, 0], 0.99, 19.8),
        ([0, 0, 9], 0.5, 20),
    ],
)
def test_a_quantile_lies_evenly_within_its_bucket(counts: list[int], quantile: float, expected: float | None) -> None:
    assert quantile_ms((0.01, 0.02), counts, quantile) == (None if expected is None else pytest.approx(expected))
