"""One connection: what its messages ask for, and what they are answered."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pushery.core import codes
from pushery.core.apps import Directory
from pushery.core.appsettings import AppSettings
from pushery.core.channelnames import KINDS, kind_of
from pushery.core.channels import Member
from pushery.core.codes import CLOSES, Close
from pushery.core.effects import CloseSocket, Enter, Relay, Send, SignIn, SocketEffect, Subscribe, Unsubscribe
from pushery.dialects.pusher.session import MAX_FAULTS, MAX_WATCHLIST, PusherSession
from tests.dialects.pusher.backend import KEY, SECRET, an_app

SOCKET = "1234.1234"


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


# Liveness.


def test_it_is_counted_in_and_greeted() -> None:
    greeting = (
        r'{"event":"pusher:connection_established",'
        r'"data":"{\"socket_id\":\"1234.1234\",\"activity_timeout\":120}"}'
    )
    assert a_session().opened() == (Enter(KEY, SOCKET, greeting.encode()),)


@pytest.mark.parametrize(
    "message",
    [
        '{"event":"pusher:ping","data":{}}',
        '{"event": "pusher:ping"}',
        '{"event":"pusher:ping","data":""}',
        '{"data":"{}","event":"pusher:ping"}',
        '{"event":"pusher:ping","data":null,"channel":null,"more":[1]}',
    ],
)
def test_a_ping_is_answered_however_a_library_writes_it(message: str) -> None:
    assert a_session().received(message) == (Send(b'{"event":"pusher:pong","data":"{}"}'),)


def test_a_pong_is_not_answered() -> None:
    assert a_session().received('{"event":"pusher:pong","data":"{}"}') == ()


def test_binary_messages_are_no_part_of_the_protocol() -> None:
    assert a_session().received(b"{}") == (CloseSocket(codes.NOT_TEXT),)


def test_an_app_that_has_gone_answers_nothing() -> None:
    app = an_app()
    directory = Directory([app])
    session = PusherSession(directory, app, SOCKET, activity_timeout_s=120, message_limit=100)
    directory.drop(KEY)
    assert session.received('{"event":"pusher:ping"}') == ()


# Messages that make no sense.

NESTED = [
    f'{{"event":"client-x","channel":"private-a","data":{"[" * depth}{"]" * depth}}}' for depth in (985, 995, 9999)
]


@pytest.mark.parametrize(
    "message",
    [
        *(
            "",
            "null",
            "[]",
            "1",
            '"x"',
            "{",
            "{}",
            "nonsense",
            '{"event":1}',
            '{"event":null}',
            '{"event":"pusher:nothing"}',
        ),
        *(
            '{"event":"pusher:subscribe"}',
            '{"event":"pusher:subscribe","data":{}}',
            '{"event":"pusher:subscribe","data":""}',
        ),
        *('{"event":"pusher:subscribe","data":{"channel":1}}', '{"event":"pusher:subscribe","data":"{"}'),
        *(
            '{"event":"pusher:unsubscribe","data":[]}',
            '{"event":"pusher:signin","data":{"auth":""}}',
            '{"event":"client-x"}',
        ),
        *(
            '{"event":"client-x","channel":"a b"}',
            '{"event":"client-x","channel":""}',
            '{"event":"x","data":"\\ud800"}',
        ),
        *('{"event":"pusher:subscribe","data":{"channel":"a","auth":1}}', '{"event":"pusher:error"}', NESTED[2]),
    ],
)
def test_a_message_that_makes_no_sense_is_answered_and_too_many_close(message: str) -> None:
    session = a_session()
    for _ in range(MAX_FAULTS):
        code, text = error(session.received(message))
        assert code is None
        assert text
    assert session.received(message) == (CloseSocket(codes.MALFORMED),)


def test_json_that_is_nested_too_deep_to_be_written_anew_is_a_fault_like_any_other() -> None:
    for depth in range(900, 1010):
        nested = '{"a":' * depth + "1" + "}" * depth
        session = a_session()
        for message in (
            f'{{"event":"client-x","channel":"private-a","data":{nested}}}',
            subscribe("presence-a", f'{{"user_id":1,"user_info":{nested}}}'),
            sign_in(f'{{"id":"u","user_info":{nested}}}'),
        ):
            assert session.received(message)


def test_an_event_of_a_client_needs_its_prefix() -> None:
    message = "Client event rejected - client events must be prefixed by 'client-'"
    for event in ("x", "clientx", "Client-x", "pusher_internal:member_added"):
        assert error(a_session().received(json.dumps({"event": event, "channel": "private-a"}))) == (None, message)


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
        f'{{"user_id":1,"user_info":{"[" * 5000}{"]" * 5000}}}',
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


# Client events.


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ('{"on" : true}', '{"on":true}'),
        ('"plain"', "plain"),
        ('  "plain"', "plain"),
        ('"{\\"on\\": true}"', '{"on": true}'),
        ('"ä\\u0000"', "ä\0"),
        ("null", "null"),
        ("1.50", "1.50"),
        ('[ "a  b" ]', '["a  b"]'),
        ('""', ""),
    ],
)
def test_the_data_of_a_client_event_is_relayed_as_text(data: str, text: str) -> None:
    message = f'{{"event":"client-x","channel":"private-a","data":{data},"user_id":"9"}}'
    assert a_session().received(message) == (Relay("private-a", "client-x", text),)


def test_a_client_event_without_data_has_null() -> None:
    assert a_session().received('{"event":"client-x","channel":"presence-a"}') == (
        Relay("presence-a", "client-x", "null"),
    )


def rejected(effects: Sequence[SocketEffect]) -> tuple[str, dict[str, object]]:
    """Why a client event is rejected, and what the channel is told of it."""
    (code, message), [first, notice] = error(effects), texts(effects)
    assert code is None
    assert first["channel"] == notice["channel"]
    assert notice["event"] == "pushery:client_event_rejected"
    return message, json.loads(notice["data"])


@pytest.mark.parametrize(
    "channel", ["a", "cache-a", "private-encrypted-a", "private-encrypted-cache-a", "#server-to-user-u"]
)
def test_a_client_event_is_for_private_and_presence_channels_alone(channel: str) -> None:
    message = "Client event rejected - only supported on private and presence channels"
    answer = a_session().received(json.dumps({"event": "client-x", "channel": channel, "data": "1"}))
    assert rejected(answer) == (message, {"event": "client-x", "error": message, "code": None})


def test_client_events_may_be_off() -> None:
    message = "To send client events, you must enable this feature in the Settings page of your dashboard."
    answer = a_session(client_events=False).received('{"event":"client-x","channel":"private-a","data":"1"}')
    assert rejected(answer)[0] == message


def test_a_client_event_has_a_short_name_and_not_too_much_data() -> None:
    session = a_session(max_client_event_bytes=10)

    def send(event: str, data: object) -> Sequence[SocketEffect]:
        return session.received(json.dumps({"event": event, "channel": "private-a", "data": data}))

    name = "client-" + "x" * 193
    assert send(name, "x" * 10) == (Relay("private-a", name, "x" * 10),)
    assert "200 characters" in rejected(send(name + "x", "1"))[0]
    assert "10 bytes" in rejected(send("client-x", "x" * 11))[0]
    assert "10 bytes" in rejected(send("client-x", "ä" * 6))[0]
    assert "10 bytes" in rejected(send("client-x", ["x" * 10]))[0]


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


# Closing.


@pytest.mark.parametrize("close", CLOSES, ids=lambda close: close.reason)
def test_before_a_close_of_the_protocols_own_the_error_is_said_and_43xx_never_closes(close: Close) -> None:
    told, last_words = a_session().farewell(close)
    assert not told.code >= 4300
    if told.code < 4000:
        assert last_words is None
    else:
        assert last_words is not None
        assert json.loads(last_words) == {"event": "pusher:error", "data": {"code": told.code, "message": told.reason}}


def test_a_restart_lets_clients_come_back_at_once_and_a_lost_pong_too() -> None:
    session = a_session()
    assert session.farewell(codes.RESTART)[0].code == 4100
    assert session.farewell(codes.NO_PONG)[0].code == 4201
    assert session.farewell(codes.APP_UNREGISTERED)[0].code == 4001
    assert session.farewell(codes.TERMINATED)[1] == (
        b'{"event":"pusher:error","data":{"code":4009,"message":"You got disconnected by the app."}}'
    )


# Whatever comes.

letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | letters,
    lambda some: st.lists(some, max_size=4) | st.dictionaries(letters, some, max_size=4),
    max_leaves=10,
)
events = letters | st.sampled_from(
    ["pusher:ping", "pusher:pong", "pusher:subscribe", "pusher:unsubscribe", "pusher:signin", "client-x", "pusher:x"]
)
channels = letters | st.sampled_from(["a", "private-a", "presence-a", "#server-to-user-u", "private-encrypted-a"])
datas = values | st.fixed_dictionaries(
    {}, optional={"channel": channels | values, "auth": values, "channel_data": values, "user_data": values}
)


def check(effects: Sequence[SocketEffect]) -> None:
    """What is sent is JSON with data, of the one form or the other."""
    for effect in effects:
        if isinstance(effect, Send):
            message = json.loads(effect.text)
            is_error = message["event"] == "pusher:error"
            assert isinstance(message["data"], dict if is_error else str)


@given(st.lists(st.tuples(events, datas, st.none() | channels | values), max_size=5), st.booleans())
def test_no_message_does_more_than_being_answered(said: list[tuple[str, object, object]], as_text: bool) -> None:
    session = a_session()
    for event, data, channel in said:
        message = {"event": event, "data": json.dumps(data) if as_text else data, "channel": channel}
        check(session.received(json.dumps(message)))
        check(session.received(json.dumps(message, ensure_ascii=False)))


@given(st.text())
@example('{"event":"pusher:ping"}')
def test_no_text_does_more_than_being_answered(text: str) -> None:
    session = a_session()
    check(session.received(text))
    check(session.received(f'{{"event":"client-x","channel":"private-a","data":{text}}}'))
    check(session.received(f'{{"event":"pusher:subscribe","data":{text}}}'))


@given(values | st.fixed_dictionaries({"user_id": values, "user_info": values}), letters)
def test_no_data_of_a_backend_does_more_than_being_refused(data: object, text: str) -> None:
    session = a_session()
    for channel_data in (json.dumps(data), json.dumps(data, ensure_ascii=False), text):
        effects = session.received(subscribe("presence-a", channel_data))
        for effect in effects:
            if isinstance(effect, Subscribe):
                assert effect.member is not None
                raw_id = json.loads(effect.member.raw_id)
                assert raw_id == effect.member.user_id or raw_id == json.loads(effect.member.user_id)
                json.loads(effect.member.info)
        check(effects)
    for user_data in (json.dumps(data), json.dumps({"id": text, "user_info": data, "watchlist": [text]}), text):
        check(session.received(sign_in(user_data)))
