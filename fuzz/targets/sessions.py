"""Both dialects' sessions: whatever a client says, only known effects come of it, and every text of theirs is JSON."""

import hashlib
import hmac
import json
from typing import Final

from pushery.core.apps import App, Directory
from pushery.core.appsettings import AppSettings
from pushery.core.channelnames import MAX_CHANNEL_NAME, is_channel_name, kind_of
from pushery.core.codes import CLOSES
from pushery.core.effects import CloseSocket, Relay, Send, SignIn, SocketEffect, Subscribe, Unsubscribe
from pushery.dialects.gopusher.session import GoPusherSession
from pushery.dialects.pusher.session import MAX_WATCHLIST, PusherSession

_SOCKET: Final = "12.34"
_APP: Final = App(
    key="key",
    secret="secret",
    name="app",
    auth_account="a",
    auth_password="p",
    request_ip="127.0.0.1:1",
    registered_ms=0,
    id="1",
    settings=AppSettings(client_events=True, user_authentication=True, watchlist=True),
)
_BETWEEN: Final = b"\x1e"
"""Stands between two messages: a control character, which no JSON text holds."""


def _event(name: str, data: object, **more: object) -> bytes:
    return json.dumps({"event": name, "data": data, **more}).encode()


def _signed(text: str) -> str:
    return "key:" + hmac.new(b"secret", text.encode(), hashlib.sha256).hexdigest()


_MEMBER: Final = '{"user_id":"7","user_info":{"name":"x"}}'
_USER: Final = '{"id":"7","watchlist":["8","9"]}'
_SIGN_IN: Final = _event("pusher:signin", {"auth": _signed(f"{_SOCKET}::user::{_USER}"), "user_data": _USER})
SEEDS: Final = [
    _event("pusher:ping", {}) + _BETWEEN + _event("pusher:pong", None),
    _event("pusher:subscribe", {"channel": "news"}) + _BETWEEN + _event("pusher:unsubscribe", '{"channel":"news"}'),
    _event("pusher:subscribe", {"channel": "private-a", "auth": _signed(f"{_SOCKET}:private-a")}),
    _event(
        "pusher:subscribe",
        {"channel": "presence-a", "channel_data": _MEMBER, "auth": _signed(f"{_SOCKET}:presence-a:{_MEMBER}")},
    ),
    _event("pusher:subscribe", {"channel": "private-encrypted-cache-a", "auth": "key:no"}),
    _SIGN_IN + _BETWEEN + _event("pusher:subscribe", {"channel": "#server-to-user-7"}),
    _event("client-x", {"a": [1, 2.5, None]}, channel="private-a"),
    _event("client-x", "text", channel="presence-a") + _BETWEEN + _event("client-y", 1, channel="news"),
    _event("pusher:what", {}) + _BETWEEN + b"{" * 50 + _BETWEEN + b"[" * 3000,
    b'{"event":"client-x","channel":"private-a","data":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"event":"pusher:subscribe","data":"{\\"channel\\":\\"a\\u0000\\"}"}' + _BETWEEN + b"\xff\xfe",
    b'{"event":"pusher:subscribe","data":{"channel":"presence-a","channel_data":"{\\"user_id\\":1e400}","auth":"key:x"}}',
]


def target(data: bytes) -> None:
    """What is not UTF-8 comes as a binary message."""
    directory = Directory([_APP])
    pusher = PusherSession(directory, _APP, _SOCKET, activity_timeout_s=120, message_limit=1 << 16)
    gopusher = GoPusherSession("key", "tag", 512)
    for part in data.split(_BETWEEN):
        try:
            message: str | bytes = part.decode()
        except UnicodeDecodeError:
            message = part
        for effect in pusher.received(message):
            _check(effect)
        assert gopusher.received(message) == ()
    for close in CLOSES:
        closed, last_words = pusher.farewell(close)
        assert 1000 <= closed.code <= 4999
        assert last_words is None or json.loads(last_words)["event"] == "pusher:error"


def _check(effect: SocketEffect) -> None:
    if isinstance(effect, Send):
        said = json.loads(effect.text)
        assert isinstance(said["event"], str)
    elif isinstance(effect, Subscribe):
        assert is_channel_name(effect.channel)
        assert effect.kind == kind_of(effect.channel)
        assert (effect.member is not None) == effect.kind.presence
        assert effect.member is None or isinstance(json.loads(effect.member.info), object)
    elif isinstance(effect, Unsubscribe):
        assert len(effect.channel) <= MAX_CHANNEL_NAME
    elif isinstance(effect, Relay):
        assert is_channel_name(effect.channel)
        assert effect.event.startswith("client-")
        assert len(effect.data.encode()) <= _APP.settings.max_client_event_bytes
    elif isinstance(effect, SignIn):
        assert effect.user_id
        assert len(set(effect.watchlist)) == len(effect.watchlist) <= MAX_WATCHLIST
    else:
        assert isinstance(effect, CloseSocket)
        assert effect.close in CLOSES
