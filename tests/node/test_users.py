"""Users on a node: who watches whom, who is closed with all sockets, and who says too late who it is."""

from collections.abc import Iterator

import pytest

from pushery.core.effects import TerminateUser
from pushery.core.exchange import Reply
from tests.node.fakes import World, in_loop, until
from tests.node.talkers import KEY, Talker, a_world, change_settings, count_reply, full_world, in_fake_time, pass_time

WATCHED = "pusher_internal:watchlist_events"


@pytest.fixture
def world() -> Iterator[World]:
    with full_world() as world:
        yield world


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


# Two nodes.


@in_loop
async def test_terminating_on_one_node_closes_the_users_sockets_on_the_other(world: World) -> None:
    here, there = world.node(), world.node()
    one, two = Talker(here, "1.1"), Talker(there, "2.2")
    one.sign_in("u")
    two.sign_in("u")
    assert here.perform(TerminateUser(KEY, "u", count_reply)) == Reply(200, b"1")
    await until(lambda: two.closes)
    assert [close.code for close in (*one.closes, *two.closes)] == [4009, 4009]
