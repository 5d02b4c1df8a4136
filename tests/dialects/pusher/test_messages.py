"""What clients are told, to the letter."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushery.core.channelnames import kind_of
from pushery.core.channels import Channel, Member
from pushery.core.publications import ChannelEvent
from pushery.dialects.pusher import messages
from pushery.dialects.pusher.messages import PusherVoice

VOICE = PusherVoice()
texts = st.text(st.characters(exclude_categories=["Cs"]))


def member(user_id: str, raw_id: str, info: str = "{}") -> Member:
    """A member of a presence channel."""
    return Member(user_id, raw_id.encode(), info.encode())


def channel(name: str, *members: Member) -> Channel:
    """A channel with these members."""
    made = Channel(name, kind_of(name), {})
    for one in members:
        assert made.roster is not None
        made.roster.arrive(one)
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            messages.established("123.456", 120),
            r'{"event":"pusher:connection_established","data":"{\"socket_id\":\"123.456\",\"activity_timeout\":120}"}',
        ),
        (messages.PONG, '{"event":"pusher:pong","data":"{}"}'),
        (messages.PING, '{"event":"pusher:ping","data":"{}"}'),
        (
            messages.signin_success('{"id":"u1"}'),
            r'{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"u1\\\"}\"}"}',
        ),
        (messages.error(4001, "no"), '{"event":"pusher:error","data":{"code":4001,"message":"no"}}'),
        (messages.error(None, "no"), '{"event":"pusher:error","data":{"code":null,"message":"no"}}'),
        (
            VOICE.subscribed(channel("c")),
            '{"event":"pusher_internal:subscription_succeeded","channel":"c","data":"{}"}',
        ),
        (
            VOICE.subscribed(channel("presence-c", member("a", '"a"', '{"n":1}'), member("7", "7"))),
            r'{"event":"pusher_internal:subscription_succeeded","channel":"presence-c",'
            r'"data":"{\"presence\":{\"ids\":[\"a\",7],\"hash\":{\"a\":{\"n\":1},\"7\":{}},\"count\":2}}"}',
        ),
        (VOICE.cache_miss("cache-c"), '{"event":"pusher:cache_miss","channel":"cache-c","data":"{}"}'),
        (
            VOICE.member_added("presence-c", member("7", "7", '{"n":"a"}')),
            r'{"event":"pusher_internal:member_added","channel":"presence-c",'
            r'"data":"{\"user_id\":7,\"user_info\":{\"n\":\"a\"}}"}',
        ),
        (
            VOICE.member_removed("presence-c", member("a", '"a"')),
            r'{"event":"pusher_internal:member_removed","channel":"presence-c","data":"{\"user_id\":\"a\"}"}',
        ),
        (
            VOICE.subscription_count("c", 3),
            r'{"event":"pusher_internal:subscription_count","channel":"c","data":"{\"subscription_count\":3}"}',
        ),
        (
            VOICE.watched(["u2"], ["u3"]),
            r'{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",'
            r'\"user_ids\":[\"u2\"]},{\"name\":\"offline\",\"user_ids\":[\"u3\"]}]}"}',
        ),
        (
            VOICE.watched([], ["u3"]),
            r'{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",'
            r'\"user_ids\":[\"u3\"]}]}"}',
        ),
        (
            VOICE.event("c", ChannelEvent("App\\Events\\Foo", '{"v":1}')),
            r'{"event":"App\\Events\\Foo","channel":"c","data":"{\"v\":1}"}',
        ),
        (
            VOICE.event("presence-c", ChannelEvent("client-x", "d", user_id="7")),
            '{"event":"client-x","channel":"presence-c","data":"d","user_id":"7"}',
        ),
    ],
)
def test_what_is_said_is_what_the_protocol_says(text: bytes, expected: str) -> None:
    assert text.decode() == expected


@pytest.mark.parametrize(
    ("said", "message", "code"),
    [
        (VOICE.already_subscribed("X"), "Existing subscription to channel X", None),
        (VOICE.not_subscribed("X"), "No current subscription to channel X, or subscription in progress", None),
        (VOICE.relay_unsubscribed("X", "client-e"), None, None),
        (VOICE.relay_too_fast("X", "client-e", 10), None, 4301),
        (VOICE.too_many_channels("X", 3), None, None),
        (VOICE.too_many_members("X", 3), None, None),
    ],
)
def test_a_refusal_begins_with_an_error_whose_data_is_an_object(
    said: tuple[bytes, ...], message: str | None, code: int | None
) -> None:
    first = json.loads(said[0])
    assert first["event"] == "pusher:error"
    assert first["data"]["code"] == code
    if message is not None:
        assert first["data"]["message"] == message
    for further in map(json.loads, said[1:]):
        assert further["channel"] == "X"
        assert isinstance(further["data"], str)


def test_a_refused_subscription_is_told_to_the_channel_too() -> None:
    _, text = messages.subscription_error("private-x", "AuthError", "no", 401)
    assert text.decode() == (
        r'{"event":"pusher:subscription_error","channel":"private-x",'
        r'"data":"{\"type\":\"AuthError\",\"error\":\"no\",\"status\":401}"}'
    )


@given(texts, texts, texts, st.none() | texts)
def test_whatever_is_published_arrives_as_it_was(event: str, where: str, data: str, user_id: str | None) -> None:
    said = json.loads(VOICE.event(where, ChannelEvent(event, data, user_id=user_id)))
    wanted = {"event": event, "channel": where, "data": data}
    assert said == (wanted if user_id is None else {**wanted, "user_id": user_id})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda some: st.lists(some) | st.dictionaries(texts, some)
)


@given(st.dictionaries(texts.filter(bool), json_values, max_size=5))
@settings(max_examples=25, deadline=None)
def test_whoever_is_present_is_in_the_hash_under_the_id(users: dict[str, object]) -> None:
    members = [member(user_id, json.dumps(user_id), json.dumps(info)) for user_id, info in users.items()]
    said = json.loads(VOICE.subscribed(channel("presence-c", *members)))
    assert json.loads(said["data"]) == {"presence": {"ids": list(users), "hash": users, "count": len(users)}}
    for one in members:
        described = {"user_id": one.user_id, "user_info": users[one.user_id]}
        assert json.loads(json.loads(VOICE.member_added("presence-c", one))["data"]) == described
        assert json.loads(json.loads(VOICE.member_updated("presence-c", one))["data"]) == described


@given(texts, texts, texts, st.integers())
def test_every_message_has_data_that_is_a_string_of_json_but_that_of_errors(
    name: str, text: str, kind: str, number: int
) -> None:
    said = [
        messages.error(number, text, name),
        *messages.subscription_error(name, kind, text, number),
        *messages.event_rejected(name, kind, text, number),
        VOICE.cache_miss(name),
        VOICE.subscription_count(name, number),
        VOICE.watched([name], [text]),
        messages.signin_success(text),
        *VOICE.too_many_channels(name, number),
        *VOICE.too_many_members(name, number),
        *VOICE.relay_unsubscribed(name, kind),
        *VOICE.relay_too_fast(name, kind, number),
    ]
    for message in map(json.loads, said):
        if message["event"] == "pusher:error":
            assert message["data"].keys() == {"code", "message"}
        else:
            assert isinstance(json.loads(message["data"]), dict)
