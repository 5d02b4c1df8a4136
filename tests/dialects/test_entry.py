"""Who may connect as a GoPusher client: origins, connect tokens, and what the app's own backend says."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from pushery.core import codes
from pushery.core.apps import Directory
from pushery.core.appsettings import AppSettings
from pushery.core.effects import AskHook, CloseLater, JoinTag, OpenSocket, Outcome, RegisterApp
from pushery.core.exchange import Refusal, Request
from pushery.core.tokens import LEEWAY_S
from pushery.dialects.gopusher import GoPusher, GoPusherOptions
from tests.core.minting import NOW_MS, NOW_S, hs256
from tests.core.test_tokens import KEY, NEWER, SECRET, an_app
from tests.dialects.pusher.backend import StillClock

OPTIONS = GoPusherOptions("admin", "correct horse", mask_passwords=False, message_limit=512)
HOOK = "https://backend.example/connect"
EXP: dict[str, object] = {"exp": NOW_S + 60}


class Entrance:
    """One app, and the way in to it."""

    def __init__(self, **settings: Any) -> None:
        self.directory = Directory([an_app(**settings)])
        self.dialect = GoPusher(OPTIONS, self.directory, StillClock(NOW_MS))

    def connect(self, tag: str = "A:1", token: str = "", headers: Mapping[bytes, bytes] | None = None) -> Outcome:
        query = f"token={quote(token)}" if token else ""
        request = Request("GET", f"/ws/{KEY}/x", query, headers or {}, b"", upgrade=True)
        return self.dialect.connect(request, {"app_key": KEY, "user_tag": tag})

    def refused(self, *args: Any, **more: Any) -> tuple[int, str]:
        with pytest.raises(Refusal) as caught:
            self.connect(*args, **more)
        return caught.value.status, caught.value.code


def let_in(outcome: Outcome) -> list[object]:
    """What happens on the socket first."""
    assert isinstance(outcome, OpenSocket)
    return list(outcome.session.opened())


# Origins.


def test_pages_of_other_origins_are_refused_and_clients_without_one_let_in() -> None:
    entrance = Entrance(allowed_origins=("*.example.com",))
    assert entrance.refused(headers={b"origin": b"https://evil.example"}) == (403, "origin_not_allowed")
    for headers in ({b"origin": b"https://a.example.com"}, {}):
        assert let_in(entrance.connect(headers=headers)) == [JoinTag(KEY, "A:1")]


# Tokens.


def test_a_token_lets_in_with_its_tag_and_for_its_time() -> None:
    entrance = Entrance(require_token=True)
    for token in (hs256(SECRET, {"tag": "A:1"} | EXP), hs256(SECRET, {"tag_pattern": "A:[0-9]+"} | EXP)):
        closing = CloseLater(60 + LEEWAY_S, codes.TOKEN_EXPIRED)
        assert let_in(entrance.connect(token=token)) == [JoinTag(KEY, "A:1"), closing]
        assert let_in(entrance.connect(headers={b"authorization": b"Bearer " + token.encode()}))
        assert entrance.refused("A:x", token) == (403, "tag_not_allowed")
    assert entrance.refused(token=hs256(SECRET, EXP)) == (403, "tag_not_allowed")


def test_without_a_token_nobody_comes_in_where_it_is_required_and_everybody_elsewhere() -> None:
    with pytest.raises(Refusal) as caught:
        Entrance(require_token=True).connect()
    assert (caught.value.status, caught.value.code) == (401, "token_required")
    assert caught.value.headers == (("WWW-Authenticate", 'Bearer realm="pushery"'),)
    assert let_in(Entrance().connect()) == [JoinTag(KEY, "A:1")]


@pytest.mark.parametrize("required", [False, True])
def test_a_bad_token_is_refused_also_where_none_is_needed(required: bool) -> None:
    entrance = Entrance(require_token=required)
    expired = hs256(SECRET, {"tag": "A:1", "exp": NOW_S - 60})
    assert entrance.refused(token=expired) == (401, "token_expired")
    for token in ("x", hs256("other", {"tag": "A:1"} | EXP), hs256(SECRET, {"tag": "A:1", "app": "f" * 32} | EXP)):
        with pytest.raises(Refusal) as caught:
            entrance.connect(token=token)
        assert (caught.value.status, caught.value.code) == (401, "invalid_token")
        assert caught.value.headers == (("WWW-Authenticate", 'Bearer realm="pushery", error="invalid_token"'),)
        assert token not in caught.value.message or token == "x"


def test_a_token_that_never_expires_closes_nothing() -> None:
    assert let_in(Entrance().connect(token=hs256(SECRET, {"tag": "A:1"}))) == [JoinTag(KEY, "A:1")]


# The hook.


def test_with_a_hook_the_token_is_its_business() -> None:
    entrance = Entrance(connect_hook=HOOK, require_token=True)
    asked = entrance.connect(token="not a JWT")
    assert isinstance(asked, AskHook)
    assert (asked.app_key, asked.url, asked.token, asked.tag) == (KEY, HOOK, "not a JWT", "A:1")
    assert let_in(asked.answer(True)) == [JoinTag(KEY, "A:1")]
    with pytest.raises(Refusal, match="does not let you in") as caught:
        asked.answer(False)
    assert (caught.value.status, caught.value.code) == (403, "not_admitted")


def test_with_a_hook_nobody_comes_in_without_a_token() -> None:
    assert Entrance(connect_hook=HOOK).refused() == (403, "not_admitted")


def test_an_app_that_has_gone_while_its_hook_was_asked_lets_nobody_in() -> None:
    for key in (KEY, NEWER):
        entrance = Entrance(connect_hook=HOOK)
        asked = entrance.connect(token="t")
        assert isinstance(asked, AskHook)
        entrance.directory.drop(KEY)
        with pytest.raises(Refusal) as caught:
            asked.answer(True)
        assert (caught.value.code, key) == ("unknown_app", key)
        entrance.directory.put(an_app(enabled=False))
        with pytest.raises(Refusal) as caught:
            asked.answer(True)
        assert caught.value.code == "app_disabled"


def test_origin_and_tag_are_looked_at_before_the_hook_is_asked() -> None:
    entrance = Entrance(connect_hook=HOOK, allowed_origins=("example.com",))
    assert entrance.refused(token="t", headers={b"origin": b"https://evil.example"})[1] == "origin_not_allowed"
    assert entrance.refused("x" * 201, "t")[1] == "malformed_parameter"


def register(hook: str) -> Outcome:
    body = f"app_name=n&auth_account=a&auth_password=b&connect_hook={quote(hook, safe='')}".encode()
    headers = {b"authorization": b"Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="}
    return Entrance().dialect.register(Request("POST", "/api/register", "", headers, body), {})


def test_a_hook_may_be_named_when_an_app_is_registered() -> None:
    for hook in (HOOK, ""):
        outcome = register(hook)
        assert isinstance(outcome, RegisterApp)
        assert outcome.settings == AppSettings(connect_hook=hook)


@pytest.mark.parametrize("hook", ["backend", "ftp://a/", "http://", "http://a b", f"https://a/{'x' * 2000}"])
def test_a_hook_that_is_no_url_is_refused(hook: str) -> None:
    with pytest.raises(Refusal) as caught:
        register(hook)
    assert (caught.value.status, caught.value.extra) == (400, {"parameter": "connect_hook"})
