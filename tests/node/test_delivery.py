"""From a frame to the sockets, over the turns of the loop."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from pushery.core.hub import Crowd, Hub
from pushery.core.stats import Stats
from pushery.node.delivery import Delivery, Total, sum_of
from tests.node.fakes import in_loop, turns


def a_crowd(count: int, fanout_slice: int) -> tuple[Crowd, list[list[bytes]]]:
    """A crowd of so many, and what each has got."""
    crowd = Hub(fanout_slice=fanout_slice, standing_patterns=10).crowd("key")
    inboxes: list[list[bytes]] = [[] for _ in range(count)]
    for number, inbox in enumerate(inboxes):
        crowd.join("A:1", number, inbox.append)
    return crowd, inboxes


def to_all(crowd: Crowd, frame: bytes) -> Callable[[Callable[[int], None]], int | None]:
    """Publishes a frame to everybody."""
    return lambda done: crowd.publish(frame, None, done)


def hand_over(delivery: Delivery, crowd: Crowd, frame: bytes) -> Total:
    """A frame for everybody."""
    return delivery.hand_over(crowd, crowd.fanout, len(frame), to_all(crowd, frame))


@in_loop
async def test_a_small_audience_is_counted_at_once_and_written_a_turn_later() -> None:
    stats = Stats()
    delivery, (crowd, inboxes) = Delivery(stats), a_crowd(3, 10)
    assert hand_over(delivery, crowd, b"12") == 3
    assert hand_over(delivery, crowd, b"345") == 3
    await turns(1)
    assert inboxes == [[], [], []]
    await turns(1)
    assert inboxes == [[b"12345"]] * 3
    assert (stats.messages_out, stats.bytes_out, crowd.messages_out) == (6, 15, 6)


@in_loop
async def test_a_huge_audience_is_counted_once_all_have_it() -> None:
    stats = Stats()
    delivery, (crowd, inboxes) = Delivery(stats), a_crowd(7, 2)
    totals = [hand_over(delivery, crowd, frame) for frame in (b"1", b"2")]
    assert stats.messages_out == 0
    assert await sum_of(totals) == [7, 7]
    assert inboxes == [[b"12"]] * 7
    assert (stats.messages_out, stats.bytes_out) == (14, 14)
    later = hand_over(delivery, crowd, b"3")
    assert isinstance(later, asyncio.Future)
    later.cancel()
    await turns(10)
    assert all(inbox == [b"12", b"3"] for inbox in inboxes)


@in_loop
async def test_what_cannot_be_published_is_raised_and_nothing_waits() -> None:
    delivery, (crowd, inboxes) = Delivery(Stats()), a_crowd(1, 10)

    def fail(done: Callable[[int], None]) -> int | None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        delivery.hand_over(crowd, crowd.fanout, 1, fail)
    assert hand_over(delivery, crowd, b"1") == 1
    await turns()
    assert inboxes == [[b"1"]]


@pytest.mark.parametrize("fanout_slice", [1, 10])
@in_loop
async def test_writes_that_fail_are_counted_and_logged(fanout_slice: int) -> None:
    def fail(frame: bytes) -> None:
        raise RuntimeError("broken")

    stats = Stats()
    delivery, (crowd, inboxes) = Delivery(stats), a_crowd(2, fanout_slice)
    crowd.join("A:1", "broken", fail)
    with capture_logs() as logs:
        hand_over(delivery, crowd, b"1")
        await turns(10)
    assert inboxes == [[b"1"], [b"1"]]
    assert stats.errors["write_failed"] == 1
    assert [(entry["event"], entry["count"]) for entry in logs] == [("writes_failed", 1)]
