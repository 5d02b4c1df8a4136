"""What clients conclude from what they see."""

import json

import pytest

from soak.channelclients import ChannelClient
from soak.clients import TagClient
from soak.model import Ledger, Publication
from soak.transports import Address
from soak.world import App, World


@pytest.fixture
def world() -> World:
    return World(Address("127.0.0.1", 0), 1)


@pytest.fixture
def app(world: World) -> App:
    ledger = Ledger("shop", world.clock, world.publications)
    return App("shop", "key", "1", "secret", ("a", "b"), True, True, ledger, first_key="key")


def published(world: World, app: App, channel: str = "") -> Publication:
    number = world.publication_id()
    publication = Publication(number, world.clock.tick(), None, "event", f"{number} hello", lambda member: True)
    app.ledger.publish(publication, [app.ledger.channel(channel) if channel else app.ledger.tagged])
    app.ledger.answered(publication, None, TagClient(world, app, "nobody", "none"))
    return publication


def tell(client: ChannelClient, event: str, channel: str, data: object) -> None:
    text = data if isinstance(data, str) else json.dumps(data)
    client.on_text(json.dumps({"event": event, "channel": channel, "data": text}).encode())


def subscribed(client: ChannelClient, channel: str, data: object = ()) -> None:
    client.on_text(b'{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"1.2\\"}"}')
    client.subscribe(channel)
    tell(client, "pusher_internal:subscription_succeeded", channel, data or {})


def test_a_push_is_missed_once_a_pong_has_come_to_a_ping_behind_a_pong(world: World, app: App) -> None:
    client = TagClient(world, app, "ann", "A:1")
    client.on_open()
    published(world, app)
    client.ping()
    client.ping()  # both may be read in the turn in which the push was answered, and before it is written
    client.on_pong()
    client.on_pong()
    assert world.violation == ""
    client.ping()
    client.on_pong()
    assert "never got #1" in world.violation
    assert any("BROKEN" in line for line in world.story)


def test_a_push_that_was_changed_on_its_way_is_found(world: World, app: App) -> None:
    client = TagClient(world, app, "ann", "A:1")
    client.on_open()
    published(world, app)
    client.on_text(b"1 hullo")
    assert "mutilated" in world.violation


def test_a_close_that_nobody_has_provoked_is_found(world: World, app: App) -> None:
    client = TagClient(world, app, "ann", "A:1")
    client.on_open()
    client.on_close(1011, "internal error")
    assert "closed with 1011" in world.violation


def test_a_close_that_was_to_come_is_fine(world: World, app: App) -> None:
    client = TagClient(world, app, "ann", "A:1")
    client.on_open()
    client.doom(4001)
    client.on_close(4001, "app unregistered")
    assert world.violation == ""


def test_events_before_the_subscription_are_found(world: World, app: App) -> None:
    client = ChannelClient(world, app, "ann", "u1")
    subscribed(client, "other")
    client.subscribe("room")
    publication = published(world, app, "room")
    tell(client, "soak", "room", publication.content)
    assert "without being subscribed" in world.violation


def test_events_behind_an_unsubscription_are_found_once_it_has_been_read(world: World, app: App) -> None:
    client = ChannelClient(world, app, "ann", "u1")
    subscribed(client, "room")
    client.unsubscribe("room")
    client.on_pong()
    publication = published(world, app, "room")
    tell(client, "soak", "room", publication.content)
    assert "without being subscribed" in world.violation


@pytest.mark.parametrize(
    ("event", "user_id", "complaint"),
    [
        ("pusher_internal:member_added", "u1", "told twice"),
        ("pusher_internal:member_removed", "u9", "was not there"),
    ],
)
def test_presence_that_does_not_add_up_is_found(
    world: World, app: App, event: str, user_id: str, complaint: str
) -> None:
    client = ChannelClient(world, app, "ann", "u1")
    subscribed(client, "presence-a", {"presence": {"ids": ["u1"], "hash": {}, "count": 1}})
    tell(client, event, "presence-a", {"user_id": user_id})
    assert complaint in world.violation


def test_an_error_that_nobody_has_provoked_is_found(world: World, app: App) -> None:
    client = ChannelClient(world, app, "ann", "u1")
    subscribed(client, "room")
    client.on_text(b'{"event":"pusher:error","data":{"code":null,"message":"Existing subscription to channel room"}}')
    assert "has not provoked" in world.violation


def test_an_error_that_was_provoked_has_to_come(world: World, app: App) -> None:
    client = ChannelClient(world, app, "ann", "u1")
    subscribed(client, "room")
    client.misbehave(0)
    client.on_pong()
    assert "never told 'Existing subscription'" in world.violation
