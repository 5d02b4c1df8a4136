"""The channels of an app: who is subscribed, who is present, and what is kept."""

import random
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pushery.core import channels as module
from pushery.core.channelnames import kind_of
from pushery.core.channels import Cache, Cached, Channels, Member, Roster
from pushery.core.patterns import PatternError

from .clients import Client

NAMES = ("news", "news-2", "presence-a", "private-b", "cache-c")


def ignore(_: object) -> None:
    """What to do with a frame or a total that does not matter."""


def member(user_id: str, info: str = "{}") -> Member:
    """A user whose id was given as a string."""
    return Member(user_id, b'"%b"' % user_id.encode(), info.encode())


def some_channels(fanout_slice: int = 100) -> Channels:
    """No channels yet."""
    return Channels(fanout_slice=fanout_slice, standing_patterns=10)


# Rosters.


def test_a_user_is_present_from_the_first_socket_to_the_last() -> None:
    roster = Roster()
    assert roster.arrive(member("a")) is None
    assert roster.arrive(member("a")) == member("a")
    assert len(roster) == 1
    assert roster.depart("a") is None
    assert "a" in roster
    assert roster.depart("a") == member("a")
    assert "a" not in roster
    assert list(roster.members) == []


def test_a_user_with_several_sockets_is_what_the_newest_says_in_the_place_of_the_first() -> None:
    roster = Roster()
    roster.arrive(member("a", "1"))
    roster.arrive(member("b"))
    assert roster.arrive(member("a", "2")) == member("a", "1")
    assert list(roster.members) == [member("a", "2"), member("b")]
    assert roster.get("a") == member("a", "2")
    roster.depart("a")
    assert roster.depart("a") == member("a", "2")
    assert roster.get("a") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=50))
def test_a_roster_is_what_counting_says(steps: list[tuple[str, bool]]) -> None:
    roster = Roster()
    counts = dict.fromkeys("abc", 0)
    for user_id, comes in steps:
        if comes:
            assert (roster.arrive(member(user_id)) is None) == (counts[user_id] == 0)
            counts[user_id] += 1
        elif counts[user_id]:
            counts[user_id] -= 1
            assert (roster.depart(user_id) is None) == (counts[user_id] > 0)
        present = {name for name, count in counts.items() if count}
        assert {one.user_id for one in roster.members} == present
        assert len(roster) == len(present) == len(roster._sockets)


# What cache channels keep.


def cached(data: str, until: float = 100.0) -> Cached:
    """An event that a channel keeps."""
    return Cached(data.encode(), data, until)


def test_the_last_event_is_kept_until_its_time() -> None:
    cache = Cache()
    assert cache.get("c", 0.0) is None
    cache.put("c", cached("1"))
    cache.put("c", cached("2"))
    assert cache.get("c", 99.9) == cached("2")
    assert cache.get("d", 0.0) is None
    assert cache.get("c", 100.0) is None
    assert cache.get("c", 0.0) is None, "it has been let go"


def test_of_too_many_events_the_least_recently_written_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED", 2)
    cache = Cache()
    for name in ("a", "b", "a", "c"):
        cache.put(name, cached(name))
    assert [cache.get(name, 0.0) is not None for name in "abc"] == [True, False, True]


def test_an_empty_cache_is_news_once_in_a_while() -> None:
    cache = Cache()
    assert cache.missed("c", 100.0)
    assert not cache.missed("c", 109.9)
    assert cache.missed("d", 109.9)
    assert cache.missed("c", 110.0)
    cache.put("c", cached("1"))
    assert cache.missed("c", 110.1), "it was full in between"


def test_misses_are_not_remembered_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED", 3)
    cache = Cache()
    for number in range(10):
        assert cache.missed(str(number), 0.0)
    assert len(cache._missed) == 3


# Channels.


def test_a_channel_is_there_exactly_while_somebody_is_subscribed() -> None:
    channels = some_channels()
    one, two = object(), object()
    channel, is_new = channels.subscribe("presence-a", kind_of("presence-a"), one, ignore)
    assert is_new
    assert channel.kind.presence
    assert channel.roster is not None
    again, is_new = channels.subscribe("presence-a", kind_of("presence-a"), two, ignore)
    assert again is channel
    assert not is_new
    assert list(channel.audience) == [one, two]
    assert not channels.unsubscribe(channel, one)
    assert channels.by_name == {"presence-a": channel}
    assert channels.unsubscribe(channel, two)
    assert channels.by_name == {}
    assert not channels._of_audience
    other, is_new = channels.subscribe("presence-a", kind_of("presence-a"), one, ignore)
    assert is_new
    assert other is not channel


def test_only_channels_with_presence_have_a_roster() -> None:
    channels = some_channels()
    for name in NAMES:
        channel, _ = channels.subscribe(name, kind_of(name), object(), ignore)
        assert (channel.roster is not None) == name.startswith("presence-")


def test_what_the_cache_keeps_outlives_the_channel() -> None:
    channels, somebody = some_channels(), object()
    channel, _ = channels.subscribe("cache-c", kind_of("cache-c"), somebody, ignore)
    channels.cache.put("cache-c", cached("1"))
    channels.unsubscribe(channel, somebody)
    assert channels.cache.get("cache-c", 0.0) == cached("1")


def test_occupied_channels_are_sorted_and_found_by_prefix() -> None:
    channels = some_channels()
    for name in ("b", "presence-b", "a", "presence-a", "#server-to-user-1"):
        channels.subscribe(name, kind_of(name), object(), ignore)
    assert [channel.name for channel in channels.occupied()] == [
        "#server-to-user-1",
        "a",
        "b",
        "presence-a",
        "presence-b",
    ]
    assert [channel.name for channel in channels.occupied("presence-")] == ["presence-a", "presence-b"]


def test_a_pattern_finds_the_occupied_channels_it_matches() -> None:
    channels = some_channels()
    gone = object()
    for name in ("order-1", "order-2", "user-1", "#server-to-user-a\nb"):
        channels.subscribe(name, kind_of(name), object(), ignore)
    vacated, _ = channels.subscribe("order-3", kind_of("order-3"), gone, ignore)
    assert {channel.name for channel in channels.matching("^order-")} == {"order-1", "order-2", "order-3"}
    channels.unsubscribe(vacated, gone)
    assert {channel.name for channel in channels.matching("^order-")} == {"order-1", "order-2"}
    assert {channel.name for channel in channels.matching("1$")} == {"order-1", "user-1"}
    assert [channel.name for channel in channels.matching("^user-1$")] == ["user-1"]
    assert channels.matching("^nobody$") == []
    assert [channel.name for channel in channels.matching("server-to")] == ["#server-to-user-a\nb"]
    channels.subscribe("order-3", kind_of("order-3"), gone, ignore)
    assert {channel.name for channel in channels.matching("^order-")} == {"order-1", "order-2", "order-3"}
    with pytest.raises(PatternError):
        channels.matching("a(")


def test_who_leaves_is_handed_first_what_was_published_before_by_broadcast_too() -> None:
    channels = some_channels(fanout_slice=2)
    clients = [Client() for _ in range(4)]
    for client in clients:
        channel, _ = channels.subscribe("news", kind_of("news"), client, client.new_way())
    assert channels.publish(channel, b"1;", ignore) is None
    assert channels.unsubscribe(channel, clients[3]) is False
    assert clients[3].taken == [b"1;"]
    assert [client.taken for client in clients[:3]] == [[], [], []]


def test_who_subscribes_gets_nothing_from_before() -> None:
    channels = some_channels()
    one, two = Client(), Client()
    channel, _ = channels.subscribe("news", kind_of("news"), one, one.new_way())
    assert channels.publish(channel, b"1;", ignore) == 1
    channels.subscribe("news", kind_of("news"), two, two.new_way())
    assert channels.publish(channel, b"2;", ignore) == 2
    channels.fanout.flush()
    assert (one.taken, two.taken) == ([b"1;", b"2;"], [b"2;"])


class AgainstADictionary(RuleBasedStateMachine):
    """Channels beside a dictionary of who is subscribed to what."""

    @initialize(slice_size=st.sampled_from([1, 2, 100]))
    def begin(self, slice_size: int) -> None:
        self.channels = some_channels(slice_size)
        self.inboxes: dict[int, list[bytes]] = {number: [] for number in range(5)}
        self.subscribed: dict[str, list[int]] = {name: [] for name in NAMES}
        self.meant: dict[tuple[int, str], list[bytes]] = {}
        self.published = 0

    @rule(name=st.sampled_from(NAMES), who=st.integers(0, 4))
    def subscribe(self, name: str, who: int) -> None:
        if who in self.subscribed[name]:
            return
        _, is_new = self.channels.subscribe(name, kind_of(name), who, self.inboxes[who].append)
        assert is_new == (not self.subscribed[name])
        self.subscribed[name].append(who)

    @rule(name=st.sampled_from(NAMES), pick=st.randoms(use_true_random=False))
    def unsubscribe(self, name: str, pick: random.Random) -> None:
        if not self.subscribed[name]:
            return
        who = pick.choice(self.subscribed[name])
        self.subscribed[name].remove(who)
        is_vacated = self.channels.unsubscribe(self.channels.by_name[name], who)
        assert is_vacated == (not self.subscribed[name])
        assert self.got(who, name) == self.meant.get((who, name), [])

    @precondition(lambda self: any(self.subscribed.values()))
    @rule(data=st.data(), without=st.none() | st.integers(0, 4), times=st.integers(1, 3))
    def publish(self, data: st.DataObject, without: int | None, times: int) -> None:
        name = data.draw(st.sampled_from([name for name in NAMES if self.subscribed[name]]))
        for _ in range(times):
            frame = b"%s:%d;" % (name.encode(), self.published)
            self.published += 1
            receivers = [who for who in self.subscribed[name] if who != without]
            for who in receivers:
                self.meant.setdefault((who, name), []).append(frame)
            total = self.channels.publish(
                self.channels.by_name[name],
                frame,
                partial(self.done, len(receivers)),
                without,
            )
            assert total in (None, len(receivers))

    def done(self, wanted: int, total: int) -> None:
        assert total <= wanted

    def got(self, who: int, name: str) -> list[bytes]:
        frames = [frame + b";" for piece in self.inboxes[who] for frame in piece.split(b";")[:-1]]
        return [frame for frame in frames if frame.startswith(name.encode() + b":")]

    @rule()
    def step(self) -> None:
        self.channels.fanout.step()

    @rule()
    def settle(self) -> None:
        self.channels.fanout.flush()
        while self.channels.fanout.step():
            pass
        for who in self.inboxes:
            for name in NAMES:
                assert self.got(who, name) == self.meant.get((who, name), [])
        assert self.channels.fanout.broken == []

    @invariant()
    def names_are_those_of_channels_with_somebody(self) -> None:
        occupied = {name for name in NAMES if self.subscribed[name]}
        assert set(self.channels.by_name) == occupied == set(self.channels.names.audiences)
        assert len(self.channels._of_audience) == len(occupied)
        assert [channel.name for channel in self.channels.occupied()] == sorted(occupied)
        for pattern in ("news", "^p", "-"):
            assert {channel.name for channel in self.channels.matching(pattern)} == {
                name for name in occupied if (pattern in name if pattern[0] != "^" else name.startswith(pattern[1:]))
            }
        for name in occupied:
            assert list(self.channels.by_name[name].audience) == self.subscribed[name]

    def teardown(self) -> None:
        self.settle()


def test_subscribers_get_what_a_dictionary_says_in_the_order_of_publishing() -> None:
    run_state_machine_as_test(AgainstADictionary, settings=settings(max_examples=80, stateful_step_count=40))
