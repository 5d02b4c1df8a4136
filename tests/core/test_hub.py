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

from pushery.core.audience import size
from pushery.core.hub import Crowd, Hub
from pushery.core.patterns import PatternError

from .clients import Client, frame_of
from .grammar import complaint, patterns, selected

APPS = ["one", "two"]
TAGS = ["A:1", "A:10", "B:1", "A:1\nB:1", "é"]
FAMILIAR = ["A:1", "^A:1$", "1$", "^A", ""]


def ignore(_: object) -> None:
    """A write that nobody takes, or a total that does not matter."""


def settle(crowd: Crowd) -> None:
    """Let everything arrive."""
    crowd.fanout.flush()
    while crowd.fanout.step():
        pass


class AgainstADictionary(RuleBasedStateMachine):
    """A hub beside a dictionary from app and client to tag."""

    @initialize(fanout_slice=st.sampled_from([2, 1000]))
    def begin(self, fanout_slice: int) -> None:
        self.hub = Hub(fanout_slice=fanout_slice, standing_patterns=2)
        self.online: dict[str, dict[Client, str]] = {app: {} for app in APPS}
        self.everybody: list[Client] = []
        self.meant: dict[Client, list[bytes]] = {}
        self.totals: list[tuple[bytes, int]] = []
        self.pushed = 0

    @rule(app=st.sampled_from(APPS), tag=st.sampled_from(TAGS))
    def join(self, app: str, tag: str) -> None:
        client = Client()
        self.hub.crowd(app).join(tag, client, client.new_way())
        self.online[app][client] = tag
        self.everybody.append(client)
        self.meant[client] = []

    @precondition(lambda self: any(self.online.values()))
    @rule(data=st.data(), times=st.integers(1, 2))
    def leave(self, data: st.DataObject, times: int) -> None:
        app, client, tag = self.somebody(data)
        crowd = self.hub.crowd(app)
        for _ in range(times):
            crowd.leave(tag, client)
        crowd.redirect(tag, client, ignore)
        del self.online[app][client]
        client.leave()

    @precondition(lambda self: any(self.online.values()))
    @rule(data=st.data())
    def redirect(self, data: st.DataObject) -> None:
        app, client, tag = self.somebody(data)
        self.hub.crowd(app).redirect(tag, client, client.new_way())

    def somebody(self, data: st.DataObject) -> tuple[str, Client, str]:
        return data.draw(
            st.sampled_from([(app, client, tag) for app in APPS for client, tag in self.online[app].items()])
        )

    @rule(app=st.sampled_from(APPS), some=st.lists(st.none() | st.sampled_from(FAMILIAR), max_size=5))
    def push_in_one_turn(self, app: str, some: list[str | None]) -> None:
        for pattern in some:
            self.push(app, pattern)

    @rule(app=st.sampled_from(APPS), pattern=patterns)
    def push(self, app: str, pattern: str | None) -> None:
        crowd = self.hub.crowd(app)
        frame = frame_of(self.pushed)
        self.pushed += 1
        if pattern is not None and complaint(pattern) is not None:
            with pytest.raises(PatternError):
                crowd.publish(frame, pattern, ignore)
            return
        wanted = set(TAGS) if pattern is None else selected(pattern, TAGS)
        receivers = [client for client, tag in self.online[app].items() if tag in wanted]
        for client in receivers:
            self.meant[client].append(frame)
        total = crowd.publish(frame, pattern, lambda total: self.totals.append((frame, total)))
        assert total in (None, len(receivers))
        if total is not None:
            self.totals.append((frame, total))

    @rule()
    def settle(self) -> None:
        for app in APPS:
            settle(self.hub.crowd(app))
            for client in self.online[app]:
                assert client.taken == self.meant[client]
        for frame, total in self.totals:
            assert total == sum(frame in client.taken for client in self.everybody)

    @rule(app=st.sampled_from(APPS))
    def drop(self, app: str) -> None:
        self.settle()
        assert self.hub.drop(app) == list(self.online[app])
        self.online[app].clear()

    @invariant()
    def nobody_gets_what_is_not_for_them(self) -> None:
        for client in self.everybody:
            assert client.taken == self.meant[client][: len(client.taken)]

    @invariant()
    def all_are_counted_once(self) -> None:
        for app, online in self.online.items():
            crowd = self.hub.crowd(app)
            assert list(crowd.everyone) == list(online)
            assert size(crowd.tags.audiences.values()) == len(online)
            assert crowd.tags.names() == sorted(set(online.values()))

    def teardown(self) -> None:
        self.settle()


def test_a_push_reaches_whom_a_dictionary_of_tags_says_and_no_other_app() -> None:
    run_state_machine_as_test(AgainstADictionary, settings=settings(max_examples=60, stateful_step_count=40))


def a_crowd(*tags: str, fanout_slice: int = 10) -> tuple[Crowd, list[Client]]:
    """A crowd with one client for each tag."""
    crowd = Hub(fanout_slice=fanout_slice, standing_patterns=10).crowd("key")
    clients = [Client() for _ in tags]
    for tag, client in zip(tags, clients, strict=True):
        crowd.join(tag, client, client.new_way())
    return crowd, clients


@pytest.mark.parametrize(
    ("pattern", "receivers"),
    [(None, [0, 1, 2, 3]), ("A:1", [0, 1, 2]), ("^A:1$", [0, 2]), ("1$", [0, 2, 3]), ("C", [])],
)
def test_no_pattern_is_everybody_and_a_pattern_is_whoever_it_matches(pattern: str | None, receivers: list[int]) -> None:
    crowd, clients = a_crowd("A:1", "A:10", "A:1", "B:1")
    assert crowd.publish(b"1;", pattern, ignore) == len(receivers)
    settle(crowd)
    assert [number for number, client in enumerate(clients) if client.taken] == receivers


@pytest.mark.parametrize("fanout_slice", [1, 2, 10])
def test_pushes_to_some_and_to_all_arrive_in_the_order_of_publishing(fanout_slice: int) -> None:
    crowd, clients = a_crowd("A:1", "A:2", "A:3", fanout_slice=fanout_slice)
    for number, pattern in enumerate(("A:1", None, "A", "^A:1$", "^A:1", None, "3", "[12]")):
        crowd.publish(frame_of(number), pattern, ignore)
    settle(crowd)
    assert clients[0].taken == [frame_of(number) for number in (0, 1, 2, 3, 4, 5, 7)]
    assert clients[1].taken == [frame_of(number) for number in (1, 2, 5, 7)]
    assert clients[2].taken == [frame_of(number) for number in (1, 2, 5, 6)]


def test_apps_do_not_hear_each_other() -> None:
    hub = Hub(fanout_slice=10, standing_patterns=10)
    hub.crowd("one").join("A:1", Client(), ignore)
    assert hub.crowd("two").publish(b"1;", None, ignore) == 0
    assert hub.crowd("two").publish(b"1;", "A:1", ignore) == 0


def test_a_crowd_stays_the_same_until_it_is_dropped() -> None:
    hub = Hub(fanout_slice=10, standing_patterns=10)
    crowd = hub.crowd("key")
    assert hub.crowd("key") is crowd
    crowd.join("A:1", "somebody", ignore)
    assert hub.drop("key") == ["somebody"]
    assert hub.crowds == {}
    assert hub.drop("key") == []
    assert hub.crowd("key").everyone == {}


def test_who_leaves_is_handed_first_what_it_was_counted_for() -> None:
    crowd, (stays, leaves) = a_crowd("A:1", "A:1")
    assert crowd.publish(b"1;", "A:1", ignore) == 2
    crowd.leave("A:1", leaves)
    assert crowd.publish(b"2;", "A:1", ignore) == 1
    settle(crowd)
    assert (stays.taken, leaves.taken) == ([b"1;", b"2;"], [b"1;"])


def test_who_joins_gets_nothing_from_before() -> None:
    crowd, _ = a_crowd("A:1", "A:1", "A:1", fanout_slice=2)
    late = Client()
    crowd.publish(b"1;", None, ignore)
    crowd.publish(b"2;", "^A:1$", ignore)
    crowd.join("A:1", late, late.new_way())
    crowd.publish(b"3;", "^A:1$", ignore)
    settle(crowd)
    assert late.taken == [b"3;"]


def test_redirecting_reaches_a_client_by_its_new_way_under_its_tag_and_among_all() -> None:
    crowd, (client, *_) = a_crowd("A:1")
    crowd.publish(b"1;", "A", ignore)
    crowd.redirect("A:1", client, client.new_way())
    for number, pattern in enumerate(("A", "^A:1$", None), start=2):
        crowd.publish(frame_of(number), pattern, ignore)
        settle(crowd)
    assert client.taken == [b"1;", b"2;", b"3;", b"4;"]


def test_redirecting_who_has_left_brings_nobody_back() -> None:
    crowd, (client, *_) = a_crowd("A:1")
    crowd.leave("A:1", client)
    crowd.leave("A:1", client)
    crowd.redirect("A:1", client, ignore)
    assert crowd.everyone == {}
    assert crowd.tags.audiences == {}


def test_every_crowd_writes_in_slices_of_the_hubs_size() -> None:
    hub = Hub(fanout_slice=7, standing_patterns=10)
    assert hub.crowd("key").fanout.slice_size == hub.fanout_slice == 7


def test_a_crowd_is_those_with_a_tag_and_those_with_a_socket_id() -> None:
    crowd, (tagged,) = a_crowd("A:1")
    crowd.sockets["1.1"] = "a socket"
    assert len(crowd) == 2
    assert crowd.publish(b"1;", None, ignore) == 1
    settle(crowd)
    assert tagged.taken == [b"1;"]


def test_dropping_an_app_returns_everybody_who_was_online() -> None:
    hub = Hub(fanout_slice=10, standing_patterns=10)
    hub.crowd("key").join("A:1", "tagged", ignore)
    hub.crowd("key").sockets["1.1"] = "with a socket id"
    assert hub.drop("key") == ["tagged", "with a socket id"]


@pytest.mark.parametrize(
    ("limit", "online", "unproven", "has_room"),
    [(0, 5, 0, True), (2, 1, 0, True), (2, 2, 0, False), (2, 3, 0, False), (2, 2, 1, True), (2, 3, 1, False)],
)
def test_a_limit_leaves_room_for_one_more_and_those_who_are_unproven_do_not_count(
    limit: int, online: int, unproven: int, has_room: bool
) -> None:
    crowd, _ = a_crowd()
    for number in range(online):
        crowd.sockets[f"{number}.1"] = number
    crowd.unproven.update(dict.fromkeys(range(unproven)))
    assert crowd.has_room(limit) == has_room


def test_a_change_of_the_slice_and_of_the_patterns_reaches_who_is_online() -> None:
    hub = Hub(fanout_slice=10, standing_patterns=10)
    crowd = hub.crowd("key")
    for number in range(5):
        crowd.join(f"A:{number}", number, ignore)
        crowd.tags.select(f"^A:[{number}x]")
    assert crowd.publish(b"1;", None, ignore) == 5
    hub.configure(fanout_slice=2, standing_patterns=3)
    assert crowd.publish(b"2;", None, ignore) is None
    assert crowd.fanout.broadcasts == 1
    assert (crowd.tags.standing, crowd.channels.fanout.slice_size) == (5, 2)
    crowd.tags.select("^A:[4x]")
    assert crowd.tags.standing == 3
    assert hub.crowd("a new one").fanout.slice_size == 2
