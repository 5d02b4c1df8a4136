"""One connection: what its messages ask for, what they are answered, and that no message does more."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pushery.core import codes
from pushery.core.apps import Directory
from pushery.core.codes import CLOSES, Close
from pushery.core.effects import CloseSocket, Enter, Relay, Send, SocketEffect, Subscribe
from pushery.dialects.pusher.session import MAX_FAULTS, PusherSession
from tests.dialects.pusher.backend import KEY, an_app
from tests.dialects.pusher.talking import SOCKET, a_session, error, sign_in, subscribe, texts

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
