"""Sockets whose time is limited: closed when it is over, and forgotten when they have left before."""

from pushery.core import codes
from pushery.core.effects import CloseLater, Enter, JoinTag
from pushery.node.passing import Passing
from tests.node.fakes import Client, World
from tests.node.talkers import KEY, Talker, a_world, in_fake_time, pass_time

LATER = CloseLater(60.0, codes.TOKEN_EXPIRED)


def timers(node: object) -> int:
    """How many sockets have a timer."""
    passing = vars(node)["_passing"]
    assert isinstance(passing, Passing)
    return len(passing.timers)


@in_fake_time
async def test_a_socket_is_closed_when_its_time_is_over_whatever_the_wall_clock_does() -> None:
    world = World(KEY)
    node = world.node()
    tagged, talker, staying = Client(node, KEY, "A:1"), Talker(node, "1.1"), Client(node, KEY, "A:2")
    for peer in (tagged, talker):
        node.apply(peer, [LATER])
    world.clock.now = 1e9
    await pass_time(59.9)
    assert (tagged.closes, talker.closes) == ([], [])
    world.clock.now = 0.0
    await pass_time(0.2)
    for peer in (tagged, talker):
        assert [(close.code, close.reason) for close in peer.closes] == [(4011, "connect token expired")]
    assert talker.said()[-1] == ("pusher:error", {"code": 4011, "message": "connect token expired"})
    assert (staying.closes, timers(node)) == ([], 0)
    assert list(node.hub.crowd(KEY).everyone) == [staying]
    world.close()


@in_fake_time
async def test_nothing_is_kept_of_a_socket_that_has_left() -> None:
    world = World(KEY)
    node = world.node()
    client, talker = Client(node, KEY, "A:1"), Talker(node, "1.1")
    for peer in (client, talker):
        node.apply(peer, [LATER])
    assert timers(node) == 2
    node.leave(client)
    talker.vanish()
    assert timers(node) == 0
    await pass_time(100)
    assert client.closes == []
    world.close()


@in_fake_time
async def test_a_socket_that_was_not_let_in_gets_no_timer() -> None:
    world = a_world(max_connections=1)
    node = world.node()
    Client(node, KEY, "A:1")
    late = Client(node, KEY, "A:2")
    assert [close.code for close in late.closes] == [4004]
    node.apply(late, [JoinTag(KEY, "A:2"), LATER])
    assert timers(node) == 0
    world.close()


@in_fake_time
async def test_who_has_proved_itself_by_a_token_need_not_do_so_in_time() -> None:
    world = a_world(authorized_connections=True, authorization_timeout=30.0)
    node = world.node()
    plain, proven = Client(node, "none", "x"), Client(node, "none", "y")
    node.apply(plain, [Enter(KEY, "1.1", b"hello")])
    node.apply(proven, [Enter(KEY, "2.2", b"hello", proven=True)])
    plain.closes.clear()
    proven.closes.clear()
    await pass_time(31)
    assert [close.code for close in plain.closes] == [4009]
    assert proven.closes == []
    world.close()
