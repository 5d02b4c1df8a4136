from collections.abc import Collection
from functools import partial
from math import ceil

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pushery.core.audience import Audience, size
from pushery.core.fanout import Broadcast, FanOut

TAGS = range(4)


class Client:
    """A subscriber that remembers what was written to it, and by which way."""

    def __init__(self, raises_every: int = 0, swaps_every: int = 0) -> None:
        self.raises_every = raises_every
        self.swaps_every = swaps_every
        self.way = 0
        self.offered: list[bytes] = []
        self.taken: list[bytes] = []
        self.homes: list[Audience] = []
        """The audiences it is in."""

    def write(self, way: int, frame: bytes) -> None:
        """What `redirect` binds to a way."""
        assert self.homes, "written to after it left"
        assert way == self.way, "written to by a way it has given up"
        self.offered.append(frame)
        if self.swaps_every and len(self.offered) % self.swaps_every == 0:
            self.redirect()
        if self.raises_every and len(self.offered) % self.raises_every == 0:
            raise RuntimeError("broken pipe")
        self.taken.append(frame)

    def redirect(self) -> None:
        """Be written to by another way from now on."""
        self.way += 1
        for home in self.homes:
            home[self] = partial(self.write, self.way)

    def join(self, *homes: Audience) -> None:
        """Come in."""
        self.homes = list(homes)
        self.redirect()

    def leave(self) -> None:
        """Go for good."""
        for home in self.homes:
            del home[self]
        self.homes = []


class AgainstAList(RuleBasedStateMachine):
    """A fan-out beside lists of what each client is to get, in order."""

    @initialize(slice_size=st.integers(1, 5))
    def begin(self, slice_size: int) -> None:
        self.fanout = FanOut(slice_size)
        self.everyone: Audience = {}
        self.by_tag: list[Audience] = [{} for _ in TAGS]
        self.clients: list[Client] = []
        self.meant: dict[Client, list[bytes]] = {}
        self.published = 0
        self.outcomes: dict[bytes, int | None] = {}
        """What each publication reported; None while it is under way."""

    @rule(tag=st.sampled_from(TAGS), raises_every=st.sampled_from([0, 0, 0, 2]), swaps_every=st.sampled_from([0, 0, 3]))
    def join(self, tag: int, raises_every: int, swaps_every: int) -> None:
        client = Client(raises_every, swaps_every)
        client.join(self.everyone, self.by_tag[tag])
        self.clients.append(client)
        self.meant[client] = []

    @rule(tag=st.sampled_from(TAGS), count=st.integers(1, 12))
    def a_crowd_joins(self, tag: int, count: int) -> None:
        for _ in range(count):
            self.join(tag, 0, 0)

    @precondition(lambda self: self.everyone)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from([client for client in self.clients if client.homes]))
        assert client.offered == self.meant[client][: len(client.offered)]
        client.leave()

    @precondition(lambda self: self.everyone)
    @rule(data=st.data())
    def redirect(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([client for client in self.clients if client.homes])).redirect()

    @rule(tags=st.sets(st.sampled_from(TAGS)))
    def publish_to_tags(self, tags: set[int]) -> None:
        self.publish([self.by_tag[tag] for tag in tags])

    @rule()
    def publish_to_all(self) -> None:
        self.publish((self.everyone,))

    def publish(self, audiences: Collection[Audience]) -> None:
        frame = b"%d" % self.published
        self.published += 1
        receivers = [client for client in self.clients if any(client in audience for audience in audiences)]
        for client in receivers:
            self.meant[client].append(frame)
        outcome = self.fanout.publish(frame, audiences)
        if isinstance(outcome, Broadcast):
            assert len(receivers) > self.fanout.slice_size
            self.outcomes[frame] = None
            outcome.on_done = lambda total: self.done(frame, total)
        else:
            assert len(receivers) <= self.fanout.slice_size
            self.outcomes[frame] = outcome
            for client in receivers:
                assert client.offered == self.meant[client], "a small push waits for nobody"

    def done(self, frame: bytes, total: int) -> None:
        assert self.outcomes[frame] is None, "done twice"
        self.outcomes[frame] = total
        for client in self.clients:
            assert not client.homes or frame not in self.meant[client] or frame in client.offered

    @rule()
    def step(self) -> None:
        before = sum(len(client.offered) for client in self.clients)
        running = self.fanout.step()
        assert running == self.fanout.running
        assert sum(len(client.offered) for client in self.clients) - before <= self.fanout.slice_size

    @rule()
    def finish(self) -> None:
        turns = 0
        while self.fanout.running:
            self.step()
            turns += 1
        assert turns <= self.published * ceil(len(self.clients) / self.fanout.slice_size)
        for client in self.clients:
            if client.homes:
                assert client.offered == self.meant[client]

    @invariant()
    def everybody_gets_a_beginning_of_what_is_meant_for_them(self) -> None:
        for client in self.clients:
            assert client.offered == self.meant[client][: len(client.offered)]

    @invariant()
    def totals_are_what_was_taken_and_failures_what_was_not(self) -> None:
        for frame, total in self.outcomes.items():
            assert total is None or total == sum(frame in client.taken for client in self.clients)
        if not self.fanout.running:
            assert None not in self.outcomes.values()
            assert self.fanout.failures == sum(len(client.offered) - len(client.taken) for client in self.clients)

    def teardown(self) -> None:
        self.finish()


TestAgainstAList = AgainstAList.TestCase


def crowd(count: int) -> tuple[Audience, list[Client]]:
    """An audience of so many well-behaved clients."""
    audience: Audience = {}
    clients = [Client() for _ in range(count)]
    for client in clients:
        client.join(audience)
    return audience, clients


def broadcast(fanout: FanOut, frame: bytes, audience: Audience) -> list[int]:
    """Publish to a huge audience; the totals it is done with are appended to what is returned."""
    totals: list[int] = []
    outcome = fanout.publish(frame, (audience,))
    assert isinstance(outcome, Broadcast)
    outcome.on_done = totals.append
    return totals


def test_an_audience_of_one_slice_is_written_at_once() -> None:
    audience, clients = crowd(3)
    fanout = FanOut(3)
    assert fanout.publish(b"hello", (audience,)) == 3
    assert not fanout.running
    assert all(client.taken == [b"hello"] for client in clients)


def test_nobody_is_a_total_of_zero() -> None:
    fanout = FanOut(3)
    assert fanout.publish(b"hello", ()) == 0
    assert fanout.publish(b"hello", ({},)) == 0
    assert not fanout.running
    assert not fanout.step()


def test_a_larger_audience_is_written_slice_by_slice() -> None:
    audience, clients = crowd(7)
    fanout = FanOut(3)
    totals = broadcast(fanout, b"hello", audience)
    written = [sum(len(client.taken) for client in clients)]
    while fanout.step():
        assert totals == []
        written.append(sum(len(client.taken) for client in clients))
    assert written == [0, 3, 6]
    assert totals == [7]


def test_several_audiences_are_one_broadcast() -> None:
    (first, _), (second, _) = crowd(2), crowd(2)
    fanout = FanOut(3)
    outcome = fanout.publish(b"hello", (first, second))
    assert isinstance(outcome, Broadcast)
    assert fanout.step()
    assert not fanout.step()
    assert outcome.total == size((first, second)) == 4


def test_a_client_that_leaves_before_its_turn_is_neither_written_nor_counted() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    totals = broadcast(fanout, b"hello", audience)
    fanout.step()
    clients[0].leave()
    clients[3].leave()
    while fanout.step():
        pass
    assert [client.taken for client in clients] == [[b"hello"], [b"hello"], [b"hello"], []]
    assert totals == [3]


def test_a_client_that_joins_during_a_broadcast_does_not_get_it() -> None:
    audience, _ = crowd(4)
    fanout = FanOut(2)
    totals = broadcast(fanout, b"hello", audience)
    late = Client()
    late.join(audience)
    while fanout.step():
        pass
    assert late.offered == []
    assert totals == [4]


def test_a_small_push_first_hands_its_receivers_all_that_is_still_owed_to_them() -> None:
    audience, clients = crowd(6)
    fanout = FanOut(2)
    first, second = broadcast(fanout, b"1", audience), broadcast(fanout, b"2", audience)
    few: Audience = {client: audience[client] for client in clients[4:]}
    assert fanout.publish(b"3", (few,)) == 2
    assert [client.taken for client in clients] == [[], [], [], [], [b"1", b"2", b"3"], [b"1", b"2", b"3"]]
    while fanout.step():
        pass
    assert all(client.taken[:2] == [b"1", b"2"] for client in clients)
    assert (first, second) == ([6], [6])


def test_an_empty_push_into_a_running_broadcast_disturbs_nothing() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    broadcast(fanout, b"1", audience)
    assert fanout.publish(b"2", ({},)) == 0
    assert all(client.taken == [] for client in clients)


@pytest.mark.parametrize("slice_size", [1, 3, 100])
def test_writes_that_raise_cost_nobody_else_the_frame_and_are_counted(slice_size: int) -> None:
    audience: Audience = {}
    clients = [Client(raises_every=number % 2) for number in range(6)]
    for client in clients:
        client.join(audience)
    fanout = FanOut(slice_size)
    outcome = fanout.publish(b"hello", (audience,))
    while fanout.step():
        pass
    assert (outcome.total if isinstance(outcome, Broadcast) else outcome) == 3
    assert fanout.failures == 3
    assert [client.taken for client in clients] == [[b"hello"], []] * 3


def test_a_broadcast_that_everybody_left_still_ends() -> None:
    audience, clients = crowd(5)
    fanout = FanOut(2)
    totals = broadcast(fanout, b"hello", audience)
    for client in clients:
        client.leave()
    while fanout.step():
        pass
    assert totals == [0]
    assert not fanout.running
