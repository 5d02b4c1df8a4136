"""Events that backends publish to channels: whom they reach in which order, and once only when asked so."""

import asyncio
from collections.abc import Awaitable, Iterator

import pytest

from pushery.core import codes
from pushery.core.effects import Once
from pushery.core.exchange import Reply
from pushery.core.hookevents import HookEvent
from pushery.core.publications import ChannelEvent
from tests.node.fakes import World, in_loop, turns
from tests.node.talkers import (
    KEY,
    OK,
    Talker,
    change_settings,
    full_world,
    hooks,
    publication,
    publications,
    publish,
)


@pytest.fixture
def world() -> Iterator[World]:
    with full_world() as world:
        yield world


# Publishing.


@in_loop
async def test_an_event_goes_to_its_channels_and_the_total_counts_each(world: World) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.subscribe("a")
    one.subscribe("b")
    two.subscribe("b")
    one.news()
    two.news()
    assert publish(node, "e", "1", "a", "b", "nobody") == [3]
    await turns()
    assert sorted(one.news()) == [f'{{"event":"e","channel":"{name}","data":"1"}}' for name in "ab"]
    assert two.news() == ['{"event":"e","channel":"b","data":"1"}']


@in_loop
async def test_an_excluded_socket_gets_nothing_but_the_cache_does(world: World) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    for talker in (one, two):
        talker.subscribe("cache-a")
        talker.news()
    assert publish(node, "e", "1", "cache-a", without="1.1") == [1]
    assert publish(node, "e", "2", "cache-a", without="nobody's") == [2]
    assert publish(node, "e", "3", "cache-a", without="2.2") == [1]
    await turns()
    assert one.said() == [("e", 2), ("e", 3)]
    assert two.said() == [("e", 1), ("e", 2)]
    one.unsubscribe("cache-a")
    two.unsubscribe("cache-a")
    two.subscribe("cache-a")
    assert two.said() == [(OK, {}), ("e", 3)]


@in_loop
async def test_a_pattern_reaches_the_channels_it_matches_and_a_bad_one_none(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    for name in ("order-1", "order-2", "user-1"):
        talker.subscribe(name)
    talker.news()
    assert publish(node, "e", "1", pattern="^order-") == [2]
    bad = publications([ChannelEvent("e", "2", ("order-1",)), ChannelEvent("e", "3", pattern="a(")])
    assert node.perform(bad) == Reply(400, b"1")
    await turns()
    assert talker.said() == [("e", 1), ("e", 1)]


@in_loop
async def test_an_event_for_an_empty_cache_channel_is_there_for_who_comes_until_its_time(world: World) -> None:
    change_settings(world, cache_ttl=60)
    node = world.node()
    talker = Talker(node, "1.1")
    talker.news()
    assert publish(node, "e", "1", "cache-a", "private-cache-b", "plain") == [0]
    talker.subscribe("cache-a")
    talker.subscribe("private-cache-b")
    talker.subscribe("plain")
    assert talker.said() == [(OK, {}), ("e", 1), (OK, {}), ("e", 1), (OK, {})]
    talker.unsubscribe("cache-a")
    world.clock.now += 60
    talker.subscribe("cache-a")
    assert [event for event, _ in talker.said()] == [OK, "pusher:cache_miss"]


@in_loop
async def test_what_is_published_in_the_turn_of_subscribing_comes_behind_the_cached_event_and_once(
    world: World,
) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.subscribe("cache-a")
    one.news()
    two.news()
    publish(node, "e", "1", "cache-a")
    two.subscribe("cache-a")
    publish(node, "e", "2", "cache-a")
    await turns()
    assert one.said() == [("e", 1), ("e", 2)]
    assert two.said() == [(OK, {}), ("e", 1), ("e", 2)]


@in_loop
async def test_the_backend_hears_of_a_cache_miss_once_for_many_who_come(world: World) -> None:
    node = world.node()
    for number in range(5):
        Talker(node, f"{number}.1").subscribe("cache-a")
    assert hooks(world) == [HookEvent("channel_occupied", "cache-a"), HookEvent("cache_miss", "cache-a")]
    world.clock.now += 60
    Talker(node, "9.9").subscribe("cache-a")
    assert hooks(world) == [HookEvent("cache_miss", "cache-a")]


@in_loop
async def test_a_backend_may_publish_so_many_events_in_a_second_as_the_app_says(world: World) -> None:
    change_settings(world, events_per_second=3)
    node = world.node()
    event = ChannelEvent("e", "1", ("a",))
    assert node.perform(publications([event] * 2)) == Reply(200, b"[0, 0]")
    assert node.perform(publications([event] * 2)) == Reply(429, b"3")
    assert node.perform(publication(event)) == Reply(200, b"[0]")
    assert node.perform(publication(event)) == Reply(429, b"3")
    world.clock.now += 1
    assert node.perform(publications([event] * 3)) == Reply(200, b"[0, 0, 0]")


@in_loop
async def test_messages_and_publishes_are_counted(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("a")
    before = node.stats.messages_out
    publish(node, "e", "1", "a")
    node.perform(publications([ChannelEvent("e", "1", ("a",))] * 2))
    crowd = node.hub.crowd(KEY)
    assert (node.stats.pushes, crowd.pushes, node.stats.messages_out - before) == (3, 3, 3)
    assert sum(node.stats.push_seconds.counts) == 2


# Once.


def once(key: str = "key", fingerprint: bytes = b"print") -> Once:
    """Under this idempotency key."""
    return Once(key, fingerprint, lambda: Reply(422))


@in_loop
async def test_who_asks_again_gets_the_first_answer_and_nothing_is_published(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("a")
    talker.news()
    event = ChannelEvent("e", "1", ("a",))
    first = node.perform(publication(event, once=once()))
    talker.unsubscribe("a")
    talker.subscribe("a")
    talker.news()
    assert node.perform(publication(event, once=once())) == first == Reply(200, b"[1]")
    await turns()
    assert talker.news() == []
    assert node.perform(publication(event, once=once(fingerprint=b"other"))) == Reply(422)
    assert node.perform(publication(event, once=once("other key"))) == Reply(200, b"[1]")
    world.clock.now += 3600
    assert node.perform(publication(event, once=once())) == Reply(200, b"[1]")
    await turns()
    assert talker.said() == [("e", 1), ("e", 1)]


@in_loop
async def test_what_was_refused_may_be_asked_for_again_under_the_same_key(world: World) -> None:
    change_settings(world, events_per_second=1)
    node = world.node()
    event = ChannelEvent("e", "1", ("a",))
    assert node.perform(publication(event)) == Reply(200, b"[0]")
    assert node.perform(publication(event, once=once())) == Reply(429, b"1")
    world.clock.now += 1
    assert node.perform(publication(event, once=once())) == Reply(200, b"[0]")


async def later(outcome: Reply | Awaitable[Reply]) -> Reply:
    """The reply of something that takes time."""
    assert not isinstance(outcome, Reply)
    return await outcome


@in_loop
async def test_who_asks_again_while_it_is_being_done_waits_for_the_same_answer(world: World) -> None:
    node = world.node(fanout_slice=2)
    talkers = [Talker(node, f"{number}.1") for number in range(9)]
    for talker in talkers:
        talker.subscribe("a")
        talker.news()
    event = publication(ChannelEvent("e", "1", ("a",)), once=once())
    first, second = asyncio.ensure_future(later(node.perform(event))), later(node.perform(event))
    await turns(1)
    first.cancel()
    assert await second == Reply(200, b"[9]")
    await turns(1)
    assert node.perform(event) == Reply(200, b"[9]")
    await turns()
    assert all(talker.said() == [("e", 1)] for talker in talkers)


# Slow sockets.


@in_loop
async def test_frames_go_the_way_a_socket_has_chosen_last_when_it_subscribes(world: World) -> None:
    node = world.node()
    other, slow = Talker(node, "1.1"), Talker(node, "2.2")
    other.subscribe("b")
    slow.subscribe("a")
    publish(node, "e", "1", "a")
    slow.swaps_every = len(slow.pieces) + 1
    slow.subscribe("b")
    publish(node, "e", "2", "b")
    await turns()
    assert slow.said()[-3:] == [("e", 1), (OK, {}), ("e", 2)]
    assert slow.faults == 0


@in_loop
async def test_frames_go_the_way_a_socket_has_chosen_last_when_it_unsubscribes(world: World) -> None:
    node = world.node(fanout_slice=2)
    others, slow = [Talker(node, f"1.{number}") for number in range(3)], Talker(node, "2.2")
    for talker in (*others, slow):
        talker.subscribe("a")
    others[0].subscribe("b")
    slow.subscribe("b")
    publish_huge = node.perform(publication(ChannelEvent("e", "1", ("a",))))
    assert not isinstance(publish_huge, Reply)
    publish(node, "e", "2", "b")
    slow.swaps_every = 1
    slow.unsubscribe("b")
    await publish_huge
    await turns()
    assert slow.faults == 0


@in_loop
async def test_frames_go_the_way_a_socket_has_chosen_last_when_it_leaves(world: World) -> None:
    node = world.node()
    slow = Talker(node, "2.2")
    for name in "abc":
        slow.subscribe(name)
    slow.swaps_every = 1
    for name in "abc":
        publish(node, "e", name, name)
    slow.close(codes.RESTART)
    assert slow.said()[-4:-1] == [("e", "a"), ("e", "b"), ("e", "c")]
    assert slow.faults == 0


# Two nodes.


@in_loop
async def test_events_and_exclusions_reach_the_other_node(world: World) -> None:
    here, there = world.node(), world.node()
    one, two, three = Talker(here, "1.1"), Talker(there, "2.2"), Talker(there, "3.3")
    for talker in (one, two, three):
        talker.subscribe("cache-a")
        talker.news()
    assert publish(here, "e", "1", "cache-a") == [1]
    assert publish(here, "e", "2", "cache-a", without="2.2") == [1]
    assert publish(there, "e", "3", pattern="^cache", without="1.1") == [2]
    await turns(4)
    assert one.said() == [("e", 1), ("e", 2)]
    assert two.said() == [("e", 1), ("e", 3)]
    assert three.said() == [("e", 1), ("e", 2), ("e", 3)]
    two.unsubscribe("cache-a")
    two.subscribe("cache-a")
    assert two.said() == [(OK, {}), ("e", 3)]
