"""Channels on a node: the transcripts of the protocol, who comes and goes, and who may subscribe."""

from collections.abc import Iterator

import pytest

from pushery.core import codes
from pushery.core.effects import TerminateUser, UnregisterApp
from pushery.core.exchange import Reply
from pushery.core.hookevents import HookEvent
from tests.node.fakes import World, in_loop, turns, until
from tests.node.talkers import (
    KEY,
    OK,
    Talker,
    a_world,
    change_settings,
    count_reply,
    full_world,
    hooks,
    publish,
    signature,
)

FAILED = "pusher:subscription_error"


@pytest.fixture
def world() -> Iterator[World]:
    with full_world() as world:
        yield world


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
