"""Pysher, a client that speaks version 6 of the protocol and pings before it is let in."""

import json
import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pysher
import pytest

from tests.clients.site import Stage
from tests.support.server import DEADLINE_S, wait_until

pytestmark = pytest.mark.process

ESTABLISHED = "pusher:connection_established"
SUCCEEDED = "pusher_internal:subscription_succeeded"


class Listener:
    """A Pysher whose callbacks put everything into one queue.

    It subscribes as soon as it is connected, in Pysher's own thread: from another one, what the server answers could be
    there before Pysher knows the channel.
    """

    def __init__(self, client: Any, channels: Mapping[str, Sequence[str]]) -> None:
        self.client = client
        self._channels = channels
        self._said: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        client.connection.bind(ESTABLISHED, self._subscribe)
        for event in (ESTABLISHED, "pusher:pong", "pusher:error"):
            client.connection.bind(event, self._heard, "", event)

    def _subscribe(self, _: Any) -> None:
        for channel, events in self._channels.items():
            subscription = self.client.subscribe(channel)
            for event in (SUCCEEDED, *events):
                subscription.bind(event, self._heard, channel, event)

    def _heard(self, data: Any, channel: str, event: str) -> None:
        self._said.put((channel, event, json.loads(data) if isinstance(data, str) and data else data))

    def hear(self, event: str, channel: str = "") -> Any:
        """Wait for an event, passing over the others; its data."""
        while True:
            *heard, data = self._said.get(timeout=DEADLINE_S)
            if heard == [channel, event]:
                return data


@contextmanager
def listener(stage: Stage, channels: Mapping[str, Sequence[str]], **options: Any) -> Iterator[Listener]:
    """A client that is connected and subscribed, until the block ends."""
    client = pysher.Pusher(
        stage.rich.key,
        secret=stage.rich.secret,
        secure=False,
        custom_host="127.0.0.1",
        port=stage.server.port,
        reconnect_interval=0.1,
        **options,
    )
    listening = Listener(client, channels)
    client.connect()
    try:
        yield listening
    finally:
        client.disconnect(timeout=0)  # its thread may wait for some minutes more, but is a daemon


def test_its_early_ping_is_answered(set_stage: Stage) -> None:
    with listener(set_stage, {}) as client:
        client.hear("pusher:pong")
        wait_until(lambda: client.client.connection.state == "connected", "Pysher to be connected")


def test_it_hears_public_private_and_presence_channels(set_stage: Stage) -> None:
    backend = set_stage.backend(set_stage.rich)
    user = {"user_id": 7, "user_info": {"name": "Anna"}}
    channels = ("pysher", "private-pysher", "presence-pysher")
    with listener(set_stage, dict.fromkeys(channels, ("news",)), user_data=user) as client:
        told = [client.hear(SUCCEEDED, channel) for channel in channels]
        assert told == [{}, {}, {"presence": {"ids": [7], "hash": {"7": {"name": "Anna"}}, "count": 1}}]
        for channel in channels:
            backend.trigger(channel, "news", {"from": channel})
            assert client.hear("news", channel) == {"from": channel}


def test_it_sends_and_hears_client_events(set_stage: Stage) -> None:
    channel = "private-pysher-talk"
    wanted = {channel: ["client-typing"]}
    with listener(set_stage, wanted) as first, listener(set_stage, wanted) as second:
        for client in (first, second):
            client.hear(SUCCEEDED, channel)
        first.client.channel(channel).trigger("client-typing", {"on": True})
        assert second.hear("client-typing", channel) == {"on": True}


def test_it_hears_members_come_and_go(set_stage: Stage) -> None:
    channel, added, removed = "presence-pysher-room", "pusher_internal:member_added", "pusher_internal:member_removed"
    with listener(set_stage, {channel: [added, removed]}, user_data={"user_id": "a"}) as first:
        first.hear(SUCCEEDED, channel)
        with listener(set_stage, {channel: []}, user_data={"user_id": "b", "user_info": {"n": 1}}):
            assert first.hear(added, channel) == {"user_id": "b", "user_info": {"n": 1}}
        assert first.hear(removed, channel) == {"user_id": "b"}


def test_it_understands_errors_and_stays(set_stage: Stage) -> None:
    with listener(set_stage, {"pysher-stays": ["news"]}) as client:
        client.hear(SUCCEEDED, "pysher-stays")
        client.client.subscribe("private-pysher-forged", auth="not:right")
        error = client.hear("pusher:error")
        assert error["code"] is None
        assert isinstance(error["message"], str)
        set_stage.backend(set_stage.rich).trigger("pysher-stays", "news", 1)
        assert client.hear("news", "pysher-stays") == 1


def test_an_unknown_key_makes_it_give_up(set_stage: Stage) -> None:
    client = pysher.Pusher("0" * 32, secure=False, custom_host="127.0.0.1", port=set_stage.server.port)
    listening = Listener(client, {})
    client.connect()
    assert listening.hear("pusher:error")["code"] == 4001
    client.connection.join(DEADLINE_S)
    assert not client.connection.is_alive()


def test_it_comes_back_when_the_server_does(own_stage: Stage) -> None:
    server, channel = own_stage.server, "private-pysher-again"
    with listener(own_stage, {channel: ["news"]}) as client:
        client.hear(SUCCEEDED, channel)
        server.settings["listen"] = f"127.0.0.1:{server.port}"
        assert server.stop() == 0
        server.start()
        client.hear(ESTABLISHED)
        client.hear(SUCCEEDED, channel)
        own_stage.backend(own_stage.rich).trigger(channel, "news", {"n": 1})
        assert client.hear("news", channel) == {"n": 1}
