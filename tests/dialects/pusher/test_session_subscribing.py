"""One connection that subscribes and signs in: whose signature is needed for what, and who is refused."""

import json
from typing import Any

import pytest

from pushery.core.channelnames import KINDS, kind_of
from pushery.core.channels import Member
from pushery.core.effects import Send, SignIn, Subscribe, Unsubscribe
from pushery.dialects.pusher.session import MAX_WATCHLIST
from tests.dialects.pusher.backend import KEY
from tests.dialects.pusher.talking import SOCKET, TOO_DEEP, a_session, error, refused, sign_in, signed, subscribe

# Subscribing.


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.prefix)
def test_every_kind_of_channel_can_be_subscribed_to_and_asks_for_what_it_needs(kind: Any) -> None:
    name = f"{kind.prefix}x"
    session = a_session()
    unsigned = session.received(json.dumps({"event": "pusher:subscribe", "data": {"auth": "", "channel": name}}))
    if kind.to_user:
        assert refused(unsigned)[0] == "AuthError"
        session.received(sign_in('{"id":"x"}'))
        assert session.received(subscribe(name, auth="")) == (Subscribe(name, kind),)
    elif kind.presence:
        assert refused(unsigned) == ("AuthError", f"Auth info required to subscribe to {name}", 401)
        member = Member("7", b"7", b"{}")
        assert session.received(subscribe(name, '{"user_id":7}')) == (Subscribe(name, kind, member),)
    elif kind.private:
        assert refused(unsigned) == ("AuthError", f"Auth info required to subscribe to {name}", 401)
        assert session.received(subscribe(name)) == (Subscribe(name, kind),)
        assert session.received(subscribe(name, '{"custom":1}')) == (Subscribe(name, kind),)
    else:
        assert unsigned == (Subscribe(name, kind),)


@pytest.mark.parametrize(
    "data",
    [
        '{"channel":"c"}',
        '{"channel":"c","auth":null,"channel_data":null}',
        '{"auth":"","channel_data":"","channel":"c"}',
        '"{\\"channel\\":\\"c\\"}"',
        '{"channel":"c","more":1}',
    ],
)
def test_data_may_be_an_object_or_text_and_nothing_is_as_good_as_empty(data: str) -> None:
    assert a_session().received(f'{{"event":"pusher:subscribe","data":{data}}}') == (Subscribe("c", kind_of("c")),)


def test_empty_channel_data_is_none() -> None:
    asked = json.dumps(
        {
            "event": "pusher:subscribe",
            "data": {"channel": "private-a", "auth": signed(f"{SOCKET}:private-a"), "channel_data": ""},
        }
    )
    assert a_session().received(asked) == (Subscribe("private-a", kind_of("private-a")),)


def test_the_signature_covers_the_channel_data_as_it_was_sent() -> None:
    session = a_session()
    assert isinstance(session.received(subscribe("presence-a", '{ "user_id" : "u" }'))[0], Subscribe)
    kind, message, status = refused(
        session.received(subscribe("presence-a", '{"user_id":"u"}', channel_data='{"user_id":"v"}'))
    )
    assert (kind, status) == ("AuthError", 401)
    assert message.startswith("Invalid signature: Expected HMAC SHA256 hex digest of ")


def test_another_key_is_named() -> None:
    answer = a_session().received(subscribe("private-a", auth="other:00"))
    assert refused(answer) == ("AuthError", "Invalid key in subscription auth data: 'other'", 401)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "#x", "#server-to-user-", "x" * 201, "ä", "a\n", "private-ü"])
def test_what_is_no_name_of_a_channel_is_refused(name: str) -> None:
    assert refused(a_session().received(subscribe(name)))[0] == "InvalidChannel"


def test_a_long_name_is_repeated_once_for_the_channel_object_of_the_client() -> None:
    answer = a_session().received(subscribe("x" * 50_000))
    assert sum(len(effect.text) for effect in answer if isinstance(effect, Send)) < 51_000


@pytest.mark.parametrize(
    ("channel_data", "user_id", "raw_id", "info"),
    [
        ('{"user_id":10,"user_info":{"name":"Mr. Channels"}}', "10", b"10", b'{"name":"Mr. Channels"}'),
        ('{"user_id":"10"}', "10", b'"10"', b"{}"),
        ('{"user_id":"ä\\u0000\\"","user_info":null}', 'ä\0"', '"ä\\u0000\\""'.encode(), b"{}"),
        ('{"user_info": [1,  {"a" : 2}], "user_id": -1}', "-1", b"-1", b'[1,{"a":2}]'),
        ('{"user_id":0,"user_info":""}', "0", b"0", b'""'),
        ('{"user_id":123456789012345678901234567890}', "1234567890" * 3, b"1234567890" * 3, b"{}"),
    ],
)
def test_members_are_who_their_channel_data_says_with_the_type_of_the_id_kept(
    channel_data: str, user_id: str, raw_id: bytes, info: bytes
) -> None:
    [effect] = a_session().received(subscribe("presence-a", channel_data))
    assert isinstance(effect, Subscribe)
    assert effect.member == Member(user_id, raw_id, info)


@pytest.mark.parametrize(
    "channel_data",
    [
        *("x", "{", "[]", "null", "{}", '{"user_id":null}', '{"user_id":true}', '{"user_id":""}', '{"user_id":[1]}'),
        *('{"user_id":{}}', '{"user_info":{}}', '{"user_id":1e400}', '{"user_id":1,"user_info":x}'),
        f'{{"user_id":"{"u" * 129}"}}',
        f'{{"user_id":1,"user_info":{"[" * TOO_DEEP}{"]" * TOO_DEEP}}}',
    ],
)
def test_channel_data_that_names_no_member_is_refused(channel_data: str) -> None:
    kind, message, status = refused(a_session().received(subscribe("presence-a", channel_data)))
    assert (kind, status) == ("AuthError", 401)
    assert "user_id" in message


def test_a_presence_channel_needs_to_know_who_it_is() -> None:
    kind, message, _ = refused(a_session().received(subscribe("presence-a")))
    assert kind == "AuthError"
    assert "channel_data" in message


def test_a_member_says_no_more_of_itself_than_the_app_allows() -> None:
    session = a_session(max_member_bytes=20)
    fits = json.dumps({"user_id": 1, "user_info": "x" * 18})
    assert isinstance(session.received(subscribe("presence-a", fits))[0], Subscribe)
    kind, _, status = refused(
        session.received(subscribe("presence-a", json.dumps({"user_id": 1, "user_info": "x" * 19})))
    )
    assert (kind, status) == ("LimitReached", 4301)
    assert refused(
        session.received(subscribe("presence-a", json.dumps({"user_id": 1, "user_info": "ä" * 10}, ensure_ascii=False)))
    )


def test_who_is_signed_in_is_that_member_unless_channel_data_says_otherwise() -> None:
    session = a_session()
    session.received(sign_in('{"id":"7","user_info":{"n":1}}'))
    kind = kind_of("presence-a")
    assert session.received(subscribe("presence-a")) == (
        Subscribe("presence-a", kind, Member("7", b'"7"', b'{"n":1}')),
    )
    other = subscribe("presence-a", '{"user_id":8}')
    assert session.received(other) == (Subscribe("presence-a", kind, Member("8", b"8", b"{}")),)


def test_unsubscribing_is_asked_for_whatever_the_name() -> None:
    session = a_session()
    assert session.received('{"event":"pusher:unsubscribe","data":{"channel":"c"}}') == (Unsubscribe("c"),)
    assert session.received('{"event":"pusher:unsubscribe","data":"{\\"channel\\":\\"c\\"}"}') == (Unsubscribe("c"),)
    assert session.received('{"event":"pusher:unsubscribe","data":{"channel":""}}') == (Unsubscribe(""),)


# Signing in.


def test_a_sign_in_is_answered_with_the_user_data_as_it_came() -> None:
    user_data = '{"id":"12345"}'
    auth = f"{KEY}:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    success, signed_in = a_session().received(sign_in(user_data, auth=auth))
    assert success == Send(
        rb'{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"12345\\\"}\"}"}'
    )
    assert signed_in == SignIn("12345", ())


@pytest.mark.parametrize(
    "user_data",
    [
        *(
            "x",
            "{}",
            "[]",
            '{"id":1}',
            '{"id":""}',
            '{"id":null}',
            '{"id":"u","watchlist":"v"}',
            '{"id":"u","watchlist":[1]}',
        ),
        f'{{"id":"{"u" * 129}"}}',
    ],
)
def test_user_data_that_names_no_user_is_refused_with_4009(user_data: str) -> None:
    session = a_session()
    code, message = error(session.received(sign_in(user_data)))
    assert code == 4009
    assert message
    assert refused(session.received(subscribe("#server-to-user-u")))[0] == "AuthError"


def test_a_sign_in_with_a_wrong_signature_is_refused_with_4009() -> None:
    for auth in (f"{KEY}:00", "other:00", "", signed(f"{SOCKET}:user:x")):
        assert error(a_session().received(sign_in('{"id":"u"}', auth=auth)))[0] == 4009


def test_signing_in_again_as_the_same_is_fine_and_as_another_is_not() -> None:
    session = a_session()
    session.received(sign_in('{"id":"u"}'))
    assert session.received(sign_in('{"id":"u","watchlist":["v"]}'))[1] == SignIn("u", ("v",))
    assert error(session.received(sign_in('{"id":"w"}')))[0] == 4009
    assert isinstance(session.received(subscribe("#server-to-user-u", auth=""))[0], Subscribe)
    assert refused(session.received(subscribe("#server-to-user-w")))[0] == "AuthError"


def test_signing_in_may_be_off() -> None:
    code, message = error(a_session(user_authentication=False).received(sign_in('{"id":"u"}')))
    assert code is None
    assert "user_authentication" in message


def test_a_watchlist_is_cut_to_its_first_hundred_without_repetitions() -> None:
    names = [f"u{number}" for number in range(MAX_WATCHLIST)]
    effects = a_session().received(sign_in(json.dumps({"id": "u", "watchlist": [*names[:50], *names[:50]]})))
    assert list(effects[1:]) == [SignIn("u", tuple(names[:50]))]
    assert len(a_session().received(sign_in(json.dumps({"id": "u", "watchlist": names})))) == 2
    _, signed_in, too_long = a_session().received(sign_in(json.dumps({"id": "u", "watchlist": [*names, "v"]})))
    assert signed_in == SignIn("u", tuple(names))
    assert error([too_long])[0] == 4302


def test_a_watchlist_is_nothing_where_the_app_has_none() -> None:
    effects = a_session(watchlist=False).received(sign_in('{"id":"u","watchlist":["v"]}'))
    assert effects[1:] == (SignIn("u", ()),)
