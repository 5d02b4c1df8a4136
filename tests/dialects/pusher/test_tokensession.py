"""A connection with a connect token: how it comes in, how far it gets, and when it has to go."""

import json
from typing import Any

import pytest

from pushery.core import codes
from pushery.core.apps import Directory
from pushery.core.channelnames import kind_of
from pushery.core.effects import CloseLater, CloseSocket, Enter, OpenSocket, OpenStream, Session, Subscribe
from pushery.core.exchange import Request
from pushery.core.tokens import LEEWAY_S
from pushery.dialects.pusher import PusherSockets, SocketOptions
from pushery.dialects.pusher.fallbacks import PusherFallbacks
from pushery.dialects.pusher.session import PusherSession, RefusedSession
from pushery.dialects.pusher.tokensession import TokenSession
from tests.core.minting import NOW_MS, NOW_S, hs256
from tests.core.test_tokens import KEY, SECRET, an_app
from tests.dialects.pusher.backend import StillClock
from tests.dialects.pusher.talking import refused
from tests.node.fakes import CountingIds

EXP: dict[str, object] = {"exp": NOW_S + 60}


def sockets(**settings: Any) -> PusherSockets:
    directory = Directory([an_app(**settings)])
    return PusherSockets(SocketOptions(1000, 120), directory, CountingIds(), StillClock(NOW_MS))


def connect(token: str, prefix: bool = True, **settings: Any) -> Session:
    """The session that a client gets, which sends its token as pusher-js can or in the query."""
    path = f"/token/{token}/app/{KEY}" if prefix and token else f"/app/{KEY}"
    query = "protocol=7&client=js" + ("" if prefix or not token else f"&token={token}")
    outcome = sockets(**settings).connect(Request("GET", path, query, {}, b"", upgrade=True), {"key": KEY})
    assert isinstance(outcome, OpenSocket)
    return outcome.session


def goodbye(session: Session) -> tuple[int, str]:
    """With which code it is closed at once, and what it is told before."""
    assert isinstance(session, RefusedSession)
    [closing] = session.opened()
    assert isinstance(closing, CloseSocket)
    close, said = session.farewell(closing.close)
    return close.code, json.loads(said or b"")["data"]["message"]


def subscribe(session: Session, channel: str, **data: str) -> Any:
    return session.received(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel, **data}}))


@pytest.mark.parametrize("prefix", [True, False])
def test_it_is_let_in_has_proved_itself_and_goes_when_its_token_expires(prefix: bool) -> None:
    session = connect(hs256(SECRET, EXP), prefix, require_token=True)
    assert isinstance(session, TokenSession)
    entering, closing = session.opened()
    assert isinstance(entering, Enter)
    assert entering.proven
    assert b"connection_established" in entering.greeting
    assert closing == CloseLater(60 + LEEWAY_S, codes.TOKEN_EXPIRED)
    assert session.farewell(codes.TOKEN_EXPIRED) == (
        codes.TOKEN_EXPIRED,
        b'{"event":"pusher:error","data":{"code":4011,"message":"connect token expired"}}',
    )


def test_a_token_that_never_expires_closes_nothing() -> None:
    assert len(connect(hs256(SECRET, {})).opened()) == 1


def test_without_a_token_it_comes_in_only_where_none_is_required() -> None:
    plain = connect("")
    assert type(plain) is PusherSession
    [entering] = plain.opened()
    assert isinstance(entering, Enter)
    assert not entering.proven
    assert goodbye(connect("", require_token=True)) == (4009, "This app lets nobody in without a connect token.")


@pytest.mark.parametrize("required", [False, True])
def test_a_bad_token_is_told_on_the_open_socket(required: bool) -> None:
    for prefix in (True, False):
        expired = connect(hs256(SECRET, {"exp": NOW_S - 60}), prefix, require_token=required)
        assert goodbye(expired) == (4011, "The connect token has expired.")
        for token in ("x", hs256("other", EXP), hs256(SECRET, {"app": "f" * 32} | EXP)):
            code, message = goodbye(connect(token, prefix, require_token=required))
            assert code == 4009
            assert "connect token" in message


def test_the_fallbacks_take_a_token_before_their_path() -> None:
    routes = PusherFallbacks(sockets(require_token=True))
    params = {"key": KEY, "server": "1", "session": "s"}
    for path, kind in ((f"/token/{hs256(SECRET, EXP)}", TokenSession), ("", RefusedSession)):
        path += f"/app/{KEY}/1/s/xhr_streaming"
        outcome = routes.stream(Request("POST", path, "protocol=7", {}, b""), params)
        assert isinstance(outcome, OpenStream)
        assert type(outcome.session()) is kind


def test_channels_of_the_token_are_all_that_it_may_subscribe_to() -> None:
    session = connect(hs256(SECRET, {"channels": ["news", "room-*"]}))
    for name in ("news", "room-", "room-7"):
        assert subscribe(session, name) == (Subscribe(name, kind_of(name)),)
    for name in ("other", "newsx", "private-room-7"):
        message = f"The connect token does not allow subscribing to {name}"
        assert refused(subscribe(session, name)) == ("AuthError", message, 403)
    assert subscribe(connect(hs256(SECRET, {})), "other") == (Subscribe("other", kind_of("other")),)


def test_a_private_channel_that_the_token_names_needs_no_signature() -> None:
    names = ["private-a", "private-cache-a", "private-encrypted-a", "presence-a", "private-b-*"]
    session = connect(hs256(SECRET, {"channels": names}))
    for name in names[:2]:
        for auth in ({}, {"auth": ""}, {"auth": "nonsense"}):
            assert subscribe(session, name, **auth) == (Subscribe(name, kind_of(name)),)
    for name in (*names[2:4], "private-b-1"):
        assert refused(subscribe(session, name))[2] == 401
    assert refused(subscribe(connect(hs256(SECRET, {})), "private-a"))[2] == 401


def test_the_own_channel_of_a_user_takes_a_sign_in_and_no_token() -> None:
    session = connect(hs256(SECRET, {"channels": ["#server-to-user-7", "*"]}))
    assert refused(subscribe(session, "#server-to-user-7"))[2] == 401
