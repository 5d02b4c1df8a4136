"""The GoPusher routes against the documented contract: who may, what is asked, what is answered."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import MAX_NAME, App, Directory, KeyPair
from pushery.core.appsettings import AppSettings
from pushery.core.codes import CLOSES, Close
from pushery.core.effects import Inspect, JoinTag, ListApps, OpenSocket, Publish, RegisterApp, UnregisterApp
from pushery.core.exchange import Reply
from pushery.core.patterns import PatternError, compile_pattern
from pushery.core.publications import Publication
from pushery.dialects.gopusher import GoPusher, GoPusherOptions
from pushery.dialects.gopusher.rest import MASK, MAX_TAG
from tests.dialects.gopusher import (
    ADMIN,
    APP_LIST,
    APPS,
    CLOCK,
    CONNECT,
    KEY,
    LIST_ONLINE,
    OF_ONE_APP,
    OPTIONS,
    OTHER_ADMIN,
    OTHER_KEY,
    PAGED,
    PUSH,
    REGISTER,
    ROUTES,
    SUPER,
    UNKNOWN_KEY,
    UNREGISTER,
    WELL_FORMED,
    WITH_AUTH,
    Auth,
    app,
    ask,
    crowd_of,
    effect,
    members,
    refused,
)


def test_the_dialect_has_exactly_the_documented_routes() -> None:
    assert list(ROUTES) == [REGISTER, UNREGISTER, APP_LIST, PUSH, LIST_ONLINE, CONNECT]
    for route in ROUTES.values():
        assert route.summary.endswith(".")


# Who may call what.


@pytest.mark.parametrize("route", WITH_AUTH)
def test_the_super_admin_may_call_every_route(route: str) -> None:
    assert not isinstance(ask(route, SUPER), Reply)


@pytest.mark.parametrize("route", OF_ONE_APP)
def test_an_apps_admin_may_call_the_routes_of_that_app_only(route: str) -> None:
    assert not isinstance(ask(route, ADMIN), Reply)
    assert not isinstance(ask(route, OTHER_ADMIN, app_key=OTHER_KEY), Reply)
    assert refused(route, auth=OTHER_ADMIN).status == 401
    assert refused(route, auth=ADMIN, app_key=OTHER_KEY).status == 401


@pytest.mark.parametrize("route", [REGISTER, APP_LIST])
def test_no_apps_admin_may_register_or_list_apps(route: str) -> None:
    assert refused(route, auth=ADMIN).status == 401


@pytest.mark.parametrize("route", WITH_AUTH)
@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("", ""), ("admin", ""), ("", "correct horse")])
def test_whoever_has_no_valid_credentials_is_asked_for_them(route: str, auth: Auth) -> None:
    refusal = refused(route, auth=auth)
    assert (refusal.status, refusal.code) == (401, "unauthorized")
    [(name, value)] = refusal.headers
    assert name == "WWW-Authenticate"
    assert value.startswith('Basic realm="')


@pytest.mark.parametrize("route", OF_ONE_APP)
@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ADMIN])
def test_without_valid_credentials_nobody_learns_which_keys_exist(route: str, auth: Auth) -> None:
    unknown = refused(route, auth=auth, app_key=UNKNOWN_KEY)
    known = refused(route, auth=auth, app_key=OTHER_KEY)
    assert unknown.status == known.status == 401
    assert unknown.reply() == known.reply()


@pytest.mark.parametrize("route", OF_ONE_APP)
def test_the_super_admin_is_told_when_a_key_is_unknown(route: str) -> None:
    for key in (UNKNOWN_KEY, "", KEY.upper(), KEY[:-1]):
        refusal = refused(route, auth=SUPER, app_key=key)
        assert (refusal.status, refusal.code) == (404, "unknown_app")


@pytest.mark.parametrize("route", [REGISTER, PUSH, *PAGED])
def test_credentials_are_asked_for_before_parameters_are_looked_at(route: str) -> None:
    assert refused(route, auth=None, body={}, limit="x", page="-1").status == 401


def test_an_app_with_empty_credentials_has_no_admin() -> None:
    open_app = App(
        id="1", key=KEY, secret="", name="", auth_account="", auth_password="", request_ip="", registered_ms=0
    )
    dialect = GoPusher(OPTIONS, Directory([open_app]), CLOCK)
    for auth in (None, ("", ""), ("", "x")):
        assert refused(PUSH, auth=auth, dialect=dialect).status == 401


def test_a_super_admin_without_credentials_lets_nobody_in() -> None:
    dialect = GoPusher(GoPusherOptions("", "", mask_passwords=False, message_limit=512), APPS, CLOCK)
    for auth in (None, ("", ""), SUPER):
        assert refused(REGISTER, auth=auth, dialect=dialect).status == 401


def test_changed_options_hold_for_the_next_request() -> None:
    dialect = GoPusher(OPTIONS, APPS, CLOCK)
    dialect.configure(GoPusherOptions("root", "new", mask_passwords=True, message_limit=64))
    assert refused(APP_LIST, auth=SUPER, dialect=dialect).status == 401
    listing = effect(ListApps, APP_LIST, auth=("root", "new"), dialect=dialect)
    assert json.loads(listing.answer([app()]).body)["data"][0]["auth_password"] == MASK
    assert effect(OpenSocket, CONNECT, dialect=dialect).session.message_limit == 64


# Register.


def test_register_asks_for_an_app_and_answers_with_it() -> None:
    asked = effect(RegisterApp, REGISTER)
    assert (asked.name, asked.auth_account, asked.auth_password) == ("test", "app_admin", "password")
    assert asked.request_ip == "203.0.113.9:4711"
    assert members(asked.answer(app())) == [
        ("app_name", "test1"),
        ("auth_account", "scott1"),
        ("auth_password", "760804"),
        ("app_key", KEY),
        ("request_ip", "127.0.0.1:50040"),
        ("app_id", "1"),
        ("app_secret", "5" * 40),
    ]


@pytest.mark.parametrize("name", ["app_name", "auth_account", "auth_password"])
def test_register_requires_name_account_and_password(name: str) -> None:
    body = dict(WELL_FORMED[REGISTER])
    for missing in ({**body, name: ""}, {key: value for key, value in body.items() if key != name}):
        refusal = refused(REGISTER, body=missing)
        assert (refusal.status, refusal.code, refusal.extra) == (400, "missing_parameter", {"parameter": name})


@pytest.mark.parametrize("name", ["app_name", "auth_account", "auth_password"])
def test_register_bounds_what_it_keeps(name: str) -> None:
    body = dict(WELL_FORMED[REGISTER])
    assert isinstance(ask(REGISTER, body={**body, name: "é" * MAX_NAME}), RegisterApp)
    refusal = refused(REGISTER, body={**body, name: "é" * (MAX_NAME + 1)})
    assert (refusal.status, refusal.extra) == (400, {"parameter": name})


def test_an_account_with_a_colon_is_refused_since_nobody_could_log_in_with_it() -> None:
    refusal = refused(REGISTER, body={**WELL_FORMED[REGISTER], "auth_account": "a:b"})
    assert (refusal.status, refusal.extra) == (400, {"parameter": "auth_account"})
    assert isinstance(ask(REGISTER, body={**WELL_FORMED[REGISTER], "auth_password": "a:b"}), RegisterApp)


# Unregister.


def test_unregister_answers_with_the_documented_word() -> None:
    asked = effect(UnregisterApp, UNREGISTER)
    assert asked.app_key == KEY
    assert asked.answer(True) == Reply(200, b'{"message":"Scuess"}')


def test_unregister_of_an_app_that_somebody_else_has_just_removed_is_unknown() -> None:
    assert effect(UnregisterApp, UNREGISTER).answer(False).status == 404


# Push.


def test_push_publishes_the_content_as_it_is_to_whom_the_pattern_matches() -> None:
    asked = effect(Publish, PUSH)
    assert asked.publication == Publication(KEY, b"hello world", "A:1")
    assert asked.answer(1).body == (
        b'{"app_key":"%b","content":"hello world","user_tag":"A:1","total":"1"}' % KEY.encode()
    )


def test_push_without_user_tag_is_for_all_and_says_so_with_an_empty_one() -> None:
    for body in ({"content": "x"}, {"content": "x", "user_tag": ""}):
        asked = effect(Publish, PUSH, body=body)
        assert asked.publication.pattern is None
        assert asked.answer(0).body == b'{"app_key":"%b","content":"x","user_tag":"","total":"0"}' % KEY.encode()


def test_the_total_of_a_push_is_a_string() -> None:
    assert json.loads(effect(Publish, PUSH).answer(100_000).body)["total"] == "100000"


@given(st.text(min_size=1), st.text())
def test_what_is_pushed_is_published_and_answered_verbatim(content: str, user_tag: str) -> None:
    asked = effect(Publish, PUSH, body={"content": content, "user_tag": user_tag})
    assert asked.publication.text == content.encode()
    assert asked.publication.pattern == (user_tag or None)
    answer = json.loads(asked.answer(3).body)
    assert (answer["content"], answer["user_tag"]) == (content, user_tag)


@pytest.mark.parametrize("body", [{}, {"content": ""}, {"user_tag": "A"}])
def test_push_requires_content(body: Mapping[str, str]) -> None:
    refusal = refused(PUSH, body=body)
    assert (refusal.status, refusal.code, refusal.extra) == (400, "missing_parameter", {"parameter": "content"})


@pytest.mark.parametrize(("pattern", "position"), [("A(", 1), ("a)", 1), ("[a", 0), ("a**", 1), ("é\\", 1)])
def test_a_bad_pattern_is_answered_with_where_it_is_wrong(pattern: str, position: int) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    reply = effect(Publish, PUSH, body={"content": "x", "user_tag": pattern}).bad_pattern(caught.value)
    assert reply.status == 400
    error = json.loads(reply.body)["error"]
    assert list(error) == ["code", "message", "parameter", "position"]
    assert (error["code"], error["parameter"], error["position"]) == ("invalid_pattern", "user_tag", position)
    assert f"at character {position + 1}." in error["message"]


# Connect.


def test_a_client_joins_its_tag_without_greeting_and_what_it_says_is_dropped() -> None:
    session = effect(OpenSocket, CONNECT, auth=None, user_tag="A:1").session
    assert list(session.opened()) == [JoinTag(KEY, "A:1")]
    assert list(session.received("hello")) == list(session.received(b"\x00")) == []
    assert session.message_limit == 512


def test_nobody_connects_to_an_unknown_app() -> None:
    for auth in (None, SUPER):
        refusal = refused(CONNECT, auth=auth, app_key=UNKNOWN_KEY)
        assert (refusal.status, refusal.code) == (404, "unknown_app")


@pytest.mark.parametrize("tag", ["", "x" * (MAX_TAG + 1)])
def test_a_tag_that_is_empty_or_too_long_is_refused(tag: str) -> None:
    refusal = refused(CONNECT, user_tag=tag)
    assert (refusal.status, refusal.extra) == (400, {"parameter": "user_tag"})


@pytest.mark.parametrize("tag", ["x", "é" * MAX_TAG, "😀" * MAX_TAG, "a/b", "A:1\nB:2", " ", "\x00"])
def test_any_other_tag_is_taken_as_it_is(tag: str) -> None:
    assert list(effect(OpenSocket, CONNECT, user_tag=tag).session.opened()) == [JoinTag(KEY, tag)]


# What each app decides for itself, and its keys.


def dialect_of(**settings: Any) -> GoPusher:
    """A server with an app that has these settings."""
    return GoPusher(OPTIONS, Directory([msgspec.structs.replace(app(), settings=AppSettings(**settings))]), CLOCK)


@pytest.mark.parametrize(
    ("settings", "code"), [({"enabled": False}, "app_disabled"), ({"gopusher": False}, "dialect_disabled")]
)
def test_an_app_may_be_switched_off_or_speak_another_protocol(settings: Mapping[str, bool], code: str) -> None:
    dialect = dialect_of(**settings)
    for route in (PUSH, CONNECT):
        refusal = refused(route, dialect=dialect)
        assert (refusal.status, refusal.code) == (403, code)
    assert refused(PUSH, auth=None, dialect=dialect).status == 401
    for route in (LIST_ONLINE, UNREGISTER):
        assert not isinstance(ask(route, ADMIN, dialect=dialect), Reply)


def test_an_app_that_does_not_speak_pusher_speaks_gopusher_all_the_same() -> None:
    dialect = dialect_of(pusher=False)
    assert isinstance(ask(PUSH, dialect=dialect), Publish)
    assert isinstance(ask(CONNECT, dialect=dialect), OpenSocket)


NEW_KEY = "e" * 32
ROTATED = Directory([msgspec.structs.replace(app(), keys=(KeyPair(key=NEW_KEY, secret="6" * 40),)), app(OTHER_KEY, 2)])


def test_clients_connect_with_any_valid_key_and_meet_in_one_app() -> None:
    both = Directory([msgspec.structs.replace(app(), keys=(*app().keys, KeyPair(key=NEW_KEY, secret="6" * 40)))])
    for key in (KEY, NEW_KEY):
        session = effect(OpenSocket, CONNECT, dialect=GoPusher(OPTIONS, both, CLOCK), app_key=key).session
        assert list(session.opened()) == [JoinTag(KEY, "A:1")]


def test_nobody_connects_with_a_key_that_was_revoked() -> None:
    assert refused(CONNECT, dialect=GoPusher(OPTIONS, ROTATED, CLOCK)).code == "unknown_app"
    assert isinstance(ask(CONNECT, dialect=GoPusher(OPTIONS, ROTATED, CLOCK), app_key=NEW_KEY), OpenSocket)


@pytest.mark.parametrize("key", [KEY, NEW_KEY])
@pytest.mark.parametrize("auth", [ADMIN, SUPER])
def test_backends_name_an_app_by_its_first_key_or_a_valid_one_and_are_answered_with_that(key: str, auth: Auth) -> None:
    dialect = GoPusher(OPTIONS, ROTATED, CLOCK)
    pushed = effect(Publish, PUSH, auth=auth, dialect=dialect, app_key=key)
    assert pushed.publication.app_key == KEY
    assert json.loads(pushed.answer(1).body)["app_key"] == key
    listing = effect(Inspect, LIST_ONLINE, auth=auth, dialect=dialect, app_key=key)
    assert listing.app_key == KEY
    assert json.loads(listing.answer(crowd_of([])).body)["app_key"] == key
    assert effect(UnregisterApp, UNREGISTER, auth=auth, dialect=dialect, app_key=key).app_key == KEY


@pytest.mark.parametrize("close", CLOSES, ids=lambda close: str(close.code))
def test_a_socket_is_closed_with_the_code_as_it_is_and_without_last_words(close: Close) -> None:
    assert effect(OpenSocket, CONNECT).session.farewell(close) == (close, None)


# One shape of errors.


def all_refusals() -> Iterator[tuple[str, Reply]]:
    """Every way in which each route refuses."""
    for route in WITH_AUTH:
        yield route, refused(route, auth=None).reply()
    for route in OF_ONE_APP:
        yield route, refused(route, app_key=UNKNOWN_KEY).reply()
    for route in PAGED:
        yield route, refused(route, limit="x").reply()
    for route in (REGISTER, PUSH):
        yield route, refused(route, body={}).reply()
        yield route, refused(route, body={f"n{number}": "x" for number in range(65)}).reply()
    yield REGISTER, refused(REGISTER, body={**WELL_FORMED[REGISTER], "auth_account": ":"}).reply()
    yield REGISTER, refused(REGISTER, body={**WELL_FORMED[REGISTER], "app_name": "x" * 201}).reply()
    yield UNREGISTER, effect(UnregisterApp, UNREGISTER).answer(False)
    yield PUSH, effect(Publish, PUSH).bad_pattern(PatternError("missing )", 0))
    yield CONNECT, refused(CONNECT, app_key=UNKNOWN_KEY).reply()
    for settings in ({"enabled": False}, {"gopusher": False}):
        yield PUSH, refused(PUSH, dialect=dialect_of(**settings)).reply()
    yield CONNECT, refused(CONNECT, user_tag="").reply()


def test_every_refusal_of_every_route_has_the_same_shape() -> None:
    seen = set()
    for route, reply in all_refusals():
        seen.add(route)
        assert 400 <= reply.status < 500
        assert reply.content_type == "application/json"
        body = json.loads(reply.body)
        assert list(body) == ["error"]
        error = body["error"]
        assert list(error)[:2] == ["code", "message"]
        assert error["code"].replace("_", "").isalpha()
        assert error["code"] == error["code"].lower()
        assert error["message"].endswith(".")
        assert error["message"][0].isupper() or error["message"].startswith(("'", "user_tag"))
        if reply.status == 400 and error["code"] != "too_many_parameters":
            assert isinstance(error["parameter"], str)
        assert ("WWW-Authenticate" in dict(reply.headers)) == (reply.status == 401)
    assert seen == set(ROUTES)
