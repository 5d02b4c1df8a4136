"""Whoever watches an app sees what happens in it, and nothing of other apps."""

from collections.abc import Iterator

import pytest

from pushery.core import codes
from pushery.core.effects import Disconnect, JoinTag, Publish
from pushery.core.exchange import Reply
from pushery.core.publications import Publication
from pushery.core.witness import Sighting
from pushery.node.peers import name_of
from tests.node.fakes import Client, World, in_loop
from tests.node.talkers import KEY, Talker, a_world, publish

OTHER = "o" * 32


class Notes:
    """A witness that writes everything down."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []

    def saw(self, sighting: Sighting) -> None:
        """As the port says."""
        self.sightings.append(sighting)

    def news(self) -> list[Sighting]:
        """What was seen since the last call."""
        seen, self.sightings = self.sightings, []
        return seen


@pytest.fixture
def world() -> Iterator[World]:
    world = a_world(client_events=True, user_authentication=True)
    yield world
    world.close()


def push(content: str, pattern: str | None = None, key: str = KEY) -> Publish:
    def answer(what: object) -> Reply:
        return Reply(200)

    return Publish(Publication(key, content.encode(), pattern), answer, answer, answer)


@in_loop
async def test_sockets_with_tags_are_seen_coming_and_going_and_so_are_pushes() -> None:
    world = World(KEY, OTHER)
    node, notes = world.node(), Notes()
    node.hub.watch(KEY, notes)
    joe = Client(node, KEY, "joe")
    Client(node, OTHER, "joe")
    node.perform(push("hello", "^joe$"))
    node.perform(push("elsewhere", key=OTHER))
    joe.close(codes.SLOW_CLIENT)
    ann = Client(node, KEY, "ann")
    node.leave(ann)
    assert notes.news() == [
        Sighting(kind="connected", tag="joe"),
        Sighting(kind="push", pattern="^joe$", data=b"hello", receivers=1),
        Sighting(kind="closed", tag="joe", reason="4101 too slow: outbox full"),
        Sighting(kind="connected", tag="ann"),
        Sighting(kind="disconnected", tag="ann"),
    ]
    world.close()


@in_loop
async def test_what_happens_on_channels_is_seen_in_order(world: World) -> None:
    node, notes = world.node(), Notes()
    node.hub.watch(KEY, notes)
    ann = Talker(node, "1.1")
    ann.subscribe("presence-room", "ann")
    ann.tell("client-typing", {"on": True}, channel="presence-room")
    publish(node, "news", "x", "presence-room", "nobody-there")
    ann.unsubscribe("presence-room")
    ann.sign_in("ann")
    ann.vanish()
    assert notes.news() == [
        Sighting(kind="connected", socket="1.1"),
        Sighting(kind="subscribed", socket="1.1", channels=("presence-room",), user="ann"),
        Sighting(
            kind="client_event", socket="1.1", channels=("presence-room",), event="client-typing", data='{"on":true}'
        ),
        Sighting(kind="event", channels=("presence-room", "nobody-there"), event="news", data="x", receivers=1),
        Sighting(kind="unsubscribed", socket="1.1", channels=("presence-room",), user="ann"),
        Sighting(kind="signed_in", socket="1.1", user="ann"),
        Sighting(kind="disconnected", socket="1.1", user="ann"),
    ]


@in_loop
async def test_what_is_refused_is_seen_with_the_reason(world: World) -> None:
    node, notes = world.node(), Notes()
    ann = Talker(node, "1.1")
    node.hub.watch(KEY, notes)
    ann.tell("pusher:subscribe", {"channel": "private-x", "auth": "k:wrong"})
    ann.subscribe("room")
    ann.subscribe("room")
    node.refused(f"/api/push/{KEY}", Reply(400, code="invalid_pattern"))
    node.refused(f"/api/push/{OTHER}", Reply(400, code="invalid_pattern"))
    node.refused("/apps/1/events", Reply(401, code="invalid_signature"))
    wrong, subscribed, twice, pushed, signed = notes.news()
    assert (wrong.kind, wrong.socket) == ("refused", "1.1")
    assert wrong.reason
    assert subscribed.kind == "subscribed"
    assert (twice.kind, twice.socket) == ("refused", "1.1")
    assert "Existing subscription" in twice.reason
    assert pushed == Sighting(kind="refused", reason="400 invalid_pattern")
    assert signed == Sighting(kind="refused", reason="401 invalid_signature")


@in_loop
async def test_nothing_more_is_seen_by_who_has_stopped_watching(world: World) -> None:
    node, notes = world.node(), Notes()
    node.hub.watch(KEY, notes)
    node.hub.unwatch(KEY)
    Talker(node, "1.1").subscribe("room")
    node.perform(push("hello"))
    node.refused(f"/api/push/{KEY}", Reply(400, code="invalid_pattern"))
    assert notes.news() == []
    assert not node.hub.watched


@in_loop
async def test_an_app_that_goes_is_watched_no_more(world: World) -> None:
    node = world.node()
    node.hub.watch(KEY, Notes())
    node.hub.drop(KEY)
    assert not node.hub.watched
    assert node.hub.look(KEY).witness is None


@in_loop
async def test_one_socket_is_disconnected_by_its_name_whichever_dialect_it_speaks(world: World) -> None:
    node = world.node()
    ann, ben = Talker(node, "1.1"), Talker(node, "1.2")
    joe, kim = Client(node, KEY, "same"), Client(node, KEY, "same")

    def disconnect(name: str) -> object:
        return node.perform(Disconnect(KEY, name, lambda was_there: Reply(200, str(was_there).encode())))

    assert disconnect("1.1") == Reply(200, b"True")
    assert disconnect("1.1") == Reply(200, b"False")
    assert disconnect(name_of(joe)) == Reply(200, b"True")
    assert disconnect("tag-0") == Reply(200, b"False")
    assert [peer.closes for peer in (ann, ben)] == [[codes.TERMINATED], []]
    assert [peer.closes for peer in (joe, kim)] == [[codes.TERMINATED], []]


@in_loop
async def test_the_servers_own_app_is_nobodys_to_find(world: World) -> None:
    node = world.node()
    directory = node.registry.directory
    own = directory.apps[KEY]
    directory.drop(KEY)
    directory.put_own(own)
    assert (KEY in directory.all, KEY in directory.apps, KEY in directory.by_key) == (True, False, False)
    client = Client(node, KEY, "joe")
    assert client.closes == []
    node.apply(client, [JoinTag(OTHER, "joe")])
    assert client.closes == [codes.APP_UNREGISTERED]
