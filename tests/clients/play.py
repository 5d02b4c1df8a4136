"""Actors for scenarios: pusher-js clients by name, on a stage, over one transport."""

import itertools
from dataclasses import dataclass
from typing import Any, Self

from tests.clients.driver import Record, Scene
from tests.clients.site import Account, Stage

TRANSPORTS = ("ws", "xhr_streaming", "xhr_polling")
SUCCEEDED = "pusher:subscription_succeeded"


@dataclass(frozen=True)
class Client:
    """One pusher-js in the scene."""

    scene: Scene
    name: str

    def do(self, action: str, **words: Any) -> Any:
        """One call of the library."""
        return self.scene.perform(action, client=self.name, **words)

    def hear(self, **wanted: Any) -> Record:
        """Wait for the first thing it said with these members."""
        return self.scene.hear(client=self.name, **wanted)

    def heard(self, **wanted: Any) -> list[Record]:
        """What it has said with these members that nobody asked for."""
        return self.scene.heard(client=self.name, **wanted)

    def subscribe(self, channel: str, *bind: str) -> Record:
        """Subscribe, and wait until it has succeeded."""
        self.do("subscribe", channel=channel, bind=list(bind))
        return self.hear(channel=channel, event=SUCCEEDED)

    def event(self, channel: str, event: str) -> Any:
        """Wait for an event on a channel; its data."""
        return self.hear(**{"from": "channel"}, channel=channel, event=event)["data"]

    @property
    def socket_id(self) -> str:
        """Of the present connection."""
        found: str = self.do("state")["socket_id"]
        return found


class Play:
    """A scene on a stage over one transport. A context manager: leaving it disconnects its clients."""

    _numbers = itertools.count(1)

    def __init__(self, stage: Stage, scene: Scene, transport: str) -> None:
        self.stage = stage
        self.scene = scene
        self.transport = transport
        self.clients: list[Client] = []
        self.backend = stage.backend(stage.rich)

    def name(self, prefix: str) -> str:
        """A channel or user that no other scenario has."""
        return f"{prefix}{self.transport}-{next(self._numbers)}"

    def client(self, account: Account | None = None, more: Record | None = None, **params: Any) -> Client:
        """A client that is connecting; `more` are options of pusher-js, `params` go to the website."""
        account = account or self.stage.rich
        client = Client(self.scene, self.name("client-"))
        options = self.stage.options(account, self.transport, **params) | (more or {})
        client.do("connect", key=account.key, options=options)
        self.clients.append(client)
        return client

    def connected(self, account: Account | None = None, more: Record | None = None, **params: Any) -> Client:
        """A client that is connected."""
        client = self.client(account, more, **params)
        client.hear(event="connected")
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for client in self.clients:
            client.do("disconnect")
