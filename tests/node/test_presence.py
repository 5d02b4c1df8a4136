"""Who is on a channel of a node: the members of presence channels, and the number of subscribers of the others."""

from collections.abc import Iterator

import pytest

from pushery.core.hookevents import HookEvent
from tests.node.fakes import World, in_loop, turns
from tests.node.talkers import KEY, OK, Talker, a_world, change_settings, full_world, hooks, in_fake_time, pass_time

COUNT = "pusher_internal:subscription_count"
ADDED = "pusher_internal:member_added"
REMOVED = "pusher_internal:member_removed"


@pytest.fixture
def world() -> Iterator[World]:
    with full_world() as world:
        yield world


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
