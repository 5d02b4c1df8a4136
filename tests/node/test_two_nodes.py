"""Two nodes on one bus: what one is asked for happens on both, once."""

from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.core.publications import (
    ENVELOPE_VERSION,
    Published,
    Unregistered,
    decode_envelope,
    encode_envelope,
)
from tests.node.asking import KEY, OTHER, later, push, text, unregister
from tests.node.fakes import Client, World, in_loop, turns, until


@pytest.fixture
def world() -> Iterator[World]:
    """Two apps, and nobody online."""
    world = World(KEY, OTHER)
    yield world
    world.close()


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
