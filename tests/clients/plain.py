"""A socket that speaks the Pusher protocol by hand, to see what a server library's requests lead to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.clients.site import Account
from tests.support.server import DEADLINE_S


class PlainSocket:
    """One connection; `id` is its socket id."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.id: str = self.data("pusher:connection_established")["socket_id"]

    def send(self, event: str, data: dict[str, Any]) -> None:
        """Send one event."""
        self._connection.send(json.dumps({"event": event, "data": data}))

    def subscribe(self, channel: str, signed: dict[str, Any] | None = None) -> None:
        """Subscribe with what `authenticate` of a library returned, and wait until it has succeeded."""
        proof = {name: value for name, value in (signed or {}).items() if name in ("auth", "channel_data")}
        self.send("pusher:subscribe", {"channel": channel, **proof})
        self.frame("pusher_internal:subscription_succeeded")

    def frame(self, event: str) -> dict[str, Any]:
        """The next frame with this event; others before it are passed over."""
        while True:
            frame: dict[str, Any] = json.loads(self._connection.recv(DEADLINE_S))
            if frame["event"] == event:
                return frame
            assert frame["event"] != "pusher:error", frame

    def data(self, event: str) -> Any:
        """The decoded data of the next frame with this event."""
        return json.loads(self.frame(event)["data"])

    def next(self) -> tuple[str, str, Any]:
        """Channel, event and decoded data of the very next frame that is not about counts."""
        while True:
            frame = json.loads(self._connection.recv(DEADLINE_S))
            if "subscription_count" not in frame["event"]:
                return frame["channel"], frame["event"], json.loads(frame["data"])


@contextmanager
def plain_socket(port: int, account: Account) -> Iterator[PlainSocket]:
    """A connection until the block ends."""
    with connect(f"ws://127.0.0.1:{port}/app/{account.key}?protocol=7", open_timeout=DEADLINE_S) as connection:
        yield PlainSocket(connection)
