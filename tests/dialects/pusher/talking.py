"""What a client says on one connection, signed by its backend, and what it reads in the answer."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from pushery.core.apps import Directory
from pushery.core.appsettings import AppSettings
from pushery.core.effects import Send, SocketEffect
from pushery.dialects.pusher.session import PusherSession
from tests.dialects.pusher.backend import KEY, SECRET, an_app

SOCKET = "1234.1234"

TOO_DEEP = 100_000
"""How deep JSON is nested that no Python reads; 3.13 reads more than 5,000 levels."""


def a_session(**settings: Any) -> PusherSession:
    """A connection to an app that allows everything, but for these settings."""
    allowed = {"client_events": True, "user_authentication": True, "watchlist": True, **settings}
    app = an_app(settings=AppSettings(**allowed))
    return PusherSession(Directory([app]), app, SOCKET, activity_timeout_s=120, message_limit=1 << 16)


def signed(text: str) -> str:
    """What the backend says to a text, by the book."""
    return f"{KEY}:{hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def subscribe(channel: str, channel_data: str | None = None, /, **changes: object) -> str:
    """A subscription that the backend allows."""
    text = f"{SOCKET}:{channel}" if channel_data is None else f"{SOCKET}:{channel}:{channel_data}"
    data: dict[str, object] = {"auth": signed(text), "channel": channel}
    if channel_data is not None:
        data["channel_data"] = channel_data
    return json.dumps({"event": "pusher:subscribe", "data": data | changes})


def sign_in(user_data: str, **changes: object) -> str:
    """A sign-in that the backend allows."""
    data = {"auth": signed(f"{SOCKET}::user::{user_data}"), "user_data": user_data}
    return json.dumps({"event": "pusher:signin", "data": data | changes})


def texts(effects: Sequence[SocketEffect]) -> list[Any]:
    """What is sent, decoded."""
    sent = [effect for effect in effects if isinstance(effect, Send)]
    assert list(effects) == sent, "nothing but answers"
    return [json.loads(effect.text) for effect in sent]


def error(effects: Sequence[SocketEffect]) -> tuple[int | None, str]:
    """The code and the message of the error that answers."""
    first = texts(effects)[0]
    assert first["event"] == "pusher:error"
    return first["data"]["code"], first["data"]["message"]


def refused(effects: Sequence[SocketEffect]) -> tuple[str, str, int]:
    """Why a subscription is refused, as the channel is told: its type, the message, the status."""
    (code, message), [_, notice] = error(effects), texts(effects)
    assert code is None
    assert notice["event"] == "pusher:subscription_error"
    data = json.loads(notice["data"])
    assert data["error"] == message
    return data["type"], message, data["status"]
