"""Who may connect, and what who may not is told."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import Directory
from pushery.core.appsettings import AppSettings
from pushery.core.codes import Close
from pushery.core.effects import CloseSocket, Enter, OpenSocket, Session
from pushery.core.exchange import Request
from pushery.dialects.pusher import PusherSockets, SocketOptions
from pushery.dialects.pusher.session import PusherSession, RefusedSession
from tests.dialects.pusher.backend import KEY, StillClock, an_app
from tests.node.fakes import CountingIds

REAL = "protocol=7&client=js&version=8.6.0&flash=false"


def the_sockets(**settings: Any) -> PusherSockets:
    """The way in to one app with these settings, and two valid keys."""
    app = an_app(settings=AppSettings(**settings), more=[("newer", "its secret")])
    options = SocketOptions(message_limit=1000, activity_timeout=120)
    return PusherSockets(options, Directory([app]), CountingIds(), StillClock())


def request(query: str = REAL, *, origin: bytes = b"", secure: bool = False, path: str = f"/app/{KEY}") -> Request:
    """A client's handshake."""
    headers = {b"origin": origin} if origin else {}
    return Request("GET", path, query, headers, b"", upgrade=True, secure=secure)


def connect(sockets: PusherSockets, asked: Request, key: str = KEY) -> Session:
    """The session a client gets."""
    outcome = sockets.connect(asked, {"key": key})
    assert isinstance(outcome, OpenSocket)
    return outcome.session


def refusal(session: Session) -> tuple[int, str]:
    """The code of a session that closes at once, and what it says before."""
    assert isinstance(session, RefusedSession)
    [effect] = session.opened()
    assert isinstance(effect, CloseSocket)
    assert session.received("{}") == session.received(b"") == ()
    close, last_words = session.farewell(effect.close)
    assert last_words is not None
    return close.code, last_words.decode()


def test_a_client_is_counted_in_and_greeted_with_a_socket_id_of_its_own() -> None:
    sockets = the_sockets()
    ids = set()
    for _ in range(2):
        session = connect(sockets, request())
        assert isinstance(session, PusherSession)
        [effect] = session.opened()
        assert isinstance(effect, Enter)
        assert effect.greeting.decode() == (
            r'{"event":"pusher:connection_established",'
            rf'"data":"{{\"socket_id\":\"{effect.socket_id}\",\"activity_timeout\":120}}"}}'
        )
        assert effect.app_key == KEY
        assert session.message_limit == 1000
        ids.add(effect.socket_id)
    assert len(ids) == 2


@pytest.mark.parametrize(
    "query",
    [
        REAL,
        "client=Pysher&version=1.0.7&protocol=6",
        "?client=java-client&protocol=5&version=2.4.4".removeprefix("?"),
        "protocol=5&client=pusher-dotnet-client&version=2.1.0",
        "client=pusher-websocket-swift&version=10.1.10&protocol=7",
        "protocol=4",
        "protocol=7&version=",
        "protocol=7&version=8.6.0-beta.1",
        "protocol=7&version=1.0%2Bbuild5",
        "protocol=7&client=%00%ff&version=8",
    ],
)
def test_what_real_clients_ask_for_is_let_in(query: str) -> None:
    assert isinstance(connect(the_sockets(), request(query)), PusherSession)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", 4008),
        ("client=js&version=8.6.0", 4008),
        ("protocol=&version=1.0", 4008),
        ("protocol=3", 4007),
        ("protocol=1", 4007),
        ("protocol=0", 4007),
        ("protocol=8", 4007),
        ("protocol=-7", 4007),
        ("protocol=7.0", 4007),
        ("protocol=%D9%A7", 4007),
        ("protocol=seven", 4007),
        ("protocol=" + "7" * 5000, 4007),
        ("protocol=7&version=x", 4006),
        ("protocol=7&version=1/2", 4006),
        ("protocol=7&version=.1", 4006),
        ("protocol=7&version=1.0 beta", 4006),
        ("protocol=7&version=" + "1" * 101, 4006),
    ],
)
def test_other_protocols_and_versions_are_refused(query: str, code: int) -> None:
    assert refusal(connect(the_sockets(), request(query)))[0] == code


def test_a_version_that_is_made_to_take_long_does_not() -> None:
    sockets, asked = the_sockets(), request("protocol=7&version=1" + ".1" * 30_000 + "!")
    started = time.process_time()
    assert refusal(connect(sockets, asked))[0] == 4006
    assert time.process_time() - started < 0.5


def test_an_unknown_key_is_refused_in_the_words_of_the_transcript() -> None:
    assert refusal(connect(the_sockets(), request(), "X")) == (
        4001,
        '{"event":"pusher:error","data":{"code":4001,'
        '"message":"App key X not in this cluster. Did you forget to specify the cluster?"}}',
    )


def test_every_valid_key_lets_in_to_the_same_app() -> None:
    session = connect(the_sockets(), request(), "newer")
    [effect] = session.opened()
    assert isinstance(effect, Enter)
    assert effect.app_key == KEY


@pytest.mark.parametrize(
    ("settings", "code"), [({"enabled": False}, 4003), ({"pusher": False}, 4003), ({"tls_only": True}, 4000)]
)
def test_an_app_may_be_closed_to_a_client(settings: dict[str, bool], code: int) -> None:
    assert refusal(connect(the_sockets(**settings), request()))[0] == code


def test_an_app_for_tls_only_lets_in_who_comes_by_tls() -> None:
    assert isinstance(connect(the_sockets(tls_only=True), request(secure=True)), PusherSession)


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("example.com", b"https://example.com", True),
        ("example.com", b"http://EXAMPLE.com:8080", True),
        ("Example.com", b"https://example.com", True),
        ("*.example.com", b"https://a.b.example.com", True),
        ("*.example.com", b"https://example.com", False),
        ("*", b"null", True),
        ("*", b"https://anything", True),
        ("https://example.com", b"https://example.com", True),
        ("https://example.com", b"http://example.com", False),
        ("example.com", b"https://example.com.evil.org", False),
        ("example.com", b"https://evil.org/example.com", False),
        ("example.com", b"https://notexample.com", False),
        ("example.com", b"https://example.com@evil.org", False),
        ("example.com", b"null", False),
        ("example.com", b"http://[", False),
        ("example.com", b"\xff\xfe", False),
        ("localhost", b"http://localhost:3000", True),
    ],
)
def test_pages_of_other_origins_are_refused_where_the_app_says_which(
    pattern: str, origin: bytes, allowed: bool
) -> None:
    session = connect(the_sockets(allowed_origins=("other.org", pattern)), request(origin=origin))
    if allowed:
        assert isinstance(session, PusherSession)
    else:
        assert refusal(session) == (
            4009,
            '{"event":"pusher:error","data":{"code":4009,"message":"Origin not allowed"}}',
        )


def test_who_names_no_origin_is_no_page_and_let_in() -> None:
    assert isinstance(connect(the_sockets(allowed_origins=("example.com",)), request()), PusherSession)


def test_a_pusher_client_on_a_path_that_leads_nowhere_is_told_so() -> None:
    outcome = the_sockets().elsewhere(request(path="/nothing"))
    assert isinstance(outcome, OpenSocket)
    assert refusal(outcome.session) == (
        4005,
        '{"event":"pusher:error","data":{"code":4005,"message":"Path not found"}}',
    )


def test_anybody_else_on_such_a_path_is_none_of_its_business() -> None:
    sockets = the_sockets()
    assert sockets.elsewhere(request("", path="/nothing")) is None
    plain = request(path="/nothing")
    plain.upgrade = False
    assert sockets.elsewhere(plain) is None


def test_options_that_are_changed_are_for_those_who_come_after() -> None:
    sockets = the_sockets()
    before = connect(sockets, request())
    sockets.configure(SocketOptions(message_limit=5, activity_timeout=30))
    after = connect(sockets, request())
    assert (before.message_limit, after.message_limit) == (1000, 5)
    [effect] = after.opened()
    assert isinstance(effect, Enter)
    assert rb"\"activity_timeout\":30" in effect.greeting


def test_a_refused_session_that_is_closed_for_another_reason_says_nothing_of_its_own() -> None:
    session = RefusedSession(Close(4001, "", ""), "no")
    assert session.farewell(Close(1009, "message too big", "")) == (Close(1009, "message too big", ""), None)


@given(st.text(st.characters(max_codepoint=255)), st.binary(), st.text())
def test_no_request_does_more_than_being_refused(query: str, origin: bytes, key: str) -> None:
    sockets = the_sockets(allowed_origins=("*.example.com",))
    for asked in (query, f"protocol=7&version={query}", f"version=1&protocol={query}"):
        for name in (key, KEY):
            session = connect(sockets, request(asked, origin=origin), name)
            assert session.opened()
            assert session.farewell(Close(4200, "bye", ""))[1] is not None
