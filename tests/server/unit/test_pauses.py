"""How long the garbage collector takes is counted, once for each time it runs."""

import gc
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pushery.server.pauses import CollectorPauses


@pytest.fixture
def pauses() -> Iterator[CollectorPauses]:
    pauses = CollectorPauses()
    pauses.watch()
    yield pauses
    pauses.unwatch()


def shown(pauses: CollectorPauses) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(pauses)
    rows = [row for row in generate_latest(registry).decode().splitlines() if not row.startswith("#")]
    return {name: float(value) for name, value in (row.rsplit(" ", 1) for row in rows)}


def test_every_collection_is_counted(pauses: CollectorPauses) -> None:
    gc.disable()
    try:
        before = shown(pauses)["pushery_gc_pause_seconds_count"]
        gc.collect()
        gc.collect(0)
        after = shown(pauses)
    finally:
        gc.enable()
    assert after["pushery_gc_pause_seconds_count"] == before + 2
    assert after['pushery_gc_pause_seconds_bucket{le="+Inf"}'] == before + 2


def test_the_sum_is_the_time_that_they_took(pauses: CollectorPauses) -> None:
    gc.collect()
    assert 0 < shown(pauses)["pushery_gc_pause_seconds_sum"] < 10


def test_watching_twice_counts_once(pauses: CollectorPauses) -> None:
    pauses.watch()
    before = shown(pauses)["pushery_gc_pause_seconds_count"]
    gc.collect()
    assert shown(pauses)["pushery_gc_pause_seconds_count"] == before + 1


def test_nothing_is_counted_once_it_is_no_longer_watched() -> None:
    pauses = CollectorPauses()
    pauses.watch()
    pauses.unwatch()
    gc.collect()
    assert shown(pauses)["pushery_gc_pause_seconds_count"] == 0
