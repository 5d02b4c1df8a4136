"""What a client brings to prove that its app's backend lets it: signatures over exact strings.

Source: Pusher Channels protocol, section 6. Nothing is serialised anew before it is checked.
"""

import hmac
from typing import Final

from pushery.core.apps import App
from pushery.dialects.pusher.mac import signature

_SHOWN: Final = 500
"""Characters of what a client has sent that an error repeats."""


class Unproved(Exception):
    """Why a proof is not accepted; the message is for the client. `status` is as in HTTP."""

    def __init__(self, message: str, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


def check_subscription(app: App, auth: str, socket_id: str, channel: str, channel_data: str | None) -> None:
    """`auth` is "KEY:signature" over the socket, the channel, and the data where there is any. Raises Unproved."""
    if not auth:
        raise Unproved(f"Auth info required to subscribe to {channel}")
    _check(app, auth, f"{socket_id}:{channel}" if channel_data is None else f"{socket_id}:{channel}:{channel_data}")


def check_sign_in(app: App, auth: str, socket_id: str, user_data: str) -> None:
    """`auth` is "KEY:signature" over the socket and the user's data. Raises Unproved."""
    if not auth:
        raise Unproved("Auth info required to sign in")
    _check(app, auth, f"{socket_id}::user::{user_data}")


def _check(app: App, auth: str, signed: str) -> None:
    key, _, sent = auth.partition(":")
    secret = app.secret_of(key)
    if secret is None:
        raise Unproved(f"Invalid key in subscription auth data: '{key[:64]}'")
    expected = signature(secret, signed.encode("utf-8", "surrogatepass"))
    if not hmac.compare_digest(expected.encode(), sent.encode("utf-8", "surrogatepass")):
        shown, got = signed[:_SHOWN], sent[:_SHOWN]
        raise Unproved(f"Invalid signature: Expected HMAC SHA256 hex digest of {shown}, but got {got}")
