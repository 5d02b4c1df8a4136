"""The node: registering, publishing and closing, with everything around it in memory."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.core.apps import App
from pushery.core.codes import Close
from pushery.core.effects import CloseSocket, Inspect, JoinTag, ListApps, Publish, RegisterApp, UnregisterApp
from pushery.core.exchange import Reply
from pushery.core.hub import Crowd
from pushery.core.patterns import PatternError
from pushery.core.ports import StorageError
from pushery.core.publications import (
    ENVELOPE_VERSION,
    Publication,
    Published,
    Unregistered,
    decode_envelope,
    encode_envelope,
)
from pushery.node import Node
from tests.node.fakes import Client, World, draft, in_loop, turns, until

KEY = "k" * 32
OTHER = "o" * 32


@pytest.fixture
def world() -> Iterator[World]:
    """Two apps, and nobody online."""
    world = World(KEY, OTHER)
    yield world
    world.close()


def text(content: str, pattern: str | None = None, key: str = KEY) -> Publication:
    """A message."""
    return Publication(key, content.encode(), pattern)


def count_reply(total: int) -> Reply:
    """A reply that says the total."""
    return Reply(200, str(total).encode())


def pattern_reply(error: PatternError) -> Reply:
    """A reply that says the position."""
    return Reply(400, str(error.position).encode())


def limit_reply(limit: int) -> Reply:
    """A reply that says the limit."""
    return Reply(429, str(limit).encode())


def push(node: Node, content: str, pattern: str | None = None, key: str = KEY) -> Reply | Awaitable[Reply]:
    """What a push by HTTP becomes."""
    return node.perform(Publish(text(content, pattern, key), count_reply, pattern_reply, limit_reply))


async def later(outcome: Reply | Awaitable[Reply]) -> Reply:
    """The reply of something that takes time."""
    assert not isinstance(outcome, Reply)
    return await outcome


def register(answer: Callable[[App], Reply] = lambda app: Reply(200, app.key.encode())) -> RegisterApp:
    """A request for an app."""
    return RegisterApp("test", "scott", "760804", "203.0.113.9:4711", answer)


def unregister(key: str = KEY) -> UnregisterApp:
    """A request to remove an app; the reply's status says whether it was there."""
    return UnregisterApp(key, lambda was_there: Reply(200 if was_there else 404))


# Apps come and go.


@in_loop
async def test_a_registered_app_is_durable_named_by_the_id_source_and_ready_for_use(world: World) -> None:
    node = world.node()
    registered: list[App] = []

    def answer(app: App) -> Reply:
        assert world.table.apps[app.key] == node.registry.apps[app.key] == app
        registered.append(app)
        return Reply(200)

    assert (await later(node.perform(register(answer)))).status == 200
    [app] = registered
    assert (app.name, app.auth_account, app.auth_password) == ("test", "scott", "760804")
    assert (app.request_ip, app.registered_ms) == ("203.0.113.9:4711", world.clock.unix_ms)
    assert len(app.key) == 32
    assert len(app.secret) == 40
    client = Client(node, app.key, "A:1")
    assert node.publish(text("x", key=app.key)) == 1
    await turns()
    assert client.texts == ["x"]


@in_loop
async def test_an_app_may_keep_the_key_id_and_secret_that_it_has_had_elsewhere(world: World) -> None:
    node = world.node()
    asked = replace(register(), app_key="app-key", app_id="app-id", app_secret="app-secret")
    assert (await later(node.perform(asked))).body == b"app-key"
    app = node.registry.apps["app-key"]
    assert (app.id, app.secret) == ("app-id", "app-secret")
    assert node.registry.directory.by_id["app-id"] is app


@in_loop
async def test_the_same_name_twice_makes_two_apps_listed_in_order_of_registration(world: World) -> None:
    node = world.node()
    replies = await asyncio.gather(*(later(node.perform(register())) for _ in range(20)))
    listed: list[Sequence[App]] = []

    def answer(apps: Sequence[App]) -> Reply:
        listed.append(apps)
        return Reply(200)

    assert node.perform(ListApps(answer)) == Reply(200)
    assert [app.key for app in listed[0]] == [KEY, OTHER, *(reply.body.decode() for reply in replies)]
    assert [int(app.id) for app in listed[0]] == sorted(int(app.id) for app in listed[0])


@in_loop
async def test_unregistering_removes_the_app_and_closes_its_sockets_and_no_others(world: World) -> None:
    node = world.node()
    gone, stays = Client(node, KEY, "A:1"), Client(node, OTHER, "A:1")
    assert (await later(node.perform(unregister()))).status == 200
    await until(lambda: gone.closes)
    assert gone.closes == [codes.APP_UNREGISTERED]
    assert gone.place is None
    assert stays.closes == []
    assert KEY not in node.registry.apps
    assert KEY not in world.table.apps
    assert KEY not in node.hub.crowds
    assert node.publish(text("x", key=OTHER)) == 1


@in_loop
async def test_unregistering_twice_finds_nothing_the_second_time(world: World) -> None:
    node = world.node()
    replies = await asyncio.gather(*(later(node.perform(unregister())) for _ in range(2)))
    assert [reply.status for reply in replies] == [200, 404]


@in_loop
async def test_a_client_that_comes_too_late_is_told_that_the_app_is_gone(world: World) -> None:
    node = world.node()
    await later(node.perform(unregister()))
    client = Client(node, KEY, "A:1")
    assert client.closes == [codes.APP_UNREGISTERED]
    assert client.place is None
    assert KEY not in node.hub.crowds


@pytest.mark.parametrize("effect", [register(), unregister()])
@in_loop
async def test_when_the_registry_fails_the_caller_is_told_and_nothing_changes(world: World, effect: Any) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    world.stores[0].broken = True
    with pytest.raises(StorageError, match="the disk is full"):
        await later(node.perform(effect))
    await turns(3)
    assert list(node.registry.apps) == list(world.table.apps) == [KEY, OTHER]
    assert client.closes == []
    assert node.publish(text("x")) == 1
    world.stores[0].broken = False
    assert (await later(node.perform(effect))).status == 200


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
async def test_a_client_that_cannot_be_written_to_costs_nobody_else_anything_and_is_logged(world: World) -> None:
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
    assert [entry["log_level"] for entry in logs] == ["error", "error"]


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


# What other processes do to the registry.


@in_loop
async def test_an_app_that_another_process_registers_is_taken_in(world: World) -> None:
    node = world.node()
    other_process = world.node().registry
    watching = asyncio.ensure_future(node.apps.watch(0))
    app = await other_process.add(draft("n" * 32))
    await until(lambda: app.key in node.registry.apps)
    assert list(node.registry.apps) == [KEY, OTHER, app.key]
    watching.cancel()


@in_loop
async def test_an_app_that_another_process_removes_is_gone_with_its_sockets(world: World) -> None:
    node = world.node()
    client, stays = Client(node, KEY, "A:1"), Client(node, OTHER, "A:1")
    watching = asyncio.ensure_future(node.apps.watch(0))
    await world.node().registry.remove(KEY)
    await until(lambda: client.closes)
    assert client.closes == [codes.APP_UNREGISTERED]
    assert list(node.registry.apps) == [OTHER]
    assert stays.closes == []
    watching.cancel()


@in_loop
async def test_the_watch_goes_on_when_the_registry_cannot_be_read_for_a_while(world: World) -> None:
    node = world.node()
    store = world.stores[0]
    store.broken = True
    client = Client(node, KEY, "A:1")
    with capture_logs() as logs:
        watching = asyncio.ensure_future(node.apps.watch(0))
        await until(lambda: logs)
        assert not watching.done()
        assert list(node.registry.apps) == [KEY, OTHER]
        await world.node().registry.remove(KEY)
        store.broken = False
        await until(lambda: client.closes)
    assert (logs[0]["event"], logs[0]["log_level"]) == ("registry_unreadable", "warning")
    watching.cancel()


@in_loop
async def test_the_registry_is_read_again_only_when_another_process_has_written(world: World) -> None:
    node = world.node()
    registry, store = node.registry, world.stores[0]
    await registry.add(draft("n" * 32))
    assert await registry.refresh() == []
    assert store.loads == 1
    await world.node().registry.remove(OTHER)
    assert await registry.refresh() == [OTHER]
    assert await registry.refresh() == []
    assert store.loads == 2
    assert list(registry.apps) == [KEY, "n" * 32]


def test_closing_the_registry_closes_the_store_behind_what_is_under_way(world: World) -> None:
    world.node()
    world.close()
    assert world.stores[0].closed


# Two nodes.


@in_loop
async def test_a_push_on_one_node_reaches_the_sockets_of_both_once(world: World) -> None:
    one, two = world.node(), world.node()
    clients = [Client(node, KEY, tag) for node in (one, two) for tag in ("A:1", "B:1")]
    stranger = Client(two, OTHER, "A:1")
    assert one.publish(text("all")) == 2
    assert two.publish(text("A", "^A")) == 1
    await turns()
    assert [client.texts for client in clients] == [["all", "A"], ["all"], ["all", "A"], ["all"]]
    assert stranger.texts == []


@in_loop
async def test_what_one_node_publishes_arrives_on_another_in_that_order(world: World) -> None:
    one, two = world.node(), world.node(fanout_slice=2)
    clients = [Client(two, KEY, "A:1") for _ in range(5)]
    for number in range(20):
        one.publish(text(str(number), None if number % 3 else "A"))
        await turns(number % 2)
    await until(lambda: all(len(client.texts) == 20 for client in clients))
    assert [client.texts for client in clients] == [[str(number) for number in range(20)]] * 5


@in_loop
async def test_unregistering_on_one_node_closes_the_sockets_of_the_other_and_keeps_new_ones_out(world: World) -> None:
    one, two = world.node(), world.node()
    client, stays = Client(two, KEY, "A:1"), Client(two, OTHER, "A:1")
    await later(one.perform(unregister()))
    await until(lambda: client.closes)
    assert client.closes == [codes.APP_UNREGISTERED]
    assert stays.closes == []
    assert Client(two, KEY, "A:1").closes == [codes.APP_UNREGISTERED]
    assert list(two.registry.apps) == [OTHER]


@in_loop
async def test_a_push_with_a_bad_pattern_is_not_told_to_other_nodes(world: World) -> None:
    bus = RecordingBus(has_peers=True)
    node = world.node(bus=bus)
    push(node, "x", "A(")
    assert bus.sent == []


class RecordingBus:
    """A bus whose other side is the test."""

    def __init__(self, *, has_peers: bool) -> None:
        self.has_peers = has_peers
        self.sent: list[bytes] = []
        self.receive: Callable[[bytes], None] = lambda envelope: None

    def send(self, envelope: bytes) -> None:
        """What the node tells the others."""
        self.sent.append(envelope)

    def attach(self, receive: Callable[[bytes], None]) -> None:
        """Where the node listens."""
        self.receive = receive


@in_loop
async def test_every_publication_that_is_sent_has_an_id_of_its_own(world: World) -> None:
    bus = RecordingBus(has_peers=True)
    node = world.node(bus=bus)
    for _ in range(3):
        node.publish(text("x", "A"))
    envelopes = [decode_envelope(data) for data in bus.sent]
    assert all(isinstance(envelope, Published) for envelope in envelopes)
    published = [envelope.publication for envelope in envelopes if isinstance(envelope, Published)]
    assert [(publication.app_key, publication.text, publication.pattern) for publication in published] == [
        (KEY, b"x", "A")
    ] * 3
    assert len({publication.id for publication in published} - {""}) == 3


@in_loop
async def test_a_node_alone_sends_nothing(world: World) -> None:
    bus = RecordingBus(has_peers=False)
    node = world.node(bus=bus)
    node.publish(text("x"))
    await later(node.perform(unregister()))
    assert bus.sent == []


@in_loop
async def test_envelopes_that_are_not_for_this_node_change_nothing(world: World) -> None:
    bus = RecordingBus(has_peers=True)
    node = world.node(bus=bus)
    client = Client(node, KEY, "A:1")
    node.publish(text("own"))
    [own] = bus.sent
    bus.receive(own)
    with capture_logs():
        for envelope in (
            b"",
            b"\xff\x00garbage",
            b"\x93\xa1p\x01",
            encode_envelope(Published(ENVELOPE_VERSION + 1, "elsewhere", text("of tomorrow"))),
            encode_envelope(Unregistered(ENVELOPE_VERSION + 1, "elsewhere", KEY)),
            encode_envelope(Published(ENVELOPE_VERSION, "elsewhere", text("unknown app", key="u" * 32))),
            encode_envelope(Unregistered(ENVELOPE_VERSION, "elsewhere", "u" * 32)),
            encode_envelope(Published(ENVELOPE_VERSION, "elsewhere", text("bad pattern", "A("))),
        ):
            bus.receive(envelope)
    bus.receive(encode_envelope(Published(ENVELOPE_VERSION, "elsewhere", text("another's"))))
    await turns(3)
    assert client.texts == ["own", "another's"]
    assert client.closes == []
    assert list(node.hub.crowds) == [KEY]
    assert list(node.registry.apps) == [KEY, OTHER]
    assert bus.sent == [own]
