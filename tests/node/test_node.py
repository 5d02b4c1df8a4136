"""The node: publishing, huge audiences and sessions, with everything around it in memory."""

import asyncio
import random
import re
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.core.codes import Close
from pushery.core.effects import CloseSocket, Inspect, JoinTag
from pushery.core.exchange import Reply
from pushery.core.hub import Crowd
from tests.node.asking import (
    KEY,
    OTHER,
    count_reply,
    later,
    push,
    text,
    unregister,
)
from tests.node.fakes import Client, World, in_loop, turns, until


@pytest.fixture
def world() -> Iterator[World]:
    """Two apps, and nobody online."""
    world = World(KEY, OTHER)
    yield world
    world.close()


# Publishing.


@in_loop
async def test_a_push_is_answered_with_how_many_it_was_handed_to(world: World) -> None:
    node = world.node()
    clients = [Client(node, KEY, tag) for tag in ("A:1", "A:1", "A:10", "B:1")]
    stranger = Client(node, OTHER, "A:1")
    totals = [push(node, content, pattern) for content, pattern in [("all", None), ("A:1", "A:1"), ("only", "^A:1$")]]
    assert totals == [count_reply(4), count_reply(3), count_reply(2)]
    assert push(node, "nobody", "^C") == count_reply(0)
    assert push(node, "nobody", key="u" * 32) == count_reply(0)
    await turns()
    assert [client.texts for client in clients] == [
        ["all", "A:1", "only"],
        ["all", "A:1", "only"],
        ["all", "A:1"],
        ["all"],
    ]
    assert stranger.texts == []


@in_loop
async def test_whoever_joined_before_a_push_is_counted_and_whoever_left_is_not(world: World) -> None:
    node = world.node()
    first = Client(node, KEY, "A:1")
    assert node.publish(text("1")) == 1
    second = Client(node, KEY, "A:1")
    assert node.publish(text("2")) == 2
    node.leave(first)
    node.leave(first)
    assert first.place is None
    assert node.publish(text("3")) == 1
    await turns()
    assert (first.texts, second.texts) == (["1", "2"], ["2", "3"])


@in_loop
async def test_a_client_that_never_joined_may_leave_and_be_redirected(world: World) -> None:
    node = world.node()
    client = Client(node, "u" * 32, "A:1")
    node.leave(client)
    node.redirect(client)
    assert node.publish(text("x", key="u" * 32)) == 0


@in_loop
async def test_a_redirected_client_gets_everything_once_and_in_order(world: World) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    outbox: list[bytes] = []
    node.publish(text("1"))
    await turns()
    client.entry = outbox.append
    node.redirect(client)
    node.publish(text("2"))
    node.publish(text("3", "A"))
    await turns()
    assert client.texts == ["1"]
    client.pieces += outbox
    assert client.texts == ["1", "2", "3"]


@in_loop
async def test_what_one_turn_brings_reaches_each_client_in_one_piece(world: World) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    for number in range(10):
        node.publish(text(str(number)))
    assert client.pieces == []
    await turns()
    assert len(client.pieces) == 1
    assert client.texts == [str(number) for number in range(10)]


@in_loop
async def test_a_bad_pattern_is_answered_and_pushes_nothing(world: World) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    assert push(node, "x", "A(") == Reply(400, b"1")
    await turns()
    assert client.texts == []
    assert (node.stats.pushes, node.stats.messages_out) == (0, 0)


@in_loop
async def test_pushes_are_counted_in_all_and_for_their_app(world: World) -> None:
    node = world.node()
    for tag in ("A:1", "A:2"):
        Client(node, KEY, tag)
    push(node, "12345")
    push(node, "1", "A:1")
    push(node, "nobody", "C")
    await turns()
    stats, crowd = node.stats, node.hub.crowd(KEY)
    assert (stats.pushes, stats.messages_out, stats.bytes_out) == (3, 3, 2 * 7 + 3)
    assert (crowd.pushes, crowd.messages_out) == (3, 3)
    assert sum(stats.push_seconds.counts) == 3


@in_loop
async def test_a_client_that_cannot_be_written_to_costs_nobody_else_anything_and_is_closed(world: World) -> None:
    node = world.node()
    broken, sound = Client(node, KEY, "A:1"), Client(node, KEY, "A:1")

    def fail(frame: bytes) -> None:
        raise RuntimeError("broken")

    broken.entry = fail
    node.redirect(broken)
    with capture_logs() as logs:
        node.publish(text("1"))
        await turns()
        node.publish(text("2"))
        await turns()
    assert sound.texts == ["1", "2"]
    assert broken.closes == [codes.INTERNAL_ERROR]
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("writes_failed", "error")]


# Huge audiences.


@in_loop
async def test_a_push_to_a_huge_audience_is_answered_once_all_have_it(world: World) -> None:
    node = world.node(fanout_slice=10)
    clients = [Client(node, KEY, f"A:{number}") for number in range(95)]
    outcome = asyncio.ensure_future(later(push(node, "x")))
    await turns(3)
    served = sum(bool(client.texts) for client in clients)
    assert 0 < served < 95
    assert not outcome.done()
    assert await outcome == count_reply(95)
    assert [client.texts for client in clients] == [["x"]] * 95
    assert (node.stats.messages_out, node.stats.pushes) == (95, 1)
    assert sum(node.stats.push_seconds.counts) == 1


@in_loop
async def test_who_leaves_before_a_broadcast_reaches_him_is_not_counted_and_who_joins_gets_nothing(
    world: World,
) -> None:
    node = world.node(fanout_slice=10)
    clients = [Client(node, KEY, "A:1") for _ in range(50)]
    outcome = asyncio.ensure_future(later(push(node, "x")))
    await turns(2)
    leaving = [client for client in clients if not client.texts][:7]
    for client in leaving:
        node.leave(client)
    newcomer = Client(node, KEY, "A:1")
    assert await outcome == count_reply(43)
    assert [client.texts for client in leaving] == [[]] * 7
    assert newcomer.texts == []


@in_loop
async def test_a_broadcast_to_an_app_that_is_unregistered_meanwhile_is_still_answered(world: World) -> None:
    node = world.node(fanout_slice=5)
    clients = [Client(node, KEY, "A:1") for _ in range(100)]
    outcome = asyncio.ensure_future(later(push(node, "x")))
    await later(node.perform(unregister()))
    reply = await outcome
    await until(lambda: all(client.closes for client in clients))
    assert reply == count_reply(sum(client.texts == ["x"] for client in clients))


@in_loop
async def test_a_caller_that_no_longer_waits_for_a_total_does_no_harm(world: World) -> None:
    node = world.node(fanout_slice=2)
    clients = [Client(node, KEY, "A:1") for _ in range(9)]
    delivered = node.publish(text("x"))
    assert isinstance(delivered, asyncio.Future)
    delivered.cancel()
    await until(lambda: all(client.texts == ["x"] for client in clients))
    assert await later(push(node, "y")) == count_reply(9)


@pytest.mark.parametrize("seed", range(15))
@in_loop
async def test_every_client_gets_what_matches_it_in_the_order_of_publishing(seed: int) -> None:
    """Small pushes overtake nothing while broadcasts are under way, and every total is exact."""
    rng = random.Random(seed)
    world = World(KEY)
    node = world.node(fanout_slice=rng.choice([3, 8, 1000]))
    clients = {Client(node, KEY, tag): tag for tag in ["A:1"] * 9 + ["A:2"] * 3 + ["B:1"] * 2}
    wanted: dict[Client, list[str]] = {client: [] for client in clients}
    totals = []
    for number in range(60):
        pattern = rng.choice([None, None, "A:1", "^A:1$", "B", "1", "C"])
        matching = [client for client, tag in clients.items() if pattern is None or re.search(pattern, tag)]
        for client in matching:
            wanted[client].append(str(number))
        outcome = push(node, str(number), pattern)
        if isinstance(outcome, Reply):
            assert outcome == count_reply(len(matching))
        else:
            totals.append((asyncio.ensure_future(later(outcome)), len(matching)))
        await turns(rng.choice([0, 0, 1, 3]))
    assert [await outcome for outcome, _ in totals] == [count_reply(total) for _, total in totals]
    await turns(2)
    assert {client: client.texts for client in clients} == wanted
    world.close()


# Sessions and lists.


@in_loop
async def test_what_a_session_asks_for_is_done_in_order(world: World) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    node.leave(client)
    goodbye = Close(4000, "enough", "")
    node.apply(client, [JoinTag(KEY, "B:1"), CloseSocket(goodbye)])
    assert client.closes == [goodbye]
    assert node.publish(text("x")) == 0


@in_loop
async def test_the_tags_online_are_distinct_and_sorted(world: World) -> None:
    node = world.node()
    clients = [Client(node, KEY, tag) for tag in ("b", "é", "a", "B", "a", "A:10", "A:2")]
    listed: list[list[str]] = []

    def answer(crowd: Crowd) -> Reply:
        listed.append(list(crowd.tags.names()))
        return Reply(200)

    node.perform(Inspect(KEY, answer))
    node.leave(clients[0])
    node.leave(clients[2])
    node.perform(Inspect(KEY, answer))
    node.perform(Inspect(OTHER, answer))
    assert listed == [["A:10", "A:2", "B", "a", "b", "é"], ["A:10", "A:2", "B", "a", "é"], []]


@in_loop
async def test_many_sockets_are_closed_in_slices(world: World) -> None:
    node = world.node(fanout_slice=4)
    clients = [Client(node, KEY, "A:1") for _ in range(10)]
    closing = asyncio.ensure_future(node.apps.close_all(clients, codes.RESTART))
    closed = []
    while not closing.done():
        await turns(1)
        closed.append(sum(bool(client.closes) for client in clients))
    assert closed[:3] == [4, 8, 10]
    assert {close for client in clients for close in client.closes} == {codes.RESTART}
