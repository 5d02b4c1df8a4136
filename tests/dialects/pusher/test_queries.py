"""What a backend may ask about channels, users and sockets, as values out of a real crowd."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.hub import Crowd
from pushery.dialects.pusher import queries
from pushery.dialects.pusher.requests import OF_CHANNEL
from tests.dialects.pusher.crowds import a_crowd, keep, sign_in, socket_of, subscribe


@pytest.fixture
def crowd() -> Crowd:
    """Three sockets: two of user "7", one of "8"."""
    crowd = a_crowd("1.1", "2.2", "3.3")
    for socket_id, user_id in (("1.1", "7"), ("2.2", "7"), ("3.3", "8")):
        subscribe(crowd, "presence-r", socket_id, user_id, b'{"n":%b}' % user_id.encode())
    subscribe(crowd, "news", "1.1")
    subscribe(crowd, "cache-p", "3.3")
    keep(crowd, "cache-p", '{"v":1}', until=1060.9)
    return crowd


def plain(answer: queries.Answer) -> Any:
    """An answer as its reader sees it."""
    return msgspec.json.decode(msgspec.json.encode(answer))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("presence-r", {"user_count": 2, "subscription_count": 3}),
        ("presence-nobody", {"user_count": 0, "subscription_count": 0}),
        ("news", {"subscription_count": 1}),
        ("nobody", {"subscription_count": 0}),
        ("cache-p", {"subscription_count": 1, "cache": {"data": '{"v":1}', "ttl": 60}}),
        ("cache-nobody", {"subscription_count": 0, "cache": None}),
        ("presence-cache-nobody", {"user_count": 0, "subscription_count": 0, "cache": None}),
    ],
)
def test_a_channel_tells_the_attributes_that_it_has(crowd: Crowd, name: str, answer: dict[str, object]) -> None:
    assert plain(queries.about_channel(crowd.channels, name, OF_CHANNEL, 1000.0)) == answer
    assert queries.about_channel(crowd.channels, name, (), 1000.0) == {}


def test_what_a_channel_keeps_is_gone_when_its_time_is_over(crowd: Crowd) -> None:
    assert queries.about_channel(crowd.channels, "cache-p", ("cache",), 1060.5)["cache"] == {
        "data": '{"v":1}',
        "ttl": 0,
    }
    assert queries.about_channel(crowd.channels, "cache-p", ("cache",), 1060.9) == {"cache": None}


def test_a_channel_is_occupied_while_somebody_is_subscribed(crowd: Crowd) -> None:
    assert queries.one_channel(crowd.channels, "news", (), 0.0) == {"occupied": True}
    assert queries.one_channel(crowd.channels, "nobody", (), 0.0) == {"occupied": False}
    crowd.channels.unsubscribe(crowd.channels.by_name["news"], socket_of(crowd, "1.1"))
    assert queries.one_channel(crowd.channels, "news", (), 0.0) == {"occupied": False}


def test_all_occupied_channels_are_listed(crowd: Crowd) -> None:
    assert queries.all_channels(crowd.channels, "", (), 0.0) == {
        "channels": {"cache-p": {}, "news": {}, "presence-r": {}}
    }
    listed = queries.all_channels(crowd.channels, "presence-", ("user_count",), 0.0)
    assert listed == {"channels": {"presence-r": {"user_count": 2}}}
    assert queries.all_channels(crowd.channels, "z", (), 0.0) == {"channels": {}}


def test_stats_tell_sockets_and_users(crowd: Crowd) -> None:
    stats = [queries.channel_stats(crowd.channels, name) for name in ("presence-r", "news", "nobody")]
    assert stats == [
        {"occupied": True, "user_count": 2, "connection_count": 3},
        {"occupied": True, "user_count": None, "connection_count": 1},
        {"occupied": False, "user_count": None, "connection_count": 0},
    ]


def test_users_are_told_once_each_with_what_is_known_of_them_on_request(crowd: Crowd) -> None:
    assert plain(queries.channel_users(crowd.channels, "presence-r", with_info=False)) == {
        "users": [{"id": "7"}, {"id": "8"}]
    }
    assert plain(queries.channel_users(crowd.channels, "presence-r", with_info=True)) == {
        "users": [{"id": "7", "user_info": {"n": 7}}, {"id": "8", "user_info": {"n": 8}}]
    }
    assert queries.channel_users(crowd.channels, "presence-nobody", with_info=True) == {"users": []}


def test_a_socket_is_told_with_its_user_and_channels(crowd: Crowd) -> None:
    sign_in(crowd, "7", "1.1")
    row = {
        "socket_id": "1.1",
        "user_id": "7",
        "since_ms": 1353088179000,
        "channels": ["presence-r", "news"],
    }
    assert queries.user_sockets(crowd, "7") == {"sockets": [row]}
    assert queries.user_sockets(crowd, "8") == {"sockets": []}
    assert queries.sockets_page(crowd, 1, "") == {"sockets": [row], "next": "1.1"}


def test_a_page_past_the_end_is_empty(crowd: Crowd) -> None:
    assert queries.sockets_page(crowd, 10, "9.9") == {"sockets": [], "next": None}
    assert queries.sockets_page(a_crowd(), 10, "") == {"sockets": [], "next": None}


@given(names=st.sets(st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True), max_size=12), limit=st.integers(1, 5))
def test_pages_together_have_every_socket_once(names: set[str], limit: int) -> None:
    crowd, found, after = a_crowd(*names), [], ""
    while True:
        page: Any = queries.sockets_page(crowd, limit, after)
        assert len(page["sockets"]) <= limit
        found += [row["socket_id"] for row in page["sockets"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == sorted(names)
