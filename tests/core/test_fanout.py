from collections.abc import Collection
from math import ceil

import pytest
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
from pushery.core.fanout import GATHER_BYTES, FanOut

from .clients import Client, frame_of

TAGS = range(4)
LAYER = object()


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
        assert self.fanout.failures == sum(client.raised for client in self.clients)

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


def crowd(count: int) -> tuple[Audience, list[Client]]:
    """An audience of so many well-behaved clients."""
    audience: Audience = {}
    clients = [Client() for _ in range(count)]
    for client in clients:
        client.join(audience)
    return audience, clients


def finish(fanout: FanOut) -> None:
    """Let everything arrive."""
    fanout.flush()
    while fanout.step():
        pass


def ignore(_: int) -> None:
    """What to do with a total that does not matter."""


def test_a_small_audience_is_counted_at_once_and_written_at_the_end_of_the_turn() -> None:
    audience, clients = crowd(3)
    fanout = FanOut(3)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore) == 3
    assert all(client.taken == [] for client in clients)
    fanout.flush()
    assert all(client.taken == [b"1;"] for client in clients)
    fanout.flush()
    assert all(client.writes == 1 for client in clients)


def test_what_one_turn_brings_to_an_audience_is_one_write_per_client() -> None:
    audience, clients = crowd(3)
    fanout = FanOut(3)
    for number in range(5):
        fanout.publish(frame_of(number), (audience,), LAYER, ignore)
    fanout.flush()
    assert all(client.writes == 1 for client in clients)
    assert all(client.taken == [b"0;", b"1;", b"2;", b"3;", b"4;"] for client in clients)


def test_order_holds_between_pushes_to_all_and_pushes_to_some() -> None:
    some, clients = crowd(2)
    everyone = dict(some)
    fanout = FanOut(10)
    for number in range(6):
        audience, layer = ((everyone,), "all") if number % 2 else ((some,), "some")
        fanout.publish(frame_of(number), audience, layer, ignore)
    fanout.flush()
    assert all(client.taken == [frame_of(number) for number in range(6)] for client in clients)


def test_who_joins_within_the_turn_gets_only_what_is_published_after() -> None:
    audience, clients = crowd(1)
    fanout = FanOut(10)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore) == 1
    fanout.before_joining()
    late = Client()
    late.join(audience)
    assert fanout.publish(b"2;", (audience,), LAYER, ignore) == 2
    fanout.flush()
    assert clients[0].taken == [b"1;", b"2;"]
    assert late.taken == [b"2;"]


def test_nobody_is_a_total_of_zero() -> None:
    fanout = FanOut(3)
    assert fanout.publish(b"1;", (), LAYER, ignore) == 0
    assert fanout.publish(b"1;", ({},), LAYER, ignore) == 0
    fanout.flush()
    assert not fanout.step()


def test_a_larger_audience_is_written_slice_by_slice() -> None:
    audience, clients = crowd(7)
    fanout = FanOut(3)
    totals: list[int] = []
    assert fanout.publish(b"1;", (audience,), LAYER, totals.append) is None
    written = [sum(client.writes for client in clients)]
    while fanout.step():
        assert totals == []
        written.append(sum(client.writes for client in clients))
    assert written == [0, 3, 6]
    assert totals == [7]
    assert all(client.taken == [b"1;"] for client in clients)


def test_several_audiences_are_one_broadcast() -> None:
    (first, _), (second, _) = crowd(2), crowd(2)
    fanout = FanOut(3)
    totals: list[int] = []
    fanout.publish(b"1;", (first, second), LAYER, totals.append)
    assert fanout.step()
    assert not fanout.step()
    assert totals == [4]


def test_broadcasts_to_the_same_audience_are_one_write_until_the_first_has_begun() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(3)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.publish(b"2;", (audience,), LAYER, totals.append)
    fanout.step()
    fanout.publish(b"3;", (audience,), LAYER, totals.append)
    finish(fanout)
    assert totals == [4, 4, 4]
    assert all(client.taken == [b"1;", b"2;", b"3;"] for client in clients)
    assert all(client.writes == 2 for client in clients)


def test_broadcasts_to_different_audiences_stay_apart() -> None:
    (one, ones), (other, others) = crowd(4), crowd(4)
    fanout = FanOut(3)
    for frame, audiences in ((b"1;", (one,)), (b"2;", (other,)), (b"3;", (one,)), (b"4;", (one, other))):
        fanout.publish(frame, audiences, LAYER, ignore)
    finish(fanout)
    assert all(client.taken == [b"1;", b"3;", b"4;"] for client in ones)
    assert all(client.taken == [b"2;", b"4;"] for client in others)


def test_a_client_that_leaves_before_its_turn_is_neither_written_nor_counted() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.step()
    clients[0].leave()
    clients[3].leave()
    finish(fanout)
    assert [client.taken for client in clients] == [[b"1;"], [b"1;"], [b"1;"], []]
    assert totals == [3]


def test_who_joins_during_a_broadcast_gets_the_next_but_not_this_one() -> None:
    audience, _ = crowd(4)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.before_joining()
    late = Client()
    late.join(audience)
    fanout.publish(b"2;", (audience,), LAYER, totals.append)
    finish(fanout)
    assert late.offered == [b"2;"]
    assert totals == [4, 5]


def test_broadcasts_are_gathered_again_after_somebody_has_joined() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    fanout.before_joining()
    for number in range(3):
        fanout.publish(frame_of(number), (audience,), LAYER, ignore)
    finish(fanout)
    assert all(client.writes == 1 for client in clients)


def test_a_small_push_first_hands_its_receivers_all_that_is_still_owed_to_them() -> None:
    audience, clients = crowd(6)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.step()
    fanout.publish(b"2;", (audience,), LAYER, totals.append)
    few: Audience = {client: audience[client] for client in clients[4:]}
    assert fanout.publish(b"3;", (few,), "another layer", ignore) == 2
    fanout.flush()
    everything = [b"1;", b"2;", b"3;"]
    assert [client.taken for client in clients] == [[b"1;"], [b"1;"], [], [], everything, everything]
    finish(fanout)
    assert all(client.taken[:2] == [b"1;", b"2;"] for client in clients)
    assert totals == [6, 6]


def test_an_empty_push_into_a_running_broadcast_disturbs_nothing() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    fanout.publish(b"1;", (audience,), LAYER, ignore)
    assert fanout.publish(b"2;", ({},), LAYER, ignore) == 0
    fanout.flush()
    assert all(client.taken == [] for client in clients)


@pytest.mark.parametrize("slice_size", [1, 3, 100])
def test_writes_that_raise_cost_nobody_else_the_frame_and_are_noted(slice_size: int) -> None:
    audience: Audience = {}
    clients = [Client(raises_every=number % 2) for number in range(6)]
    for client in clients:
        client.join(audience)
    fanout = FanOut(slice_size)
    totals: list[int] = []
    at_once = fanout.publish(b"1;", (audience,), LAYER, totals.append)
    finish(fanout)
    assert fanout.failures == 3
    assert [client.taken for client in clients] == [[b"1;"], []] * 3
    assert (at_once, totals) == ((6, []) if slice_size == 100 else (None, [3]))


def test_what_has_been_published_goes_the_way_a_client_has_when_it_is_written() -> None:
    audience, clients = crowd(4)
    for fanout in (FanOut(2), FanOut(10)):
        fanout.publish(b"1;", (audience,), LAYER, ignore)
        clients[3].redirect()
        finish(fanout)
    assert all(client.taken == [b"1;", b"1;"] for client in clients)


def test_a_broadcast_that_everybody_left_still_ends() -> None:
    audience, clients = crowd(5)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    for client in clients:
        client.leave()
    finish(fanout)
    assert totals == [0]


def test_audiences_that_were_published_the_same_frames_are_written_one_and_the_same_piece() -> None:
    fanout = FanOut(100)
    pieces: list[bytes] = []
    audiences: list[Audience] = [{object(): pieces.append} for _ in range(3)]
    for number in range(2):
        fanout.publish(frame_of(number), audiences, LAYER, lambda total: None)
    fanout.flush()
    assert pieces == [frame_of(0) + frame_of(1)] * 3
    assert len({id(piece) for piece in pieces}) == 1


def test_what_is_gathered_is_written_when_it_has_become_large() -> None:
    fanout = FanOut(100)
    pieces: list[bytes] = []
    audience: Audience = {object(): pieces.append}
    frame = bytes(GATHER_BYTES // 2)
    for written in (0, 0, 1):
        fanout.publish(frame, [audience], LAYER, lambda total: None)
        assert len(pieces) == written
    fanout.flush()
    assert b"".join(pieces) == frame * 3


# Who is left out.


def test_who_is_left_out_gets_nothing_and_is_not_counted() -> None:
    audience, clients = crowd(3)
    fanout = FanOut(10)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore, clients[1]) == 2
    fanout.flush()
    assert [client.taken for client in clients] == [[b"1;"], [], [b"1;"]]
    assert clients[1].writes == 0
    assert fanout.publish(b"2;", (audience,), LAYER, ignore) == 3
    fanout.flush()
    assert clients[1].taken == [b"2;"]


def test_leaving_out_a_stranger_leaves_out_nobody() -> None:
    audience, clients = crowd(2)
    fanout = FanOut(10)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore, Client()) == 2
    fanout.flush()
    assert all(client.taken == [b"1;"] for client in clients)


def test_several_are_left_out_within_one_turn_and_all_others_get_one_piece() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(10)
    for number, without in enumerate([clients[0], None, clients[1], clients[0], clients[2]]):
        fanout.publish(frame_of(number), (audience,), LAYER, ignore, without)
    fanout.flush()
    assert [client.taken for client in clients] == [
        [b"1;", b"2;", b"4;"],
        [b"0;", b"1;", b"3;", b"4;"],
        [b"0;", b"1;", b"2;", b"3;"],
        [b"0;", b"1;", b"2;", b"3;", b"4;"],
    ]
    assert [client.writes for client in clients] == [1, 1, 1, 1]


def test_who_is_left_out_of_one_audience_gets_what_another_brings() -> None:
    (one, clients), other = crowd(3), {}
    other.update(one)
    fanout = FanOut(10)
    fanout.publish(b"1;", (one,), LAYER, ignore, clients[0])
    fanout.publish(b"2;", (other,), LAYER, ignore, clients[1])
    fanout.flush()
    assert [client.taken for client in clients] == [[b"2;"], [b"1;"], [b"1;", b"2;"]]


def test_slow_clients_that_are_left_out_keep_the_way_they_have_chosen() -> None:
    audience: Audience = {}
    clients = [Client(swaps_every=1) for _ in range(3)]
    for client in clients:
        client.join(audience)
    fanout = FanOut(10)
    for turn in range(3):
        for number, without in enumerate([clients[0], clients[1], None]):
            fanout.publish(frame_of(3 * turn + number), (audience,), LAYER, ignore, without)
        fanout.flush()
    assert fanout.failures == 0
    assert [len(client.taken) for client in clients] == [6, 6, 9]
    assert [client.way for client in clients] == [4, 4, 4]


def test_a_way_chosen_between_publishing_and_writing_is_the_one_that_is_used() -> None:
    audience, clients = crowd(2)
    fanout = FanOut(10)
    fanout.publish(b"1;", (audience,), LAYER, ignore, clients[0])
    fanout.publish(b"2;", (audience,), LAYER, ignore)
    clients[0].redirect()
    fanout.flush()
    assert clients[0].taken == [b"2;"]
    assert fanout.failures == 0


def test_a_client_that_is_left_out_and_raises_costs_nobody_else_anything() -> None:
    audience: Audience = {}
    clients = [Client(raises_every=1), Client()]
    for client in clients:
        client.join(audience)
    fanout = FanOut(10)
    fanout.publish(b"1;", (audience,), LAYER, ignore, clients[0])
    fanout.publish(b"2;", (audience,), LAYER, ignore)
    fanout.flush()
    assert fanout.failures == 1
    assert clients[0].offered == [b"2;"]
    assert clients[1].taken == [b"1;", b"2;"]
    fanout.publish(b"3;", (audience,), LAYER, ignore)
    fanout.flush()
    assert clients[0].offered == [b"2;", b"3;"]


def test_a_broadcast_leaves_out_whom_a_smaller_push_would() -> None:
    audience, clients = crowd(5)
    fanout = FanOut(2)
    totals: list[int] = []
    for number, without in enumerate([None, clients[0], clients[0], clients[4], None]):
        assert fanout.publish(frame_of(number), (audience,), LAYER, totals.append, without) is None
    finish(fanout)
    assert totals == [5, 4, 4, 4, 5]
    everything = [frame_of(number) for number in range(5)]
    assert clients[0].taken == [b"0;", b"3;", b"4;"]
    assert clients[4].taken == [b"0;", b"1;", b"2;", b"4;"]
    assert all(client.taken == everything for client in clients[1:4])
    assert all(client.writes == 4 for client in clients[1:4]), "two with the same exception are one broadcast"


def test_who_is_about_to_leave_is_handed_everything_and_nobody_else_the_broadcasts() -> None:
    audience, clients = crowd(4)
    few: Audience = {client: audience[client] for client in clients[2:]}
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.publish(b"2;", (audience,), LAYER, totals.append, clients[3])
    fanout.before_leaving(clients[3])
    assert [client.taken for client in clients] == [[], [], [], [b"1;"]]
    fanout.publish(b"3;", (few,), LAYER, ignore)
    fanout.before_leaving(clients[0])
    assert [client.taken for client in clients] == [
        [b"1;", b"2;"],
        [],
        [b"1;", b"2;", b"3;"],
        [b"1;", b"3;"],
    ]
    finish(fanout)
    assert totals == [4, 3]
    assert all(client.writes == 2 for client in clients[:2])
