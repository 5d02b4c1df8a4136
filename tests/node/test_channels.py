"""Channels on a node: who hears what, from subscribing to leaving, as in the transcripts of the protocol."""

import asyncio
import json
from collections.abc import Awaitable, Iterator

import pytest

from pushery.core import codes
from pushery.core.effects import Once, TerminateUser, UnregisterApp
from pushery.core.exchange import Reply
from pushery.core.hookevents import HookEvent
from pushery.core.publications import ChannelEvent
from tests.node.fakes import World, in_loop, turns, until
from tests.node.talkers import (
    KEY,
    Talker,
    a_world,
    change_settings,
    in_fake_time,
    pass_time,
    publication,
    publications,
    publish,
    signature,
)

OK = "pusher_internal:subscription_succeeded"
COUNT = "pusher_internal:subscription_count"
ADDED = "pusher_internal:member_added"
REMOVED = "pusher_internal:member_removed"
WATCHED = "pusher_internal:watchlist_events"
FAILED = "pusher:subscription_error"


@pytest.fixture
def world() -> Iterator[World]:
    """One app, with everything that is off by default switched on but what limits."""
    world = a_world(client_events=True, user_authentication=True, watchlist=True)
    yield world
    world.close()


def hooks(world: World, *but: str) -> list[HookEvent]:
    """What the backend was told since it was asked last, without the events named in `but`."""
    told = [event for event in world.hooks.events if event.name not in ("connected", "disconnected", *but)]
    world.hooks.told.clear()
    return told


# The transcripts of section 19, to the letter.


@in_loop
async def test_the_transcript_of_public_presence_and_client_events() -> None:
    world = a_world(client_events=True, subscription_count=True)
    node = world.node()
    a = Talker(node, "11.1")
    assert a.news() == [
        r'{"event":"pusher:connection_established","data":"{\"socket_id\":\"11.1\",\"activity_timeout\":120}"}'
    ]
    a.hear('{"event":"pusher:subscribe","data":{"auth":"","channel":"news"}}')
    await turns()
    assert a.news() == [
        r'{"event":"pusher_internal:subscription_succeeded","channel":"news","data":"{}"}',
        r'{"event":"pusher_internal:subscription_count","channel":"news","data":"{\"subscription_count\":1}"}',
    ]
    channel_data = '{"user_id":7,"user_info":{"n":"a"}}'
    asked = {"auth": signature(f"11.1:presence-r:{channel_data}"), "channel_data": channel_data}
    a.tell("pusher:subscribe", {**asked, "channel": "presence-r"})
    await turns()
    assert a.news() == [
        r'{"event":"pusher_internal:subscription_succeeded","channel":"presence-r",'
        r'"data":"{\"presence\":{\"ids\":[7],\"hash\":{\"7\":{\"n\":\"a\"}},\"count\":1}}"}'
    ]
    b, c = Talker(node, "22.2"), Talker(node, "33.3")
    b.news()
    c.news()
    b.subscribe("presence-r", 7, user_info={"n": "a"})
    await turns()
    assert a.news() == []
    assert b.said() == [(OK, {"presence": {"ids": [7], "hash": {"7": {"n": "a"}}, "count": 1}})]
    c.subscribe("presence-r", "8")
    await turns()
    assert c.said() == [(OK, {"presence": {"ids": [7, "8"], "hash": {"7": {"n": "a"}, "8": {}}, "count": 2}})]
    added = (
        r'{"event":"pusher_internal:member_added","channel":"presence-r",'
        r'"data":"{\"user_id\":\"8\",\"user_info\":{}}"}'
    )
    assert a.news() == b.news() == [added]
    c.hear('{"event":"client-typing","channel":"presence-r","data":{"on":true}}')
    await turns()
    typing = r'{"event":"client-typing","channel":"presence-r","data":"{\"on\":true}","user_id":"8"}'
    assert (a.news(), b.news(), c.news()) == ([typing], [typing], [])
    a.vanish()
    await turns()
    assert (b.news(), c.news()) == ([], [])
    b.hear('{"event":"pusher:unsubscribe","data":{"channel":"presence-r"}}')
    await turns()
    removed = r'{"event":"pusher_internal:member_removed","channel":"presence-r","data":"{\"user_id\":7}"}'
    assert (b.news(), c.news()) == ([], [removed])
    assert hooks(world, "subscription_count") == [
        HookEvent("channel_occupied", "news"),
        HookEvent("channel_occupied", "presence-r"),
        HookEvent("member_added", "presence-r", user_id="7"),
        HookEvent("member_added", "presence-r", user_id="8"),
        HookEvent("client_event", "presence-r", "client-typing", '{"on":true}', "33.3", "8"),
        HookEvent("channel_vacated", "news"),
        HookEvent("member_removed", "presence-r", user_id="7"),
    ]
    world.close()


@in_loop
async def test_the_transcript_of_a_cache_channel(world: World) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.news()
    two.news()
    one.hear('{"event":"pusher:subscribe","data":{"auth":"","channel":"cache-p"}}')
    await turns()
    succeeded = '{"event":"pusher_internal:subscription_succeeded","channel":"cache-p","data":"{}"}'
    assert one.news() == [succeeded, '{"event":"pusher:cache_miss","channel":"cache-p","data":"{}"}']
    assert hooks(world) == [HookEvent("channel_occupied", "cache-p"), HookEvent("cache_miss", "cache-p")]
    assert publish(node, "tick", '{"v":1}', "cache-p") == [1]
    await turns()
    tick = r'{"event":"tick","channel":"cache-p","data":"{\"v\":1}"}'
    assert one.news() == [tick]
    two.hear('{"event":"pusher:subscribe","data":{"auth":"","channel":"cache-p"}}')
    await turns()
    assert (one.news(), two.news()) == ([], [succeeded, tick])
    assert hooks(world) == []


@in_loop
async def test_the_transcript_of_signing_in(world: World) -> None:
    node = world.node()
    friend, client = Talker(node, "2.2"), Talker(node, "1.1")
    friend.sign_in("u2")
    client.news()
    user_data = '{"id":"u1","watchlist":["u2","u3"]}'
    client.tell("pusher:signin", {"auth": signature(f"1.1::user::{user_data}"), "user_data": user_data})
    assert client.news() == [
        r'{"event":"pusher:signin_success",'
        r'"data":"{\"user_data\":\"{\\\"id\\\":\\\"u1\\\",\\\"watchlist\\\":[\\\"u2\\\",\\\"u3\\\"]}\"}"}',
        r'{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"u2\"]},'
        r'{\"name\":\"offline\",\"user_ids\":[\"u3\"]}]}"}',
    ]
    client.hear('{"event":"pusher:subscribe","data":{"auth":"","channel":"#server-to-user-u1"}}')
    assert client.news() == [
        '{"event":"pusher_internal:subscription_succeeded","channel":"#server-to-user-u1","data":"{}"}'
    ]
    assert publish(node, "hey", "…", "#server-to-user-u1") == [1]
    await turns()
    assert client.news() == ['{"event":"hey","channel":"#server-to-user-u1","data":"…"}']
    assert node.perform(TerminateUser(KEY, "u1", count_reply)) == Reply(200, b"1")
    assert client.news() == [
        '{"event":"pusher:error","data":{"code":4009,"message":"You got disconnected by the app."}}'
    ]
    assert [close.code for close in client.closes] == [4009]
    assert friend.closes == []


def count_reply(count: int) -> Reply:
    """A reply that says a number."""
    return Reply(200, str(count).encode())


# Coming and going.


@in_loop
async def test_a_socket_leaves_nothing_behind(world: World) -> None:
    node = world.node()
    crowd = node.hub.crowd(KEY)
    stays, goes = Talker(node, "1.1"), Talker(node, "2.2")
    for talker in (stays, goes):
        talker.sign_in("u", watchlist=["v", "w"])
        for channel in ("news", "private-a", "cache-c", "#server-to-user-u"):
            talker.subscribe(channel)
        talker.subscribe("presence-r", "u")
    assert len(crowd) == 2
    assert list(crowd.sockets) == ["1.1", "2.2"]
    goes.vanish()
    node.leave(goes)
    assert goes.place is None
    assert list(crowd.sockets) == ["1.1"]
    assert all(list(channel.audience) == [stays] for channel in crowd.channels.by_name.values())
    stays.vanish()
    assert len(crowd) == 0
    assert crowd.channels.by_name == {}
    assert crowd.channels._of_audience == {}
    assert not crowd.channels.names.audiences
    assert len(crowd.users) == 0
    assert not crowd.users._watchers
    assert not crowd.unproven
    assert stays.place is None


@in_loop
async def test_coming_and_going_is_told_to_backends(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.sign_in("u")
    Talker(node, "2.2").vanish()
    talker.vanish()
    assert world.hooks.events == [
        HookEvent("connected", socket_id="1.1"),
        HookEvent("connected", socket_id="2.2"),
        HookEvent("disconnected", socket_id="2.2"),
        HookEvent("disconnected", socket_id="1.1", user_id="u"),
    ]


@in_loop
async def test_an_app_without_webhooks_is_told_nothing(world: World) -> None:
    change_settings(world, webhooks=())
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("presence-cache-a", "u")
    talker.tell("client-x", "1", channel="presence-cache-a")
    talker.vanish()
    assert world.hooks.told == []


@in_loop
async def test_a_socket_of_an_app_that_has_gone_is_closed_in_the_words_of_the_protocol(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("presence-r", "u")
    talker.news()
    hooks(world)
    reply = node.perform(UnregisterApp(KEY, lambda was_there: Reply(200)))
    assert not isinstance(reply, Reply)
    await reply
    await until(lambda: talker.closes)
    assert talker.closes == [codes.APP_UNKNOWN]
    assert talker.said() == [("pusher:error", {"code": 4001, "message": codes.APP_UNKNOWN.reason})]
    assert KEY not in node.hub.crowds
    assert hooks(world) == []


@in_loop
async def test_above_the_quota_nobody_comes_in(world: World) -> None:
    change_settings(world, max_connections=2)
    node = world.node()
    talkers = [Talker(node, f"{number}.1") for number in range(3)]
    assert [[close.code for close in talker.closes] for talker in talkers] == [[], [], [4004]]
    assert talkers[2].said() == [("pusher:error", {"code": 4004, "message": codes.OVER_QUOTA.reason})]
    assert talkers[2].place is None
    talkers[0].vanish()
    assert Talker(node, "9.9").closes == []


# Subscribing.


@in_loop
async def test_subscribing_twice_is_an_error_and_changes_nothing(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("presence-r", "u")
    talker.news()
    talker.subscribe("presence-r", "u")
    assert talker.news() == [
        '{"event":"pusher:error","data":{"code":null,"message":"Existing subscription to channel presence-r"}}'
    ]
    assert publish(node, "e", "1", "presence-r") == [1]
    talker.unsubscribe("presence-r")
    assert node.hub.crowd(KEY).channels.by_name == {}


@in_loop
async def test_unsubscribing_from_elsewhere_is_an_error_and_changes_nothing(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("a")
    talker.news()
    talker.unsubscribe("b")
    assert talker.news() == [
        '{"event":"pusher:error","data":{"code":null,'
        '"message":"No current subscription to channel b, or subscription in progress"}}'
    ]
    assert publish(node, "e", "1", "a") == [1]


@in_loop
async def test_what_is_published_between_unsubscribing_and_subscribing_again_is_missed(world: World) -> None:
    node = world.node()
    talker = Talker(node, "1.1")
    talker.subscribe("a")
    publish(node, "e", "1", "a")
    talker.unsubscribe("a")
    publish(node, "e", "2", "a")
    talker.subscribe("a")
    publish(node, "e", "3", "a")
    talker.unsubscribe("a")
    await turns()
    assert [said for said in talker.said() if said[0] in ("e", OK)] == [(OK, {}), ("e", 1), (OK, {}), ("e", 3)]


@in_loop
async def test_a_socket_may_be_on_so_many_channels_as_the_app_says(world: World) -> None:
    change_settings(world, max_channels=2)
    talker = Talker(world.node(), "1.1")
    talker.subscribe("a")
    talker.subscribe("b")
    talker.news()
    talker.subscribe("c")
    (error, text), (failed, why) = talker.said()
    assert (error, failed) == ("pusher:error", FAILED)
    assert isinstance(text, dict)
    assert isinstance(why, dict)
    assert (text["code"], why["type"]) == (None, "LimitReached")
    talker.unsubscribe("a")
    talker.subscribe("c")
    assert talker.said() == [(OK, {})]


# Presence.


@in_loop
async def test_a_presence_channel_takes_so_many_users_as_the_app_says_with_any_number_of_sockets(world: World) -> None:
    change_settings(world, max_presence_members=2)
    node = world.node()
    talkers = [Talker(node, f"{number}.1") for number in range(4)]
    for talker, user_id in zip(talkers, ("a", "b", "a", "c"), strict=True):
        talker.news()
        talker.subscribe("presence-r", user_id)
    assert [talker.said()[0][0] for talker in talkers[2:]] == [OK, "pusher:error"]
    channel = node.hub.crowd(KEY).channels.by_name["presence-r"]
    assert channel.roster is not None
    assert [member.user_id for member in channel.roster.members] == ["a", "b"]
    assert len(channel.audience) == 3
    talkers[0].vanish()
    talkers[3].subscribe("presence-r", "c")
    assert talkers[3].said()[0][0] == "pusher:error"
    talkers[2].vanish()
    talkers[3].subscribe("presence-r", "c")
    assert talkers[3].said()[0][0] == OK


@pytest.mark.parametrize(("first", "second"), [(7, "7"), ("7", 7)])
@in_loop
async def test_ids_keep_their_type_and_are_one_user_whatever_it_is(world: World, first: object, second: object) -> None:
    node = world.node()
    watcher, one, two = (Talker(node, f"{number}.1") for number in range(3))
    watcher.subscribe("presence-r", "w")
    watcher.news()
    one.subscribe("presence-r", first)
    two.subscribe("presence-r", second)
    one.vanish()
    two.vanish()
    await turns()
    assert watcher.said() == [(ADDED, {"user_id": first, "user_info": {}}), (REMOVED, {"user_id": second})]


@in_loop
async def test_a_users_newer_socket_says_who_the_user_is_and_others_hear_of_the_change(world: World) -> None:
    node = world.node()
    old, new, other = (Talker(node, f"{number}.1") for number in range(3))
    old.subscribe("presence-r", "u", user_info={"n": 1})
    old.news()
    new.news()
    other.news()
    new.subscribe("presence-r", "u", user_info={"n": 2})
    await turns()
    assert old.said() == [("pushery:member_updated", {"user_id": "u", "user_info": {"n": 2}})]
    other.subscribe("presence-r", "o", user_info=None)
    assert other.said() == [
        (OK, {"presence": {"ids": ["u", "o"], "hash": {"u": {"n": 2}, "o": {}}, "count": 2}}),
    ]


@in_loop
async def test_members_are_told_before_a_newcomer_speaks_and_never_of_themselves(world: World) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.subscribe("presence-r", "a")
    one.news()
    two.news()
    two.subscribe("presence-r", "b")
    two.tell("client-hi", "x", channel="presence-r")
    two.unsubscribe("presence-r")
    await turns()
    assert one.said() == [
        (ADDED, {"user_id": "b", "user_info": {}}),
        ("client-hi", "x"),
        (REMOVED, {"user_id": "b"}),
    ]
    assert [event for event, _ in two.said()] == [OK]


@in_loop
async def test_who_is_signed_in_needs_no_channel_data(world: World) -> None:
    talker = Talker(world.node(), "1.1")
    talker.sign_in("u", user_info={"n": 1})
    talker.news()
    talker.subscribe("presence-r")
    talker.subscribe("presence-s", "v")
    assert talker.said() == [
        (OK, {"presence": {"ids": ["u"], "hash": {"u": {"n": 1}}, "count": 1}}),
        (OK, {"presence": {"ids": ["v"], "hash": {"v": {}}, "count": 1}}),
    ]


@in_loop
async def test_member_hooks_come_once_for_a_user_and_vacated_last(world: World) -> None:
    node = world.node()
    talkers = [Talker(node, f"{number}.1") for number in range(3)]
    for talker, user_id in zip(talkers, ("a", "a", "b"), strict=True):
        talker.subscribe("presence-r", user_id)
    for talker in talkers:
        talker.vanish()
    assert hooks(world) == [
        HookEvent("channel_occupied", "presence-r"),
        HookEvent("member_added", "presence-r", user_id="a"),
        HookEvent("member_added", "presence-r", user_id="b"),
        HookEvent("member_removed", "presence-r", user_id="a"),
        HookEvent("member_removed", "presence-r", user_id="b"),
        HookEvent("channel_vacated", "presence-r"),
    ]


# Client events.


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


# How many are subscribed.


@in_fake_time
async def test_the_count_is_told_at_every_change_and_not_on_presence_channels() -> None:
    world = a_world(subscription_count=True)
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.subscribe("a")
    one.subscribe("presence-a", "u")
    await turns()
    assert one.said()[-2:] == [
        (COUNT, {"subscription_count": 1}),
        (OK, {"presence": {"ids": ["u"], "hash": {"u": {}}, "count": 1}}),
    ]
    two.subscribe("a")
    two.vanish()
    await turns()
    assert one.said() == [
        (COUNT, {"subscription_count": 2}),
        (COUNT, {"subscription_count": 1}),
    ]
    one.vanish()
    told = [event.subscription_count for event in hooks(world) if event.name == "subscription_count"]
    assert told == [1, 2, 1, 0]
    world.close()


@in_fake_time
async def test_above_a_hundred_the_count_is_told_every_five_seconds_while_it_changes() -> None:
    world = a_world(subscription_count=True)
    node = world.node()
    talkers = [Talker(node, f"{number}.1") for number in range(103)]
    first = talkers[0]
    for talker in talkers[:100]:
        talker.subscribe("a")
    await turns()
    assert first.said()[-1] == (COUNT, {"subscription_count": 100})
    for talker in talkers[100:]:
        talker.subscribe("a")
    await pass_time(4.9)
    assert first.said() == []
    await pass_time(0.2)
    assert first.said() == [(COUNT, {"subscription_count": 103})]
    await pass_time(60)
    assert first.said() == []
    talkers[102].unsubscribe("a")
    await pass_time(5.1)
    assert first.said() == [(COUNT, {"subscription_count": 102})]
    world.close()


@in_fake_time
async def test_a_count_that_waited_says_nothing_of_a_channel_that_has_come_again_meanwhile() -> None:
    world = a_world(subscription_count=True)
    node = world.node()
    talkers = [Talker(node, f"{number}.1") for number in range(101)]
    for talker in talkers:
        talker.subscribe("a")
    for talker in talkers:
        talker.vanish()
    hooks(world)
    newcomer = Talker(node, "999.1")
    newcomer.subscribe("a")
    await pass_time(6)
    told = [event.subscription_count for event in hooks(world) if event.name == "subscription_count"]
    assert told == [1]
    world.close()


@in_fake_time
async def test_a_count_that_waited_tells_that_nobody_is_left() -> None:
    world = a_world(subscription_count=True)
    node = world.node()
    talkers = [Talker(node, f"{number}.1") for number in range(101)]
    for talker in talkers:
        talker.subscribe("a")
    for talker in talkers:
        talker.vanish()
    hooks(world)
    await pass_time(6)
    assert hooks(world) == [HookEvent("subscription_count", "a", subscription_count=0)]
    world.close()


# Users.


@in_loop
async def test_watchers_hear_of_a_users_first_socket_and_last_once(world: World) -> None:
    node = world.node()
    watcher = Talker(node, "9.9")
    watcher.sign_in("w", watchlist=["u", "v"])
    watcher.news()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    online = (WATCHED, {"events": [{"name": "online", "user_ids": ["u"]}]})
    offline = (WATCHED, {"events": [{"name": "offline", "user_ids": ["u"]}]})
    one.sign_in("u")
    one.sign_in("u")
    two.sign_in("u")
    assert watcher.said() == [online]
    one.vanish()
    assert watcher.said() == []
    two.vanish()
    assert watcher.said() == [offline]
    watcher.vanish()
    Talker(node, "3.3").sign_in("u")
    assert watcher.said() == []


@in_loop
async def test_who_watches_itself_is_told_once_and_by_its_other_sockets(world: World) -> None:
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.news()
    one.sign_in("u", watchlist=["u"])
    online = (WATCHED, {"events": [{"name": "online", "user_ids": ["u"]}]})
    assert one.said()[1:] == [online]
    two.sign_in("u", watchlist=["u"])
    two.vanish()
    assert one.said() == []


@in_loop
async def test_signing_in_again_may_change_whom_one_watches(world: World) -> None:
    node = world.node()
    watcher, user = Talker(node, "9.9"), Talker(node, "1.1")
    watcher.sign_in("w", watchlist=["u"])
    watcher.sign_in("w", watchlist=["v"])
    watcher.news()
    user.sign_in("u")
    assert watcher.said() == []
    assert list(node.hub.crowd(KEY).users._watchers) == ["v"]


@in_loop
async def test_without_the_setting_nobody_watches(world: World) -> None:
    change_settings(world, watchlist=False)
    node = world.node()
    watcher, user = Talker(node, "9.9"), Talker(node, "1.1")
    watcher.sign_in("w", watchlist=["u"])
    user.sign_in("u")
    user.vanish()
    assert [event for event, _ in watcher.said()] == ["pusher:connection_established", "pusher:signin_success"]


@in_loop
async def test_terminating_closes_a_users_signed_in_sockets_and_no_others(world: World) -> None:
    node = world.node()
    one, two, present, other = (Talker(node, f"{number}.1") for number in range(4))
    one.sign_in("u")
    two.sign_in("u")
    other.sign_in("o")
    present.subscribe("presence-r", "u")
    assert node.perform(TerminateUser(KEY, "u", count_reply)) == Reply(200, b"2")
    assert [[close.code for close in talker.closes] for talker in (one, two, present, other)] == [
        [4009],
        [4009],
        [],
        [],
    ]
    assert node.perform(TerminateUser(KEY, "u", count_reply)) == Reply(200, b"0")
    assert node.perform(TerminateUser("u" * 32, "u", count_reply)) == Reply(200, b"0")


# Sockets that must say who they are.


@in_fake_time
async def test_who_does_not_say_who_it_is_in_time_is_closed() -> None:
    world = a_world(authorized_connections=True, authorization_timeout=30.0, user_authentication=True)
    node = world.node()
    idle, public, private, present, signed_in, own = (Talker(node, f"{number}.1") for number in range(6))
    public.subscribe("news")
    private.subscribe("private-a")
    present.subscribe("presence-a", "u")
    signed_in.sign_in("u")
    own.sign_in("u")
    await pass_time(29)
    assert not any(talker.closes for talker in (idle, public, private, present, signed_in))
    await pass_time(2)
    for talker in (idle, public):
        assert [close.code for close in talker.closes] == [4009]
        assert talker.said()[-1] == (
            "pusher:error",
            {"code": 4009, "message": "Connection not authorized within timeout"},
        )
    assert not any(talker.closes for talker in (private, present, signed_in, own))
    assert not node.hub.crowd(KEY).unproven
    world.close()


@in_fake_time
async def test_who_leaves_unproven_leaves_no_timer_behind() -> None:
    world = a_world(authorized_connections=True)
    node = world.node()
    talker = Talker(node, "1.1")
    talker.vanish()
    assert not node.hub.crowd(KEY).unproven
    await pass_time(100)
    assert [close.code for close in talker.closes] == [1006]
    world.close()


@in_fake_time
async def test_the_unproven_do_not_count_towards_the_quota() -> None:
    world = a_world(authorized_connections=True, max_connections=1)
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    assert (one.closes, two.closes) == ([], [])
    one.subscribe("private-a")
    assert [close.code for close in Talker(node, "3.3").closes] == [4004]
    two.subscribe("private-a")
    assert [close.code for close in two.closes] == [4004]
    assert list(node.hub.crowd(KEY).sockets) == ["1.1"]
    world.close()


@in_fake_time
async def test_who_signs_in_when_there_is_no_room_left_is_closed() -> None:
    world = a_world(authorized_connections=True, max_connections=1, user_authentication=True)
    node = world.node()
    one, two = Talker(node, "1.1"), Talker(node, "2.2")
    one.subscribe("private-a")
    two.sign_in("u1")
    assert [close.code for close in two.closes] == [4004]
    assert "u1" not in node.hub.crowd(KEY).users
    world.close()


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


@in_loop
async def test_terminating_on_one_node_closes_the_users_sockets_on_the_other(world: World) -> None:
    here, there = world.node(), world.node()
    one, two = Talker(here, "1.1"), Talker(there, "2.2")
    one.sign_in("u")
    two.sign_in("u")
    assert here.perform(TerminateUser(KEY, "u", count_reply)) == Reply(200, b"1")
    await until(lambda: two.closes)
    assert [close.code for close in (*one.closes, *two.closes)] == [4009, 4009]
