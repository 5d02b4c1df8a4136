"""The fan-out against a naive model: for each client a list of what it is to get, in order."""

from collections.abc import Collection
from math import ceil

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pushery.core.audience import Audience
from pushery.core.fanout import FanOut

from .clients import Client, frame_of

TAGS = range(4)


class AgainstLists(RuleBasedStateMachine):
    """A fan-out beside lists of what each client is to get, in order."""

    @initialize(slice_size=st.integers(1, 5))
    def begin(self, slice_size: int) -> None:
        self.fanout = FanOut(slice_size)
        self.everyone: Audience = {}
        self.by_tag: list[Audience] = [{} for _ in TAGS]
        self.clients: list[Client] = []
        self.meant: dict[Client, list[bytes]] = {}
        """What was published to each since it joined."""
        self.promised: dict[Client, int] = {}
        """How much of that the next flush is to have written."""
        self.published = 0
        self.counted: dict[bytes, int] = {}
        """The frames that are counted at once, and the count."""
        self.carried: dict[bytes, int | None] = {}
        """The frames of broadcasts, and the total; None while they are under way."""

    @rule(tag=st.sampled_from(TAGS), raises_every=st.sampled_from([0, 0, 0, 2]), swaps_every=st.sampled_from([0, 0, 3]))
    def join(self, tag: int, raises_every: int, swaps_every: int) -> None:
        self.fanout.before_joining()
        client = Client(raises_every=raises_every, swaps_every=swaps_every)
        client.join(self.everyone, self.by_tag[tag])
        self.clients.append(client)
        self.meant[client] = []
        self.promised[client] = 0
        self.all_promises_are_kept()

    @rule(tag=st.sampled_from(TAGS), count=st.integers(1, 12))
    def a_crowd_joins(self, tag: int, count: int) -> None:
        for _ in range(count):
            self.join(tag, 0, 0)

    @precondition(lambda self: self.everyone)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.flush()
        self.somebody(data).leave()

    @precondition(lambda self: self.everyone)
    @rule(data=st.data())
    def leave_with_everything(self, data: st.DataObject) -> None:
        client = self.somebody(data)
        self.fanout.before_leaving(client)
        assert client.offered == self.meant[client]
        client.leave()

    @precondition(lambda self: self.everyone)
    @rule(data=st.data())
    def redirect(self, data: st.DataObject) -> None:
        self.somebody(data).redirect()

    def somebody(self, data: st.DataObject) -> Client:
        return data.draw(st.sampled_from([client for client in self.clients if client.homes]))

    @rule(tags=st.sets(st.sampled_from(TAGS)), times=st.integers(1, 3))
    def publish_to_tags(self, tags: set[int], times: int) -> None:
        for _ in range(times):
            self.publish([self.by_tag[tag] for tag in tags], self.by_tag)

    @rule(times=st.integers(1, 3))
    def publish_to_all(self, times: int) -> None:
        for _ in range(times):
            self.publish((self.everyone,), self.everyone)

    @precondition(lambda self: self.clients)
    @rule(picks=st.lists(st.tuples(st.none() | st.sampled_from(TAGS), st.integers(0, 30)), max_size=6))
    def publish_without_some(self, picks: list[tuple[int | None, int]]) -> None:
        for tag, number in picks:
            without = self.clients[number % len(self.clients)]
            if tag is None:
                self.publish((self.everyone,), self.everyone, without)
            else:
                self.publish((self.by_tag[tag],), self.by_tag, without)

    def publish(self, audiences: Collection[Audience], layer: object, without: Client | None = None) -> None:
        frame = frame_of(self.published)
        self.published += 1
        there = [client for client in self.clients if any(client in audience for audience in audiences)]
        receivers = [client for client in there if client is not without]
        for client in receivers:
            self.meant[client].append(frame)
        total = self.hand_in(frame, audiences, layer, without)
        if total is None:
            assert len(there) > self.fanout.slice_size
            self.carried[frame] = None
        else:
            assert total == len(receivers)
            assert len(there) <= self.fanout.slice_size
            self.counted[frame] = total
            for client in receivers:
                self.promised[client] = len(self.meant[client])

    def hand_in(
        self, frame: bytes, audiences: Collection[Audience], layer: object, without: Client | None
    ) -> int | None:
        """Every second frame for one small audience takes the short way."""
        if len(audiences) == 1 and self.published % 2:
            [audience] = audiences
            if len(audience) <= self.fanout.slice_size:
                return self.fanout.publish_small(frame, audience, layer, without)
        return self.fanout.publish(frame, audiences, layer, lambda total: self.done(frame, total), without)

    def done(self, frame: bytes, total: int) -> None:
        assert self.carried[frame] is None, "done twice"
        self.carried[frame] = total
        for client in self.clients:
            assert not client.homes or frame not in self.meant[client] or frame in client.offered

    @rule()
    def flush(self) -> None:
        self.fanout.flush()
        self.all_promises_are_kept()

    def all_promises_are_kept(self) -> None:
        for client in self.clients:
            assert len(client.offered) >= self.promised[client], "a small push waits for nobody"
        for frame, total in self.counted.items():
            assert total == sum(frame in client.offered for client in self.clients)

    @rule()
    def step(self) -> None:
        before = sum(client.writes for client in self.clients)
        more = self.fanout.step()
        assert more == (None in self.carried.values())
        assert sum(client.writes for client in self.clients) - before <= self.fanout.slice_size

    @rule()
    def finish(self) -> None:
        self.flush()
        turns = 0
        while None in self.carried.values():
            self.step()
            turns += 1
        assert turns <= len(self.carried) * ceil(len(self.clients) / self.fanout.slice_size)
        for client in self.clients:
            assert not client.homes or client.offered == self.meant[client]
        assert len(self.fanout.broken) == sum(client.raised for client in self.clients)

    @invariant()
    def everybody_gets_a_beginning_of_what_is_meant_for_them(self) -> None:
        for client in self.clients:
            assert client.offered == self.meant[client][: len(client.offered)]

    @invariant()
    def the_total_of_a_broadcast_is_how_many_took_it(self) -> None:
        for frame, total in self.carried.items():
            assert total is None or total == sum(frame in client.taken for client in self.clients)

    def teardown(self) -> None:
        self.finish()


def test_everybody_gets_what_is_meant_for_them_in_order_whatever_happens_meanwhile() -> None:
    run_state_machine_as_test(AgainstLists, settings=settings(max_examples=80, stateful_step_count=40))
