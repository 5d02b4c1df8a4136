"""An app of a test server, with all that a program under test wants to be told of it."""

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TestingApp:
    """A registered app. `auth` is the account and password of its own administrator, for GoPusher's routes."""

    __test__ = False  # it is nothing for pytest to collect

    name: str
    id: str
    key: str
    secret: str
    auth: tuple[str, str]
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where the server is, "http://127.0.0.1:41893"."""
        return f"http://{self.host}:{self.port}"

    def sign(self, socket_id: str, channel: str, channel_data: str = "") -> str:
        """What a client proves with that it may subscribe: the `auth` of Pusher's protocol."""
        signed = ":".join((socket_id, channel, channel_data) if channel_data else (socket_id, channel))
        return f"{self.key}:{hmac.new(self.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()}"
