"""Events that clients send to a channel: whom they reach, how many are too many, and what the backend hears."""

import json
from collections.abc import Iterator

import pytest

from pushery.core.hookevents import HookEvent
from tests.node.fakes import World, in_loop, turns
from tests.node.talkers import OK, Talker, full_world, hooks


@pytest.fixture
def world() -> Iterator[World]:
    with full_world() as world:
        yield world


@in_loop
async def test_a_client_event_reaches_all_other_subscribers_as_text(world: World) -> None:
    node = world.node()
    one, two, three = (Talker(node, f"{number}.1") for number in range(3))
    for talker in (one, two):
        talker.subscribe("private-a")
        talker.news()
    three.news()
    one.tell("client-x", {"a": [1, " "]}, channel="private-a", user_id="somebody else")
    one.tell("client-y", "plain", channel="private-a")
    one.hear('{"event":"client-z","channel":"private-a"}')
    await turns()
    assert two.news() == [
        r'{"event":"client-x","channel":"private-a","data":"{\"a\":[1,\" \"]}"}',
        '{"event":"client-y","channel":"private-a","data":"plain"}',
        '{"event":"client-z","channel":"private-a","data":"null"}',
    ]
    assert (one.news(), three.news()) == ([], [])


@in_loop
async def test_a_client_event_needs_a_subscription(world: World) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    two.subscribe("private-a")
    one.news()
    two.news()
    one.tell("client-x", "1", channel="private-a")
    await turns()
    error, notice = map(json.loads, one.news())
    message = "Client event rejected - you are not subscribed to private-a"
    assert error == {"event": "pusher:error", "channel": "private-a", "data": {"code": None, "message": message}}
    assert (notice["event"], notice["channel"]) == ("pushery:client_event_rejected", "private-a")
    assert json.loads(notice["data"]) == {"event": "client-x", "error": message, "code": None}
    assert two.news() == []


@in_loop
async def test_too_many_client_events_are_dropped_with_4301_and_nothing_is_closed(world: World) -> None:
    node = world.node()
    one, two, three = (Talker(node, f"{number}.1") for number in range(3))
    for talker in (one, two, three):
        talker.subscribe("private-a")
        talker.news()
    for number in range(12):
        one.tell("client-x", number, channel="private-a")
    three.tell("client-x", 99, channel="private-a")
    await turns()
    assert two.said() == [("client-x", number) for number in (*range(10), 99)]
    errors = [json.loads(text) for text in one.news() if "pusher:error" in text]
    assert [error["data"]["code"] for error in errors] == [4301, 4301]
    assert one.closes == []
    world.clock.now += 0.1
    one.tell("client-x", 100, channel="private-a")
    one.tell("client-x", 101, channel="private-a")
    await turns()
    assert two.said() == [("client-x", 100)]


@in_loop
async def test_a_client_event_is_never_kept_by_a_cache_channel(world: World) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.subscribe("private-cache-a")
    one.tell("client-x", "1", channel="private-cache-a")
    two.news()
    two.subscribe("private-cache-a")
    assert [event for event, _ in two.said()] == [OK, "pusher:cache_miss"]


@in_loop
async def test_the_backend_hears_of_client_events_with_who_sent_them(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("private-a")
    talker.subscribe("presence-r", 7)
    hooks(world)
    talker.tell("client-x", "d", channel="private-a")
    talker.tell("client-y", {"a": 1}, channel="presence-r")
    assert hooks(world) == [
        HookEvent("client_event", "private-a", "client-x", "d", "1.1"),
        HookEvent("client_event", "presence-r", "client-y", '{"a":1}', "1.1", "7"),
    ]


@in_loop
async def test_client_events_reach_the_other_node_with_their_sender_and_are_not_kept(world: World) -> None:
    here, there = world.node(), world.node()
    one, two = Talker(here, "1.1"), Talker(there, "2.2")
    one.subscribe("presence-cache-a", 7)
    two.subscribe("presence-cache-a", 8)
    two.news()
    hooks(world)
    one.tell("client-x", {"a": 1}, channel="presence-cache-a")
    await turns(4)
    assert two.news() == [r'{"event":"client-x","channel":"presence-cache-a","data":"{\"a\":1}","user_id":"7"}']
    assert [event.name for event in hooks(world)] == ["client_event"]
    two.unsubscribe("presence-cache-a")
    two.subscribe("presence-cache-a", 8)
    assert two.said()[-1][0] == "pusher:cache_miss"
