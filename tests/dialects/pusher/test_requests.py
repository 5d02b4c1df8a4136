"""What a backend wants published: every field, from body and query, within the app's limits, or refused."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.appsettings import AppSettings
from pushery.core.exchange import Request
from pushery.core.publications import MAX_EVENT_NAME, ChannelEvent
from pushery.dialects.pusher.errors import ApiRefusal
from pushery.dialects.pusher.requests import (
    OF_CHANNEL,
    OF_EVENT,
    Wanted,
    read_batch,
    read_event,
    read_idempotency_key,
    read_info,
    read_limit,
    read_raw_event,
)
from pushery.dialects.pusher.signing import Query, read_query
from tests.dialects.pusher.talking import TOO_DEEP

SETTINGS = AppSettings()
NOTHING = Query()
EVENT: dict[str, Any] = {"name": "e", "data": "d", "channels": ["a", "b"]}


def event(query: str = "", settings: AppSettings = SETTINGS, **members: Any) -> Wanted:
    """Read an event with these members of its body; None leaves one of the usual ones out."""
    body = {name: value for name, value in (EVENT | members).items() if value is not None}
    return read_event(json.dumps(body).encode(), read_query(query), settings)


def refused(query: str = "", settings: AppSettings = SETTINGS, **members: Any) -> ApiRefusal:
    """Why an event is refused."""
    with pytest.raises(ApiRefusal) as caught:
        event(query, settings, **members)
    return caught.value


# Where parameters come from.


def test_an_event_comes_in_the_body() -> None:
    wanted = event(socket_id="1.2", info="user_count")
    assert wanted == Wanted(ChannelEvent("e", "d", ("a", "b"), without="1.2"), frozenset({"user_count"}))


def test_an_event_comes_in_the_query() -> None:
    query = read_query("name=e&data=d&channels[]=a&channels[]=b&socket_id=1.2&info=user_count,cache")
    wanted = read_event(b"", query, SETTINGS)
    assert wanted.event == ChannelEvent("e", "d", ("a", "b"), without="1.2")
    assert wanted.info == {"user_count", "cache"}


@pytest.mark.parametrize("query", ["channels[]=c", "channels[0]=c", "channels=c", "channel=c"])
def test_a_channel_may_come_in_the_query_in_every_spelling(query: str) -> None:
    assert event(query, channels=None).event.channels == ("c",)


def test_the_body_beats_the_query() -> None:
    wanted = event("name=x&data=x&channels[]=x&socket_id=9.9&info=cache", socket_id="1.2", info="user_count")
    assert wanted == Wanted(ChannelEvent("e", "d", ("a", "b"), without="1.2"), frozenset({"user_count"}))


def test_null_counts_as_absent() -> None:
    body = b'{"name":null,"data":"d","channel":"c","channels":null,"socket_id":null,"info":null,"channel_pattern":null}'
    assert read_event(body, read_query("name=n"), SETTINGS) == Wanted(ChannelEvent("n", "d", ("c",)))
    body = b'{"name":"n", "channel":"c", "data" : null }'
    assert read_event(body, read_query("data=d"), SETTINGS) == Wanted(ChannelEvent("n", "d", ("c",)))


def test_members_that_mean_nothing_here_are_ignored() -> None:
    assert event(tags={"a": 1}) == event()


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"{", b"{}x", b"\xff", b'{"name":1}', b'{"channels":"a"}'])
def test_a_body_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(ApiRefusal) as caught:
        read_event(body, NOTHING, SETTINGS)
    assert (caught.value.status, caught.value.code) == (400, "malformed_body")
    with pytest.raises(ApiRefusal):
        read_batch(body, SETTINGS)


# Data.


@pytest.mark.parametrize("text", ["", "text", '{"x": "é"}', "\U0001f600\x00", '"', "1"])
def test_text_goes_on_as_it_is(text: str) -> None:
    assert event(data=text).event.data == text


@pytest.mark.parametrize(
    ("sent", "data"),
    [
        (b' { "a" : [1, 2.50, 1e5] , "b" : "x y" } ', '{"a":[1,2.50,1e5],"b":"x y"}'),
        (b"[null]", "[null]"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        ('["é"]'.encode(), '["é"]'),
        (b'["\\u00e9"]', '["\\u00e9"]'),
    ],
)
def test_other_json_goes_on_as_compact_text(sent: bytes, data: str) -> None:
    body = b'{"name":"e","channel":"c","data":%b}' % sent
    assert read_event(body, NOTHING, SETTINGS).event.data == data


@pytest.mark.parametrize("sent", [b'["\xff"]', b'"\xff"', b'"\\ud800"', b"[" * TOO_DEEP + b"]" * TOO_DEEP, b"[1"])
def test_data_that_is_no_text_is_refused(sent: bytes) -> None:
    with pytest.raises(ApiRefusal) as caught:
        read_event(b'{"name":"e","channel":"c","data":%b}' % sent, NOTHING, SETTINGS)
    assert caught.value.code == "malformed_body"


def test_data_is_needed() -> None:
    assert refused(data=None).message == "Missing required parameter: data"
    with pytest.raises(ApiRefusal, match=r"^Missing required parameter: data$"):
        read_event(b'{"name":"e","channel":"c","data":null}', NOTHING, SETTINGS)
    assert event(data="null").event.data == "null"


@pytest.mark.parametrize("data", ["x" * 10_240, "é" * 5_120])
def test_data_may_have_as_many_bytes_as_the_app_allows(data: str) -> None:
    assert event(data=data).event.data == data
    refusal = refused(data=data + "x")
    assert refusal.status == 413
    assert refusal.message == (
        "The data content of this event exceeds the allowed maximum (10240 bytes). "
        "See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info"
    )


def test_the_limit_of_data_is_the_apps() -> None:
    assert "(5 bytes)" in refused(settings=AppSettings(max_event_bytes=5), data="123456").message


# Channels.


def test_a_channel_named_twice_counts_once() -> None:
    assert event(channels=["a", "b", "a"]).event.channels == ("a", "b")


@pytest.mark.parametrize("members", [{"channels": None}, {"channels": []}, {"channels": None, "channel": None}])
def test_a_channel_is_needed(members: dict[str, Any]) -> None:
    assert refused(**members).message == "Missing required parameter: channel"


def test_an_event_goes_to_as_many_channels_as_the_app_allows() -> None:
    names = [f"c{number}" for number in range(101)]
    assert len(event(channels=names[:100]).event.channels) == 100
    assert refused(channels=names).message == "Too many channels (101 > 100)"
    assert refused(settings=AppSettings(max_event_channels=1)).message == "Too many channels (2 > 1)"


@pytest.mark.parametrize("name", ["a", "private-encrypted-x", "x=@,.;_-9", "#server-to-user-é/1", "c" * 200])
def test_a_valid_channel_name_passes(name: str) -> None:
    assert event(channels=[name]).event.channels == (name,)


@pytest.mark.parametrize("name", ["", "a b", "é", "#a", "#server-to-user-", "a:b", "c" * 201, "a\n"])
def test_an_invalid_channel_name_is_refused(name: str) -> None:
    refusal = refused(channels=["ok", name])
    assert refusal.code == "invalid_channel_name"
    assert len(refusal.message) < 250


@pytest.mark.parametrize("name", ["c" * 201, "#server-to-user-" + "u" * 200])
def test_a_channel_name_that_is_too_long_is_told_the_limit(name: str) -> None:
    assert refused(channels=[name]).message == "A channel name has at most 200 characters"


# Name, socket id, info.


@pytest.mark.parametrize("name", ["e", "client-x", "App\\Events\\X", "é" * MAX_EVENT_NAME, "pushering"])
def test_a_valid_event_name_passes(name: str) -> None:
    assert event(name=name).event.event == name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (None, "missing_parameter"),
        ("", "missing_parameter"),
        ("n" * (MAX_EVENT_NAME + 1), "invalid_event_name"),
        ("pusher:x", "reserved_event_name"),
        ("pusher_internal:x", "reserved_event_name"),
        ("pushery:x", "reserved_event_name"),
    ],
)
def test_an_invalid_event_name_is_refused(name: str | None, code: str) -> None:
    assert refused(name=name).code == code


@pytest.mark.parametrize("socket_id", ["", "1", "1.", ".1", "1.2\n", " 1.2", "1.2.3", "a.b", "١.٢", "1.2:x"])
def test_a_malformed_socket_id_is_refused(socket_id: str) -> None:
    assert refused(socket_id=socket_id).code == "invalid_socket_id"


@pytest.mark.parametrize("text", ["user_count", " user_count , cache,", "receivers,cache", ""])
def test_info_is_a_list_with_commas(text: str) -> None:
    assert read_info(text, OF_EVENT) == {name.strip() for name in text.split(",") if name.strip()}


@pytest.mark.parametrize("text", ["users", "user_count;cache", "receivers"])
def test_an_unknown_attribute_is_refused(text: str) -> None:
    with pytest.raises(ApiRefusal, match="info should be a comma separated list of attributes"):
        read_info(text, OF_CHANNEL)


# A pattern.


def test_a_pattern_stands_instead_of_channels() -> None:
    assert event(channels=None, channel_pattern="^a").event == ChannelEvent("e", "d", (), "^a")
    assert event("channel_pattern=%5Ea", channels=None).event.pattern == "^a"


@pytest.mark.parametrize("members", [{"channel_pattern": "^a"}, {"channels": None, "channel_pattern": ""}])
def test_a_pattern_that_leaves_open_what_is_meant_is_refused(members: dict[str, Any]) -> None:
    assert refused(**members).code == "invalid_channel_pattern"


# Batches.


def batch(*items: Any, settings: AppSettings = SETTINGS) -> list[Wanted]:
    """Read a batch."""
    return read_batch(json.dumps({"batch": items}).encode(), settings)


ITEM = {"name": "e", "data": "d", "channel": "c"}


def test_a_batch_has_events_with_one_channel_each_in_order() -> None:
    wanted = batch(ITEM, ITEM | {"channel": "b", "socket_id": "1.2", "info": "user_count", "data": [1, 2]})
    assert wanted == [
        Wanted(ChannelEvent("e", "d", ("c",))),
        Wanted(ChannelEvent("e", "[1,2]", ("b",), without="1.2"), frozenset({"user_count"})),
    ]


def test_a_batch_has_as_many_events_as_the_app_allows() -> None:
    assert len(batch(*[ITEM] * 10)) == 10
    with pytest.raises(ApiRefusal, match=r"^Batch too large \(11 > 10\)$"):
        batch(*[ITEM] * 11)
    with pytest.raises(ApiRefusal, match=r"^Batch too large \(2 > 1\)$"):
        batch(ITEM, ITEM, settings=AppSettings(max_batch=1))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"batch":[]}', b'{"batch":null}'])
def test_a_batch_without_events_is_refused(body: bytes) -> None:
    with pytest.raises(ApiRefusal, match=r"^Missing required parameter: batch$"):
        read_batch(body, SETTINGS)


@pytest.mark.parametrize("without", list(ITEM))
def test_an_event_of_a_batch_needs_everything(without: str) -> None:
    with pytest.raises(ApiRefusal, match=f"^Missing required parameter: {without}$"):
        batch(ITEM, {name: value for name, value in ITEM.items() if name != without})
    with pytest.raises(ApiRefusal, match=f"^Missing required parameter: {without}$"):
        batch(ITEM, ITEM | {without: None})


# The deprecated way.


def test_the_body_of_a_raw_event_is_its_data() -> None:
    query = read_query("name=e&socket_id=1.2")
    wanted = read_raw_event("c", '{"x": "é"}'.encode(), query, SETTINGS)
    assert wanted == Wanted(ChannelEvent("e", '{"x": "é"}', ("c",), without="1.2"))


def test_a_raw_event_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ApiRefusal, match="UTF-8"):
        read_raw_event("c", b"\xff", read_query("name=e"), SETTINGS)


# Headers and pages.


def keyed(value: bytes | None) -> Request:
    """A request with this Idempotency-Key."""
    return Request("POST", "/", "", {} if value is None else {b"idempotency-key": value}, b"")


@pytest.mark.parametrize("value", [b"a", b'"8e03978e"', b"~" * 255])
def test_an_idempotency_key_is_visible_characters(value: bytes) -> None:
    assert read_idempotency_key(keyed(value)) == value.decode()
    assert read_idempotency_key(keyed(None)) == ""


@pytest.mark.parametrize("value", [b"", b"a b", b"a, b", b"\xe9", b"x" * 256])
def test_another_idempotency_key_is_refused(value: bytes) -> None:
    with pytest.raises(ApiRefusal, match="255 visible"):
        read_idempotency_key(keyed(value))


def test_a_page_has_a_limit() -> None:
    assert [read_limit(read_query(query), 100, 1000) for query in ("", "limit=", "limit=1", "limit=1000")] == [
        100,
        100,
        1,
        1000,
    ]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "9" * 30, "²"])
def test_another_limit_is_refused(limit: str) -> None:
    with pytest.raises(ApiRefusal, match="limit has to be a whole number from 1 to 1000"):
        read_limit(read_query(f"limit={limit}"), 100, 1000)


# Anything at all.

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from(["name", "data", "channel", "channels", "channel_pattern", "socket_id", "info", "batch"]),
    anything | st.lists(st.dictionaries(st.sampled_from(["name", "data", "channel", "info"]), anything), max_size=2),
)
bodies = st.binary(max_size=30) | members.map(lambda value: json.dumps(value).encode())


@given(body=bodies, query=st.text(st.characters(max_codepoint=127), max_size=30))
def test_nothing_makes_reading_raise_but_refusals(body: bytes, query: str) -> None:
    found: list[Wanted] = []
    with contextlib.suppress(ApiRefusal):
        found.append(read_event(body, read_query(query), SETTINGS))
    with contextlib.suppress(ApiRefusal):
        found += read_batch(body, SETTINGS)
    with contextlib.suppress(ApiRefusal):
        found.append(read_raw_event("c", body, read_query(query), SETTINGS))
    for wanted in found:
        assert wanted.event.event
        assert bool(wanted.event.channels) != (wanted.event.pattern is not None)


@given(data=anything.filter(lambda data: data is not None))
def test_data_comes_out_as_the_same_json_or_the_same_text(data: Any) -> None:
    read = read_event(json.dumps(EVENT | {"data": data}).encode(), NOTHING, SETTINGS).event.data
    if isinstance(data, str):
        assert read == data
    else:
        assert json.loads(read) == data
        assert msgspec.json.format(read, indent=-1) == read
