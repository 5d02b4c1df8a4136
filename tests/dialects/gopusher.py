"""Two apps and the GoPusher routes, called as the router calls them.

Every call is well-formed and allowed unless a test says otherwise.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest

from pushery.core.apps import App, Directory
from pushery.core.effects import Outcome
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.hub import Crowd
from pushery.dialects.gopusher import GoPusher, GoPusherOptions
from tests.dialects.pusher.backend import StillClock

T = TypeVar("T")

SUPER = ("admin", "correct horse")
KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "f" * 32
UNKNOWN_KEY = "0" * 32
OPTIONS = GoPusherOptions(*SUPER, mask_passwords=False, message_limit=512)
Auth = tuple[str, str] | None
CLOCK = StillClock()


def app(key: str = KEY, number: int = 1, password: str = "760804", registered_ms: int = 1440473952104) -> App:
    """An app whose admin is "scott<number>"."""
    return App(
        id=str(number),
        key=key,
        secret="5" * 40,
        name=f"test{number}",
        auth_account=f"scott{number}",
        auth_password=password,
        request_ip="127.0.0.1:50040",
        registered_ms=registered_ms,
    )


ADMIN = ("scott1", "760804")
OTHER_ADMIN = ("scott2", "760804")
APPS = Directory([app(), app(OTHER_KEY, 2)])
DIALECT = GoPusher(OPTIONS, APPS, CLOCK)
ROUTES = {f"{route.method} {route.path}": route for route in DIALECT.routes()}

REGISTER = "POST /api/register"
UNREGISTER = "DELETE /api/{app_key}/unregister"
APP_LIST = "GET /api/app-list/{limit}/{page}"
PUSH = "POST /api/push/{app_key}"
LIST_ONLINE = "GET /api/{app_key}/listonlineuser/{limit}/{page}"
CONNECT = "GET /ws/{app_key}/{user_tag}"

WELL_FORMED: Mapping[str, Mapping[str, str]] = {
    REGISTER: {"app_name": "test", "auth_account": "app_admin", "auth_password": "password"},
    UNREGISTER: {},
    APP_LIST: {},
    PUSH: {"content": "hello world", "user_tag": "A:1"},
    LIST_ONLINE: {},
    CONNECT: {},
}
WITH_AUTH = [REGISTER, UNREGISTER, APP_LIST, PUSH, LIST_ONLINE]
OF_ONE_APP = [UNREGISTER, PUSH, LIST_ONLINE]
PAGED = [APP_LIST, LIST_ONLINE]


def ask(
    route: str,
    auth: Auth = SUPER,
    body: Mapping[str, str] | None = None,
    dialect: GoPusher = DIALECT,
    peer: str = "203.0.113.9:4711",
    **params: str,
) -> Outcome:
    """Call a route as the router does. `body` defaults to what the route takes."""
    known = {route.method + " " + route.path: route for route in dialect.routes()}[route]
    headers = {b"content-type": b"application/x-www-form-urlencoded"}
    if auth is not None:
        headers[b"authorization"] = b"Basic " + base64.b64encode(":".join(auth).encode())
    sent = urlencode(WELL_FORMED[route] if body is None else body).encode()
    segments = {"app_key": KEY, "user_tag": "A:1", "limit": "10", "page": "1"} | params
    wanted = {name: value for name, value in segments.items() if f"{{{name}}}" in known.path}
    return known.handle(Request(known.method, known.path, "", headers, sent, peer=peer), wanted)


def effect(kind: type[T], route: str, **more: Any) -> T:
    """What a route asks for."""
    outcome = ask(route, **more)
    assert isinstance(outcome, kind)
    return outcome


def refused(route: str, **more: Any) -> Refusal:
    """Why a route refuses."""
    with pytest.raises(Refusal) as caught:
        ask(route, **more)
    return caught.value


def members(reply: Reply, status: int = 200) -> list[tuple[str, Any]]:
    """The members of the compact JSON object that a reply is, in order."""
    assert (reply.status, reply.content_type) == (status, "application/json")
    value = json.loads(reply.body)
    assert json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() == reply.body
    return list(value.items())


def crowd_of(tags: Sequence[str]) -> Crowd:
    """Somebody online with each of these tags."""
    crowd = Crowd(fanout_slice=1000, standing_patterns=1)
    for tag in tags:
        crowd.join(tag, object(), bytes)
    return crowd
