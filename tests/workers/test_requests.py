"""Bodies, signatures, headers and filters of webhook requests, as values."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import KeyPair
from pushery.core.appsettings import HOOK_EVENTS, Webhook
from pushery.core.hookevents import HookEvent
from pushery.workers import requests
from tests.workers.worlds import added, occupied, removed, said, vacated

PAIR = KeyPair(key="278d425bdf160c739803", secret="7ad3773142a6692b25b8")


def test_the_signature_is_that_of_the_protocols_example() -> None:
    content = requests.body(1327078148132, [msgspec.json.encode(occupied("my-channel"))])
    assert content == b'{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}'
    assert requests.headers(PAIR, content) == {
        "Content-Type": "application/json",
        "X-Pusher-Key": PAIR.key,
        "X-Pusher-Signature": "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf",
    }


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.integers(0, 2**53), st.lists(st.builds(said, texts, texts)))
def test_a_body_is_compact_json_in_the_order_of_the_events(time_ms: int, events: list[HookEvent]) -> None:
    content = requests.body(time_ms, [msgspec.json.encode(event) for event in events])
    decoded = json.loads(content)
    assert json.dumps(decoded, separators=(",", ":"), ensure_ascii=False) == json.dumps(
        json.loads(content.decode()), separators=(",", ":"), ensure_ascii=False
    )
    assert decoded["time_ms"] == time_ms
    assert [list(event) for event in decoded["events"]] == [["name", "channel", "event", "data", "socket_id"]] * len(
        events
    )
    assert [(event["channel"], event["data"]) for event in decoded["events"]] == [
        (event.channel, event.data) for event in events
    ]


@pytest.mark.parametrize(
    "name",
    ["Content-Type", "content-length", "HOST", "X-Pusher-Anything", "Transfer-Encoding", "a b", "", "x:", "x\r\ny"],
)
def test_headers_that_are_ours_or_no_headers_are_left_out(name: str) -> None:
    assert set(requests.own_headers({name: "1"})) == {"User-Agent"}


def test_values_that_would_end_a_header_are_left_out() -> None:
    assert requests.own_headers({"a": "1\r\nb: 2", "c": "é", "d": "\u20ac", "User-Agent": "mine"}) == {
        "c": "é",
        "User-Agent": "mine",
    }


def test_filters_let_through_what_they_name() -> None:
    rooms = Webhook(url="u", channel_prefix="room-", channel_suffix="-x")
    members = Webhook(url="v", events=("member_added", "connected"))
    connected = HookEvent("connected", socket_id="1.1")
    assert requests.wants(rooms, occupied("room-1-x"))
    assert not requests.wants(rooms, occupied("room-1"))
    assert not requests.wants(rooms, occupied("a-room-1-x"))
    assert not requests.wants(rooms, connected)
    assert requests.wants(members, connected)
    assert not requests.wants(members, occupied("a"))
    assert requests.urls([rooms, members, rooms], added("room-1-x", "u")) == ["u", "v"]
    assert requests.follows([members], removed("a", "u"))
    assert not requests.follows([members], vacated("a"))


def test_a_webhook_that_names_no_events_wants_those_of_the_protocol_only() -> None:
    every = Webhook(url="u")
    told = [name for name in HOOK_EVENTS if requests.wants(every, HookEvent(name))]
    assert told == [name for name in HOOK_EVENTS if name not in ("connected", "disconnected")]
    assert len(told) == 7
    for name in HOOK_EVENTS:
        assert requests.wants(Webhook(url="u", events=(name,)), HookEvent(name))


def test_events_without_a_channel_keep_their_order_with_their_socket() -> None:
    assert requests.lane_of(occupied("a")) == requests.lane_of(said("a", "x"))
    lanes = {requests.lane_of(HookEvent(name, socket_id="1.1")) for name in ("connected", "disconnected")}
    assert lanes == {" 1.1"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@example.org:8443/hook?token=secret#x", "https://example.org:8443/hook"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://[", "(not a URL)"),
        ("http://a:999999/", "(not a URL)"),
    ],
)
def test_the_log_shows_no_secret_of_a_url(url: str, shown: str) -> None:
    assert requests.shown(url) == shown


@given(st.text())
def test_any_text_can_be_shown(url: str) -> None:
    requests.shown(url)
