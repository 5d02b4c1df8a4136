from hypothesis import given
from hypothesis import strategies as st

from pushery.core.backlog import Backlog
from pushery.core.outbox import Outbox


def backlog() -> Backlog:
    """Room for everything."""
    return Backlog(1 << 30, lambda: None)


def ignore(_: bytes) -> None:
    """What to do about an overflow that does not come."""


def test_what_waits_comes_out_oldest_first_and_once() -> None:
    outbox = Outbox(100, ignore, backlog())
    for frame in (b"1", b"2", b"3"):
        outbox.put(frame)
    assert outbox.size == 3
    assert outbox.drain() == [b"1", b"2", b"3"]
    assert outbox.size == 0
    assert outbox.drain() == []


def test_the_bound_is_in_bytes_and_may_be_filled_to_the_last() -> None:
    lost: list[bytes] = []
    outbox = Outbox(10, lost.append, backlog())
    outbox.put(b"x" * 6)
    outbox.put(b"")
    outbox.put(b"x" * 4)
    assert (outbox.overflowed, lost) == (False, [])
    outbox.put(b"!")
    assert (outbox.overflowed, lost) == (True, [b"!"])


def test_one_frame_larger_than_the_bound_overflows_an_empty_outbox() -> None:
    lost: list[bytes] = []
    outbox = Outbox(3, lost.append, backlog())
    outbox.put(b"four")
    assert outbox.overflowed
    assert lost == [b"four"]


def test_after_an_overflow_nothing_is_kept_and_nobody_is_told_again() -> None:
    lost: list[bytes] = []
    outbox = Outbox(3, lost.append, backlog())
    for frame in (b"12", b"34", b"5", b"6"):
        outbox.put(frame)
    assert lost == [b"34"]
    assert outbox.drain() == []
    outbox.put(b"7")
    assert outbox.overflowed
    assert lost == [b"34"]
    assert outbox.drain() == []


def test_draining_makes_room() -> None:
    outbox = Outbox(3, ignore, backlog())
    for _ in range(5):
        outbox.put(b"123")
        assert outbox.drain() == [b"123"]
    assert not outbox.overflowed


def test_what_a_transport_did_not_take_goes_back_in_front() -> None:
    outbox = Outbox(10, ignore, backlog())
    for frame in (b"1", b"2", b"3"):
        outbox.put(frame)
    given_out = outbox.drain()
    outbox.put(b"4")
    outbox.refill(given_out[1:])
    assert outbox.size == 3
    assert outbox.drain() == [b"2", b"3", b"4"]


@given(st.integers(0, 30), st.lists(st.none() | st.binary(max_size=12), max_size=30))
def test_an_outbox_keeps_all_or_is_given_up(limit: int, moves: list[bytes | None]) -> None:
    lost: list[bytes] = []
    outbox = Outbox(limit, lost.append, backlog())
    waiting: list[bytes] = []
    for frame in moves:
        if frame is None:
            assert outbox.drain() == waiting
            waiting = []
            continue
        fits = not lost and sum(map(len, waiting)) + len(frame) <= limit
        outbox.put(frame)
        if fits:
            waiting.append(frame)
            assert outbox.size == sum(map(len, waiting))
        else:
            waiting = []
        assert outbox.overflowed == (len(lost) == 1) == (not fits)
