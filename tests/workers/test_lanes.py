"""Order within a lane, fairness between targets, and bounds, against a naive model of what was done with each event."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from pushery.workers.lanes import CAREFUL_AFTER, REST_FIRST_S, Job, Lanes, TargetKey

ONE, TWO = TargetKey("k", "http://one"), TargetKey("k", "http://two")


def one(_: TargetKey) -> int:
    return 1


def take_all(lanes: Lanes, now: float = 0.0, most: int = 1) -> list[Job]:
    jobs = []
    while (job := lanes.take(now, lambda _: most)) is not None:
        jobs.append(job)
    return jobs


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from([ONE, TWO]), st.sampled_from("abc")),
        st.tuples(st.just("take"), st.integers(1, 4), st.just("")),
        st.tuples(st.sampled_from(["work", "fail", "part", "give back", "drop"]), st.integers(0, 9), st.just("")),
        st.tuples(st.just("pass time"), st.integers(0, 3), st.just("")),
    ),
    max_size=80,
)


@given(STEPS)
def test_of_each_lane_everything_leaves_once_and_in_order(steps: list[tuple[str, object, str]]) -> None:
    lanes = Lanes(per_target=2, total=3)
    added: dict[tuple[TargetKey, str], list[int]] = defaultdict(list)
    left: dict[tuple[TargetKey, str], list[int]] = defaultdict(list)
    dropped: set[int] = set()
    where: dict[int, tuple[TargetKey, str]] = {}
    jobs: list[Job] = []
    now, number = 0.0, 0

    def leave(ids: list[int]) -> None:
        for event_id in ids:
            if event_id not in dropped:
                left[where[event_id]].append(event_id)

    for what, argument, lane in steps:
        if what == "add":
            assert isinstance(argument, TargetKey)
            number += 1
            where[number] = (argument, lane)
            added[argument, lane].append(number)
            lanes.add(argument, lane, number)
            continue
        assert isinstance(argument, int)
        if what == "take":
            job = lanes.take(now, lambda _, most=argument: most)  # type: ignore[misc]
            if job is not None:
                assert 0 < len(job.ids) <= argument
                busy = {where[event_id] for other in jobs for event_id in other.ids}
                assert busy.isdisjoint({where[event_id] for event_id in job.ids})
                jobs.append(job)
            assert len(jobs) <= 3
        elif what == "pass time":
            now += argument
        elif what == "drop":
            waiting = sorted(lanes.ids())
            if waiting:
                lanes.remove([waiting[argument % len(waiting)]])
                dropped.add(waiting[argument % len(waiting)])
        elif jobs:
            job = jobs.pop(argument % len(jobs))
            if what == "work":
                leave(job.ids)
                lanes.settle(job, set(job.ids), now, None, worked=True)
            elif what == "fail":
                lanes.settle(job, set(), now, now + 2, worked=False)
            elif what == "part":
                first = [ids[0] for _, ids in job.pieces]
                leave(sorted(first))
                lanes.settle(job, set(first), now, now + 1, worked=False)
            else:
                lanes.give_back(job, set(job.ids[1:]))
                leave(job.ids)
                lanes.settle(job, set(job.ids), now, None, worked=True)
    for job in jobs:
        leave(job.ids)
        lanes.settle(job, set(job.ids), now, None, worked=True)
    while job := lanes.take(now + 10, one):
        leave(job.ids)
        lanes.settle(job, set(job.ids), now + 10, None, worked=True)
    for place, ids in added.items():
        assert left[place] == [event_id for event_id in ids if event_id in left[place]], "in order"
        assert set(ids) <= set(left[place]) | dropped, "nothing is lost"
        assert len(set(left[place])) == len(left[place]), "once"
    assert (lanes.queued, lanes.targets, lanes.ids()) == (0, {}, set())


def test_one_target_cannot_take_all_places_nor_all_turns() -> None:
    lanes = Lanes(per_target=3, total=5)
    for number in range(10):
        lanes.add(ONE, f"lane{number}", number)
    for number in range(10, 20):
        lanes.add(TWO, f"lane{number}", number)
    assert [job.target.key for job in take_all(lanes)] == [ONE, TWO, ONE, TWO, ONE]


def test_a_target_that_keeps_failing_gets_one_request_at_a_time_until_it_works() -> None:
    lanes = Lanes(per_target=CAREFUL_AFTER, total=100)
    for number in range(50):
        lanes.add(ONE, f"lane{number}", number)
    for job in take_all(lanes):
        lanes.settle(job, set(), 0.0, 100.0, worked=False)
    assert take_all(lanes) == []
    assert lanes.next_due() == REST_FIRST_S
    (job,) = take_all(lanes, REST_FIRST_S)
    lanes.settle(job, set(job.ids), REST_FIRST_S, None, worked=True)
    assert len(take_all(lanes, REST_FIRST_S)) == CAREFUL_AFTER


def test_a_target_that_keeps_failing_is_asked_less_and_less() -> None:
    lanes = Lanes(per_target=8, total=100)
    for number in range(5000):
        lanes.add(ONE, f"lane{number}", number)
    asked, now = 0, 0.0
    while now < 60.0:
        for job in take_all(lanes, now):
            asked += 1
            lanes.settle(job, set(), now, now + 300.0, worked=False)
        due = lanes.next_due()
        assert due is not None
        now = due
    assert 30 < asked < 60


def test_a_lane_that_rests_holds_up_no_other_and_says_when_it_is_ready() -> None:
    lanes = Lanes()
    for number, lane in enumerate("aab"):
        lanes.add(ONE, lane, number)
    first = lanes.take(0.0, one)
    assert first is not None
    lanes.settle(first, set(), 0.0, 5.0, worked=False)
    assert [job.ids for job in take_all(lanes)] == [[2]]
    assert lanes.next_due() == 5.0
    assert [job.ids for job in take_all(lanes, 5.0)] == [[0]]


def test_a_target_that_is_let_go_leaves_nothing() -> None:
    lanes = Lanes()
    for number in range(5):
        lanes.add(ONE, f"lane{number % 2}", number)
    lanes.add(TWO, "lane", 9)
    job = lanes.take(0.0, one)
    assert job is not None
    assert lanes.forget(ONE) == {0, 1, 2, 3, 4}
    assert lanes.forget(ONE) == set()
    assert lanes.waiting(ONE) == 0
    lanes.settle(job, set(), 0.0, 1.0, worked=False)
    assert [job.ids for job in take_all(lanes, 9.0)] == [[9]]
    assert lanes.queued == 1
