"""What a client says to get in and a backend to push, in each dialect. Only makes bytes."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from pushery.cli.signed import signed_path
from pushery.cli.target import basic
from pushery.core.apps import App


class Dialect(Protocol):
    """One of the two."""

    def path(self, number: int) -> str:
        """Where the client with this number connects."""

    def hello(self) -> bytes | None:
        """What a client says once it is greeted; None when it is in with the handshake."""

    def is_in(self, message: bytes) -> bool:
        """Whether this message says that the client is in."""

    def push(self, text: bytes, unix_s: int) -> tuple[str, bytes, dict[str, str]]:
        """Path, body and headers of the POST that pushes `text`."""


@dataclass(frozen=True, slots=True)
class Tags:
    """GoPusher: each client has a tag of this run, and a pattern means them all and nobody else."""

    app: App
    auth: str
    run: str

    def path(self, number: int) -> str:
        """A tag for each."""
        return f"/ws/{self.app.key}/pushery-bench-{self.run}-{number}"

    def hello(self) -> bytes | None:
        """It is in already."""
        return None

    def is_in(self, message: bytes) -> bool:
        """No message says so."""
        return False

    def push(self, text: bytes, unix_s: int) -> tuple[str, bytes, dict[str, str]]:
        """A form, as most backends send it."""
        body = urlencode({"content": text, "user_tag": f"^pushery-bench-{self.run}-"}).encode()
        headers = {**basic(self.auth), "Content-Type": "application/x-www-form-urlencoded"}
        return f"/api/push/{self.app.key}", body, headers


@dataclass(frozen=True, slots=True)
class Channels:
    """Pusher Channels: all clients subscribe to one public channel of this run."""

    app: App
    run: str

    @property
    def channel(self) -> str:
        """The channel's name."""
        return f"pushery-bench-{self.run}"

    def path(self, number: int) -> str:
        """The same for all."""
        return f"/app/{self.app.key}?protocol=7&client=pushery-bench&version=1"

    def hello(self) -> bytes | None:
        """The subscription, which needs no socket id on a public channel."""
        return msgspec.json.encode({"event": "pusher:subscribe", "data": {"channel": self.channel}})

    def is_in(self, message: bytes) -> bool:
        """The answer to it."""
        return b"pusher_internal:subscription_succeeded" in message

    def push(self, text: bytes, unix_s: int) -> tuple[str, bytes, dict[str, str]]:
        """A signed event."""
        body = msgspec.json.encode({"name": "bench", "channel": self.channel, "data": text.decode()})
        key = self.app.keys[0]
        path = signed_path("POST", f"/apps/{self.app.id}/events", body, key=key.key, secret=key.secret, unix_s=unix_s)
        return path, body, {"Content-Type": "application/json"}
