"""laravel-echo with pusher-js in Node, under both names it has for this protocol."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients.driver import Record, Scene
from tests.clients.site import Stage

pytestmark = pytest.mark.process

_numbers = itertools.count(1)


@dataclass
class Echo:
    """One Echo in the scene."""

    scene: Scene
    name: str

    def do(self, action: str, **words: Any) -> Any:
        """One call of the library."""
        return self.scene.perform(action, client=self.name, **words)

    def hear(self, **wanted: Any) -> Record:
        """Wait for the first thing it said with these members."""
        return self.scene.hear(client=self.name, **wanted)

    def open(self, kind: str, channel: str) -> None:
        """Open a channel and wait until the subscription has succeeded."""
        self.do("open", kind=kind, channel=channel)
        self.hear(channel=channel, event="subscribed")


class Laravel:
    """Echoes of one broadcaster, as a Laravel application configures them."""

    def __init__(self, stage: Stage, scene: Scene, broadcaster: str) -> None:
        self.stage = stage
        self.scene = scene
        self.broadcaster = broadcaster
        self.backend = stage.backend(stage.rich)
        self.echoes: list[Echo] = []

    def name(self, prefix: str) -> str:
        """A channel nobody else has."""
        return f"{prefix}.{next(_numbers)}"

    def echo(self, **params: Any) -> Echo:
        """An Echo that is connected; `params` go to the website."""
        account = self.stage.rich
        options = self.stage.options(account, **params) | {"broadcaster": self.broadcaster, "key": account.key}
        echo = Echo(self.scene, f"{self.broadcaster} {next(_numbers)}")
        echo.do("connect", options=options)
        echo.hear(event="connected")
        self.echoes.append(echo)
        return echo


@pytest.fixture(params=["pusher", "reverb"])
def laravel(echoes: Scene, set_stage: Stage, request: pytest.FixtureRequest) -> Iterator[Laravel]:
    laravel = Laravel(set_stage, echoes, request.param)
    yield laravel
    for echo in laravel.echoes:
        echo.do("disconnect")


def test_events_of_laravel_arrive_under_their_class_names(laravel: Laravel) -> None:
    echo, channel = laravel.echo(), laravel.name("orders")
    echo.open("public", channel)
    echo.do("listen", channel=channel, event="OrderShipped")
    echo.do("listen", channel=channel, event=".order.named")
    laravel.backend.trigger(channel, "App\\Events\\OrderShipped", {"order": {"id": 1}})
    laravel.backend.trigger(channel, "order.named", {"order": {"id": 2}})
    assert echo.hear(channel=channel, event="OrderShipped")["data"] == {"order": {"id": 1}}
    assert echo.hear(channel=channel, event=".order.named")["data"] == {"order": {"id": 2}}


def test_broadcasting_to_others_leaves_the_sender_out(laravel: Laravel) -> None:
    sender, other, channel = laravel.echo(), laravel.echo(), laravel.name("others")
    for echo in (sender, other):
        echo.open("public", channel)
        echo.do("listen", channel=channel, event=".news")
        echo.do("listen", channel=channel, event=".end")
    laravel.backend.trigger(channel, "news", {"n": 1}, sender.do("socketId"))
    laravel.backend.trigger(channel, "end", {})
    assert other.hear(channel=channel, event=".news")["data"] == {"n": 1}
    sender.hear(channel=channel, event=".end")
    assert sender.scene.heard(client=sender.name, event=".news") == []


def test_a_private_channel_takes_events_whispers_and_notifications(laravel: Laravel) -> None:
    first, second, channel = laravel.echo(), laravel.echo(), laravel.name("App.Models.User")
    for echo in (first, second):
        echo.open("private", channel)
        echo.do("listenForWhisper", channel=channel, event="typing")
    first.do("whisper", channel=channel, event="typing", data={"name": "Anna"})
    assert second.hear(channel=channel, event="whispered typing")["data"] == {"name": "Anna"}
    notified = "Illuminate\\Notifications\\Events\\BroadcastNotificationCreated"
    laravel.backend.trigger(f"private-{channel}", notified, {"id": "n1", "type": "App\\Notifications\\Paid"})
    assert first.hear(channel=channel, event="notification")["data"]["type"] == "App\\Notifications\\Paid"
    assert first.scene.heard(client=first.name, event="whispered typing") == []


def test_a_refused_channel_calls_the_error_callback(laravel: Laravel) -> None:
    for params, status in (({"tamper": 1}, 401), ({"deny": 1}, 403)):
        echo, channel = laravel.echo(**params), laravel.name("closed")
        echo.do("open", kind="private", channel=channel)
        error = echo.hear(channel=channel, event="error")["data"]
        assert (error["type"], error["status"]) == ("AuthError", status)


def test_a_joined_channel_tells_who_is_here_joins_and_leaves(laravel: Laravel) -> None:
    channel = laravel.name("chat")
    first = laravel.echo(user={"user_id": 1, "user_info": {"id": 1, "name": "Anna"}})
    second = laravel.echo(user={"user_id": 2, "user_info": {"id": 2, "name": "Bert"}})
    first.do("open", kind="presence", channel=channel)
    assert first.hear(channel=channel, event="here")["data"] == [{"id": 1, "name": "Anna"}]
    second.do("open", kind="presence", channel=channel)
    here = second.hear(channel=channel, event="here")["data"]
    assert sorted(member["name"] for member in here) == ["Anna", "Bert"]
    assert first.hear(channel=channel, event="joining")["data"] == {"id": 2, "name": "Bert"}
    first.do("listenForWhisper", channel=channel, event="wave")
    second.do("whisper", channel=channel, event="wave", data={"high": True})
    assert first.hear(channel=channel, event="whispered wave")["data"] == {"high": True}
    second.do("leave", channel=channel)
    assert first.hear(channel=channel, event="leaving")["data"] == {"id": 2, "name": "Bert"}


def test_an_encrypted_channel_is_readable_at_its_end(laravel: Laravel) -> None:
    echo, channel = laravel.echo(), laravel.name("vault")
    echo.open("encrypted", channel)
    echo.do("listen", channel=channel, event=".secret")
    laravel.backend.trigger(f"private-encrypted-{channel}", "secret", {"n": 7})
    assert echo.hear(channel=channel, event=".secret")["data"] == {"n": 7}
