"""What is held back, cancelled and let out, against a model that looks at the whole history each time."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pushery.core.hookevents import DEPARTURES, HookEvent, Place, place_of
from pushery.workers.holdback import HoldBack, Notice
from tests.workers.worlds import added, occupied, removed, said, vacated

HOLD_S = 3.0
COUNT_S = 1.0

PLACES = [Place("k", "a"), Place("k", "b"), Place("k", "a", "u"), Place("k", "a", ""), Place("other", "a")]


def count(channel: str, number: int) -> HookEvent:
    return HookEvent("subscription_count", channel=channel, subscription_count=number)


def notice(event: HookEvent, app_key: str = "k") -> Notice:
    return Notice(app_key, event, 7)


def after_restart(*told: Place) -> HoldBack:
    """With places that were told to be taken before it."""
    held = HoldBack(HOLD_S, COUNT_S)
    assert held.reconcile(told, 0) == []
    return held


@dataclass
class Model:
    """Every place in words of one syllable: told taken or not, and when it was left."""

    told: set[Place]
    unsure: set[Place]
    left: dict[Place, float] = field(default_factory=dict)

    def arrive(self, place: Place) -> bool:
        """Whether it is told."""
        was_told = place in self.told
        self.left.pop(place, None)
        self.unsure.discard(place)
        self.told.add(place)
        return not was_told

    def leave(self, place: Place, now: float) -> None:
        self.unsure.discard(place)
        self.left[place] = now

    def due(self, now: float) -> set[Place]:
        gone = {place for place, since in self.left.items() if since + HOLD_S <= now}
        for place in gone:
            del self.left[place]
        self.told -= gone
        return gone


def arrival(place: Place) -> HookEvent:
    return occupied(place.channel) if place.user_id is None else added(place.channel, place.user_id)


def departure(place: Place) -> HookEvent:
    return vacated(place.channel) if place.user_id is None else removed(place.channel, place.user_id)


@given(
    st.sets(st.sampled_from(PLACES)),
    st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from([0.0, 0.5, 1.0, 2.9, 3.0, 4.0]), st.booleans())),
)
def test_comings_and_goings_are_told_as_the_model_says(
    standing: set[Place], steps: list[tuple[Place, float, bool]]
) -> None:
    held, model = after_restart(*standing), Model(set(standing), set(standing))
    present: set[Place] = set()
    now = 0.0
    for place, pause_s, abandons in steps:
        now += pause_s
        told = {place_of(one.app_key, one.event) for one in held.due(now)}
        assert told == model.due(now)
        if abandons:
            left = held.abandon(9, 100)
            assert {place_of(one.app_key, one.event) for one in left} == model.unsure
            assert {one.event.name for one in left} <= set(DEPARTURES)
            model.told -= model.unsure
            model.unsure.clear()
        elif place in present:
            present.remove(place)
            assert held.take(notice(departure(place), place.app_key), now) is None
            model.leave(place, now)
        else:
            present.add(place)
            what = notice(arrival(place), place.app_key)
            assert held.take(what, now) == (what if model.arrive(place) else None)
        assert held.next_due() == (min(model.left.values()) + HOLD_S if model.left else None)


@given(st.lists(st.sampled_from(PLACES), max_size=30))
def test_what_is_told_of_a_place_alternates(steps: list[Place]) -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    present: set[Place] = set()
    told: list[HookEvent] = []
    for number, place in enumerate(steps):
        event = departure(place) if place in present else arrival(place)
        present ^= {place}
        out = held.take(notice(event, place.app_key), float(number))
        told += [out.event] if out else []
        told += [one.event for one in held.due(float(number))]
    names = [event.name for event in told if event.channel == "b"]
    assert names == [["channel_occupied", "channel_vacated"][number % 2] for number in range(len(names))]


def test_counts_that_follow_each_other_quickly_become_one_and_are_not_put_off_for_ever() -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    for number in range(5):
        assert held.take(notice(count("a", number)), number * 0.2) is None
    assert held.due(0.9) == []
    assert held.due(1.0) == [notice(count("a", 4))]
    assert held.due(9.0) == []
    assert held.next_due() is None


def test_everything_else_is_told_at_once() -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    for event in (said("a", "x"), HookEvent("cache_miss", channel="a"), HookEvent("connected", socket_id="1.2")):
        assert held.take(notice(event), 0.0) == notice(event)


def test_what_is_due_comes_in_the_order_in_which_it_became_due() -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    held.take(notice(removed("a", "u")), 0.0)
    held.take(notice(vacated("a")), 0.0)
    held.take(notice(count("a", 1)), 2.5)
    held.take(notice(count("b", 1)), 1.0)
    names = [(one.event.name, one.event.channel) for one in held.due(10.0)]
    assert names == [
        ("subscription_count", "b"),
        ("member_removed", "a"),
        ("channel_vacated", "a"),
        ("subscription_count", "a"),
    ]


def test_members_are_told_to_be_gone_before_their_channel() -> None:
    held = after_restart(Place("k", "a"), Place("k", "a", "u"), Place("k", "b"))
    told = held.abandon(5, 2) + held.abandon(5, 2)
    assert told == [Notice("k", event, 5) for event in (removed("a", "u"), vacated("a"), vacated("b"))]
    assert held.abandon(5, 2) == []


def test_of_an_app_that_is_gone_nothing_is_told() -> None:
    held = after_restart(Place("k", "c"), Place("other", "c"))
    held.take(notice(vacated("a")), 0.0)
    held.take(notice(count("a", 1)), 0.0)
    held.forget("k")
    assert held.due(10.0) == []
    assert [one.app_key for one in held.abandon(5, 10)] == ["other"]


def test_without_a_time_to_hold_back_departures_are_told_at_once() -> None:
    held = HoldBack(0.0, 0.0)
    held.take(notice(vacated("a")), 1.0)
    assert held.due(1.0) == [notice(vacated("a"))]


def test_departures_wait_as_long_as_they_are_not_asked_for() -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    for event in (occupied("a"), vacated("a"), count("b", 1)):
        held.take(notice(event), 0.0)
    assert held.next_due(departures=False) == COUNT_S
    assert held.due(10.0, departures=False) == [notice(count("b", 1))]
    assert held.next_due(departures=False) is None
    assert held.due(10.0) == [notice(vacated("a"))]


def test_who_is_here_when_others_have_gone_is_not_waited_for_and_told_if_nobody_was() -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    for event in (added("a", "u"), occupied("a"), occupied("b"), occupied("left"), vacated("left"), vacated("mine")):
        held.take(notice(event), 0.0)
    told = [Place("k", "b"), Place("k", "left"), Place("k", "elsewhere")]
    assert held.reconcile(told, 7) == [notice(occupied("a")), notice(added("a", "u"))]
    assert held.due(100.0) == [notice(vacated("mine"))]
    assert sorted(held.abandon(7, 10), key=lambda left: left.event.channel or "") == [
        notice(vacated("elsewhere")),
        notice(vacated("left")),
    ]
    assert held.abandon(7, 10) == []


def test_who_comes_back_after_the_others_have_gone_is_not_told_again() -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    held.reconcile([Place("k", "a"), Place("k", "b")], 7)
    assert held.take(notice(occupied("a")), 0.0) is None
    assert held.abandon(7, 10) == [notice(vacated("b"))]


def test_a_shorter_time_lets_out_in_order_and_nothing_later_than_the_longer_one() -> None:
    held = HoldBack(HOLD_S, COUNT_S)
    for channel in ("a", "b"):
        held.take(notice(HookEvent("channel_occupied", channel=channel)), 0.0)
    held.take(notice(HookEvent("channel_vacated", channel="a")), 0.0)
    held.configure(1.0, COUNT_S)
    held.take(notice(HookEvent("channel_vacated", channel="b")), 1.0)
    assert held.due(2.5) == []
    assert [each.event.channel for each in held.due(3.0)] == ["b", "a"]
