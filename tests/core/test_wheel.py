import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pushery.core.wheel import NEVER, Wheel

TICK = 0.25


class Item:
    """Something with a deadline."""

    def __init__(self) -> None:
        self.wheel_slot = NEVER


def due(wheel: Wheel[Item], now: float) -> list[Item]:
    """All that is handed out at `now`."""
    wheel.turn(now)
    return wheel.take(1000)


def test_an_item_is_handed_out_once_and_is_free_again() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    item = Item()
    wheel.arm(item, 1.0)
    assert due(wheel, 1.0) == []
    assert due(wheel, 1.25) == [item]
    assert item.wheel_slot == NEVER
    assert due(wheel, 100.0) == []


@given(
    tick=st.sampled_from([0.001, 0.05, 0.1, 0.25, 1.0, 3.0]),
    begin=st.floats(0, 1e6),
    wait=st.floats(0, 100),
    steps_per_tick=st.integers(1, 20),
)
def test_no_item_is_early_and_none_later_than_a_tick_after_its_deadline(
    tick: float, begin: float, wait: float, steps_per_tick: int
) -> None:
    wheel: Wheel[Item] = Wheel(tick, begin)
    item = Item()
    deadline = begin + wait
    wheel.arm(item, deadline)
    assert due(wheel, begin) == []
    first = max(begin, deadline - tick)
    for step in range(3 * steps_per_tick + 1):
        now = first + step * tick / steps_per_tick
        handed_out = due(wheel, now)
        if handed_out:
            assert now > deadline
            return
        assert now < deadline + tick * 1.001  # a thousandth for rounding
    raise AssertionError("it was never handed out")


def test_a_deadline_that_has_passed_is_due_at_the_next_tick() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 10.0)
    item = Item()
    wheel.arm(item, 3.0)
    assert due(wheel, 10.0) == []
    assert due(wheel, 10.25) == [item]


def test_arming_again_replaces_the_deadline_both_ways() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    later, sooner = Item(), Item()
    wheel.arm(later, 1.0)
    wheel.arm(later, 5.0)
    wheel.arm(sooner, 5.0)
    wheel.arm(sooner, 1.0)
    assert due(wheel, 2.0) == [sooner]
    assert due(wheel, 5.25) == [later]


def test_a_cancelled_item_is_not_handed_out() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    cancelled, other = Item(), Item()
    wheel.arm(cancelled, 1.0)
    wheel.arm(other, 1.0)
    wheel.cancel(cancelled)
    wheel.cancel(cancelled)
    wheel.cancel(Item())
    assert due(wheel, 2.0) == [other]


@pytest.mark.parametrize("jump", [10.0, 3600.0, 86_400.0])
def test_a_big_jump_of_time_hands_out_all_that_is_due(jump: float) -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    items = [Item() for _ in range(20)]
    for number, item in enumerate(items):
        wheel.arm(item, number * 0.5)
    beyond = Item()
    wheel.arm(beyond, jump)
    assert set(due(wheel, jump)) == set(items)
    assert due(wheel, jump + TICK) == [beyond]


def test_what_is_due_is_taken_in_portions() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    items = [Item() for _ in range(5)]
    for item in items:
        wheel.arm(item, 1.0)
    assert wheel.take(5) == []
    wheel.turn(2.0)
    portions = [wheel.take(2) for _ in range(4)]
    assert [len(portion) for portion in portions] == [2, 2, 1, 0]
    assert {item for portion in portions for item in portion} == set(items)


def test_what_is_cancelled_or_armed_anew_while_it_waits_to_be_taken_is_not_taken() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    cancelled, again, other = Item(), Item(), Item()
    for item in (cancelled, again, other):
        wheel.arm(item, 1.0)
    wheel.turn(2.0)
    wheel.cancel(cancelled)
    wheel.arm(again, 3.0)
    assert wheel.take(10) == [other]
    assert due(wheel, 3.0) == []
    assert due(wheel, 3.25) == [again]


def test_what_is_armed_can_be_listed_even_while_it_waits_to_be_taken() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    waiting, armed = Item(), Item()
    wheel.arm(waiting, 1.0)
    wheel.arm(armed, 5.0)
    wheel.turn(2.0)
    assert set(wheel) == {waiting, armed}
    wheel.take(1)
    assert list(wheel) == [armed]


def test_a_wheel_begins_at_the_time_it_is_made() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 1e6)
    item = Item()
    wheel.arm(item, 1e6 + 1)
    assert due(wheel, 1e6 + 1) == []
    assert due(wheel, 1e6 + 1.25) == [item]


def test_now_is_the_time_of_the_last_turn() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 1.0)
    assert wheel.now == 1.0
    wheel.turn(1.1)
    assert wheel.now == 1.1


def test_the_wheel_lets_go_of_what_it_has_handed_out_or_forgotten() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    items = [Item() for _ in range(3)]
    for item in items:
        wheel.arm(item, 1.0)
        wheel.arm(item, 2.0)
    gone = [weakref.ref(item) for item in items]
    wheel.cancel(items[0])
    assert len(due(wheel, 3.0)) == 2
    del item, items
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None]


def test_slots_are_let_go_of_once_they_have_passed() -> None:
    wheel: Wheel[Item] = Wheel(TICK, 0.0)
    item = Item()
    for number in range(1000):
        wheel.arm(item, number * TICK + 60)
        wheel.turn(number * TICK)
    assert len(wheel._slots) <= 60 / TICK + 2
    assert due(wheel, 10_000.0) == [item]
    assert len(wheel._slots) <= 1


class AgainstAList(RuleBasedStateMachine):
    """A wheel beside a list of deadlines, in whole ticks so that nothing is rounded."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks = 1000
        self.wheel: Wheel[Item] = Wheel(TICK, self.ticks * TICK)
        self.items = [Item() for _ in range(4)]
        self.due_at: dict[Item, int] = {}

    @rule(number=st.integers(0, 3), quarter_ticks=st.integers(-8, 60))
    def arm(self, number: int, quarter_ticks: int) -> None:
        item = self.items[number]
        self.wheel.arm(item, (self.ticks + quarter_ticks / 4) * TICK)
        self.due_at[item] = self.ticks + max(quarter_ticks // 4, 0) + 1

    @rule(number=st.integers(0, 3))
    def cancel(self, number: int) -> None:
        self.wheel.cancel(self.items[number])
        self.due_at.pop(self.items[number], None)

    @rule(ticks=st.integers(0, 3) | st.integers(0, 40))
    def turn(self, ticks: int) -> None:
        self.ticks += ticks
        self.wheel.turn(self.ticks * TICK)

    @rule(count=st.integers(0, 5))
    def take(self, count: int) -> None:
        expected = {item for item, at in self.due_at.items() if at <= self.ticks}
        taken = self.wheel.take(count)
        assert len(taken) == len(set(taken)) == min(count, len(expected))
        assert set(taken) <= expected
        for item in taken:
            del self.due_at[item]

    @invariant()
    def an_item_knows_whether_it_is_armed(self) -> None:
        for item in self.items:
            assert (item.wheel_slot == NEVER) == (item not in self.due_at)

    @invariant()
    def all_that_is_armed_can_be_listed(self) -> None:
        assert sorted(map(id, self.wheel)) == sorted(map(id, self.due_at))


def test_a_wheel_hands_out_what_a_list_of_deadlines_would() -> None:
    run_state_machine_as_test(AgainstAList, settings=settings(max_examples=80, stateful_step_count=40))
