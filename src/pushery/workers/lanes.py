"""Who is next: what waits for delivery, in lanes that do not hold each other up.

A target is one webhook of one app; a lane is what must stay in order there, which is one channel. Holds numbers of
events only, what they say is in the outbox. Knows no HTTP and no clock. Invariant: of one lane at most one job is
under way, and a job takes events from the front of a lane only.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

CAREFUL_AFTER: Final = 8
"""Failures in a row after which a target gets one request at a time, so that it cannot fill all places."""

REST_FIRST_S: Final = 0.05
REST_MOST_S: Final = 2.0
"""Such a target rests between two requests, twice as long with each failure: thousands of its channels wait to try."""


class TargetKey(NamedTuple):
    """A webhook of an app."""

    app_key: str
    url: str


class Lane:
    """The events of one channel that wait for one target, oldest first."""

    __slots__ = ("ids", "name", "placed")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ids: deque[int] = deque()
        self.placed = False
        """Whether it is ready, resting or in a job: then it must not become ready a second time."""


class Target:
    """What waits for one webhook, and how it has been doing."""

    __slots__ = ("failing_since", "failures", "in_flight", "in_turn", "key", "lanes", "ready", "rests_until", "told")

    def __init__(self, key: TargetKey) -> None:
        self.key = key
        self.lanes: dict[str, Lane] = {}
        self.ready: deque[Lane] = deque()
        self.in_flight = 0
        self.in_turn = False
        self.failures = 0
        """In a row."""
        self.failing_since: float | None = None
        self.rests_until = 0.0
        """When it may be asked again."""
        self.told = False
        """Whether the log says that it fails."""


@dataclass(slots=True)
class Job:
    """Events to deliver in one request: the first ones of some lanes."""

    target: Target
    pieces: list[tuple[Lane, list[int]]]

    @property
    def ids(self) -> list[int]:
        """In the order in which they happened."""
        return sorted(itertools.chain.from_iterable(ids for _, ids in self.pieces))


class Lanes:
    """All targets. Times are seconds of one monotonic clock."""

    def __init__(self, *, per_target: int = 8, total: int = 256) -> None:
        """At most so many jobs are under way for one target, and in all."""
        self._per_target = per_target
        self._total = total
        self._in_flight = 0
        self._turns: deque[Target] = deque()
        self._resting: list[tuple[float, int, Target, Lane | None]] = []
        """By the time at which they wake: lanes, and with None for a lane whole targets."""
        self._numbers = itertools.count()
        self._waiting: dict[TargetKey, int] = {}
        self.targets: dict[TargetKey, Target] = {}

    def waiting(self, key: TargetKey) -> int:
        """How many events wait for a target or are under way to it."""
        return self._waiting.get(key, 0)

    @property
    def queued(self) -> int:
        """How many events wait or are under way in all."""
        return sum(self._waiting.values())

    def add(self, key: TargetKey, lane_name: str, event_id: int) -> None:
        """Put an event at the end of its lane. Ids rise within a lane."""
        target = self.targets.get(key)
        if target is None:
            target = self.targets[key] = Target(key)
        lane = target.lanes.get(lane_name)
        if lane is None:
            lane = target.lanes[lane_name] = Lane(lane_name)
        lane.ids.append(event_id)
        self._waiting[key] = self._waiting.get(key, 0) + 1
        if not lane.placed:
            self._make_ready(target, lane)

    def take(self, now: float, most: Callable[[TargetKey], int]) -> Job | None:
        """The next job, None when there is none at this moment. Targets take turns. `most` events per job of a target.

        Every job must come back through `settle`.
        """
        self._wake(now)
        if self._in_flight >= self._total:
            return None
        while self._turns:
            target = self._turns.popleft()
            target.in_turn = False
            job = self._job(target, most(target.key), now)
            if job is not None:
                target.in_flight += 1
                self._in_flight += 1
                self._give_turn(target)
                return job
            self._tidy(target)
        return None

    def give_back(self, job: Job, ids: Container[int]) -> None:
        """Take events out of a job that does not have room for them; each piece loses them from its end."""
        kept = []
        for lane, taken in job.pieces:
            left = [event_id for event_id in taken if event_id not in ids]
            if left:
                kept.append((lane, left))
            else:
                self._make_ready(job.target, lane)
        job.pieces = kept

    def settle(
        self, job: Job, gone: Container[int], now: float, retry_at: float | None, *, worked: bool | None
    ) -> None:
        """A job is over: `gone` events leave, and lanes that keep some of the job's rest until `retry_at`.

        `worked` says how the target has done; None when it was not asked.
        """
        target = job.target
        target.in_flight -= 1
        self._in_flight -= 1
        if worked:
            target.failures, target.failing_since, target.rests_until = 0, None, 0.0
        elif worked is False:
            target.failures += 1
            target.failing_since = now if target.failing_since is None else target.failing_since
            self._let_rest(target, now)
        for lane, ids in job.pieces:
            leaving = {event_id for event_id in ids if event_id in gone}
            left = len(ids) - len(leaving)
            self._remove(target, lane, leaving)
            if left and lane.ids and retry_at is not None:
                heapq.heappush(self._resting, (retry_at, next(self._numbers), target, lane))
            else:
                self._make_ready(target, lane)
        self._give_turn(target)
        self._tidy(target)

    def next_due(self) -> float | None:
        """When the next lane or target has rested enough; None when none rests."""
        return self._resting[0][0] if self._resting else None

    def remove(self, ids: Iterable[int]) -> None:
        """Events that are no longer wanted. A job that is under way with one of them goes on."""
        leaving = set(ids)
        for target in list(self.targets.values()):
            for lane in target.lanes.values():
                self._remove(target, lane, leaving)
            self._tidy(target)

    def forget(self, key: TargetKey) -> set[int]:
        """Let go of a target; returned are the events that waited for it. Jobs that are under way go on."""
        target = self.targets.get(key)
        if target is None:
            return set()
        ids = {event_id for lane in target.lanes.values() for event_id in lane.ids}
        for lane in list(target.lanes.values()):
            self._remove(target, lane, ids)
        self._let_go(target)
        return ids

    def ids(self) -> set[int]:
        """All events that wait or are under way."""
        return {event_id for target in self.targets.values() for lane in target.lanes.values() for event_id in lane.ids}

    def _let_rest(self, target: Target, now: float) -> None:
        if target.failures >= CAREFUL_AFTER:
            rest = min(REST_MOST_S, REST_FIRST_S * 2.0 ** min(target.failures - CAREFUL_AFTER, 16))
            target.rests_until = now + rest
            heapq.heappush(self._resting, (target.rests_until, next(self._numbers), target, None))

    def _job(self, target: Target, most: int, now: float) -> Job | None:
        if now < target.rests_until:
            return None
        if target.in_flight >= (1 if target.failures >= CAREFUL_AFTER else self._per_target):
            return None
        pieces: list[tuple[Lane, list[int]]] = []
        room = most
        while target.ready and room > 0:
            lane = target.ready.popleft()
            taken = list(itertools.islice(lane.ids, room))
            if taken:
                pieces.append((lane, taken))
                room -= len(taken)
            else:
                lane.placed = False
                self._drop_if_empty(target, lane)
        return Job(target, pieces) if pieces else None

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            _, _, target, lane = heapq.heappop(self._resting)
            if lane is None:
                self._give_turn(target)
            else:
                self._make_ready(target, lane)
            self._tidy(target)

    def _make_ready(self, target: Target, lane: Lane) -> None:
        lane.placed = bool(lane.ids)
        if lane.ids:
            target.ready.append(lane)
            self._give_turn(target)
        else:
            self._drop_if_empty(target, lane)

    def _give_turn(self, target: Target) -> None:
        if target.ready and not target.in_turn:
            target.in_turn = True
            self._turns.append(target)

    def _remove(self, target: Target, lane: Lane, ids: set[int]) -> None:
        if not ids:
            return
        before = len(lane.ids)
        while lane.ids and lane.ids[0] in ids:
            lane.ids.popleft()
        if not ids.isdisjoint(lane.ids):
            lane.ids = deque(event_id for event_id in lane.ids if event_id not in ids)
        if left := self._waiting.get(target.key, 0) - before + len(lane.ids):
            self._waiting[target.key] = left
        else:
            self._waiting.pop(target.key, None)

    @staticmethod
    def _drop_if_empty(target: Target, lane: Lane) -> None:
        if not lane.ids and not lane.placed:
            target.lanes.pop(lane.name, None)

    def _tidy(self, target: Target) -> None:
        """Forget a target that nothing waits for, and with it how it has been doing: what comes is tried anew."""
        if not target.lanes and not target.in_flight:
            self._let_go(target)

    def _let_go(self, target: Target) -> None:
        if self.targets.get(target.key) is target:
            del self.targets[target.key]
