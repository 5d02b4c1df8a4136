"""Who is online, as the console tells it: numbers, channels, members, tags that a pattern finds."""

from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from pushery.console.api.online import kind_name
from pushery.core.channelnames import KINDS
from pushery.testing.clients import ChannelClient, TagClient
from tests.console.signedin import Visitor, account, refusal
from tests.support.server import ServerProcess, TestApp

pytestmark = pytest.mark.process

TAGS = ["A:1", "A:2", "B:1", "B:1"]


@pytest.fixture(scope="module")
def operator(shared: ServerProcess) -> Visitor:
    return Visitor(shared)


@pytest.fixture(scope="module")
def crowded(shared: ServerProcess) -> Iterator[tuple[TestApp, list[ChannelClient]]]:
    """An app with four clients by tag and two on channels."""
    app = shared.register("crowded")
    known = account(shared, app)
    with ExitStack() as stack:
        for tag in TAGS:
            stack.enter_context(TagClient(known, tag))
        first, second = (stack.enter_context(ChannelClient(known)) for _ in range(2))
        for client in (first, second):
            client.subscribe("news")
            client.subscribe("presence-room", "alice", {"name": "Alice"})
        first.subscribe("cache-prices")
        yield app, [first, second]


@pytest.fixture
def path(crowded: tuple[TestApp, list[ChannelClient]]) -> str:
    """Where the app's routes begin."""
    return f"/apps/{crowded[0].key}"


def test_everybody_is_counted(operator: Visitor, path: str) -> None:
    now = operator.seen(f"{path}/now")
    assert (now["connections"], now["tags"], now["channels"], now["users"]) == (6, 3, 3, 0)
    assert {"pushes", "messages_out"} <= now.keys()


def test_channels_are_listed_by_name_with_their_kind_and_who_is_on_them(operator: Visitor, path: str) -> None:
    assert operator.seen(f"{path}/channels") == {
        "total": 3,
        "channels": [
            {"name": "cache-prices", "kind": "cache", "subscriptions": 1, "users": None},
            {"name": "news", "kind": "public", "subscriptions": 2, "users": None},
            {"name": "presence-room", "kind": "presence", "subscriptions": 2, "users": 1},
        ],
    }


def test_channels_come_by_prefix_and_in_pages(operator: Visitor, path: str) -> None:
    found = operator.seen(f"{path}/channels?prefix=pres")
    assert (found["total"], [row["name"] for row in found["channels"]]) == (1, ["presence-room"])
    page = operator.seen(f"{path}/channels?limit=1&offset=1")
    assert (page["total"], [row["name"] for row in page["channels"]]) == (3, ["news"])
    assert refusal(operator.get(f"{path}/channels?limit=many")) == (400, "malformed_parameter")


def test_a_channel_shows_its_members_and_its_sockets(
    operator: Visitor, path: str, crowded: tuple[TestApp, list[ChannelClient]]
) -> None:
    room = operator.seen(f"{path}/channels/presence-room")
    assert room["members"] == [{"user_id": "alice", "info": {"name": "Alice"}}]
    assert room["sockets"] == [client.socket_id for client in crowded[1]]
    assert (room["subscriptions"], room["users"], room["cached"]) == (2, 1, None)


def test_what_a_cache_channel_keeps_is_shown_also_when_nobody_is_on_it(operator: Visitor, path: str) -> None:
    event = {"name": "quote", "channels": ["cache-prices", "cache-old"], "data": "é"}
    assert operator.done("POST", f"{path}/events", event) == {"total": 1}
    for name, subscriptions in (("cache-prices", 1), ("cache-old", 0)):
        channel = operator.seen(f"{path}/channels/{name}")
        assert channel["cached"] == {"data": "é", "size": 2}
        assert (channel["kind"], channel["subscriptions"]) == ("cache", subscriptions)


def test_a_channel_that_nobody_is_on_is_empty_and_no_error(operator: Visitor, path: str) -> None:
    assert operator.seen(f"{path}/channels/presence-later") == {
        "name": "presence-later",
        "kind": "presence",
        "subscriptions": 0,
        "users": 0,
        "members": [],
        "sockets": [],
        "cached": None,
    }
    assert operator.seen(f"{path}/channels/%23server-to-user-a%2Fb")["kind"] == "user"


@pytest.mark.parametrize("name", ["no good", "ä", "x" * 201, ""])
def test_what_cannot_be_a_channel_is_refused(operator: Visitor, path: str, name: str) -> None:
    assert refusal(operator.get(f"{path}/channels/{quote(name)}")) == (400, "invalid_channel_name")


def test_all_kinds_of_channels_have_a_name_of_their_own() -> None:
    names = [kind_name(kind) for kind in KINDS]
    assert len(set(names)) == len(KINDS)
    assert {"public", "private", "presence-cache", "private-encrypted", "user"} <= set(names)


@pytest.mark.parametrize("pattern", ["", ".*"])
def test_without_a_pattern_all_tags_are_listed(operator: Visitor, path: str, pattern: str) -> None:
    found = operator.seen(f"{path}/tags?pattern={pattern}")
    assert found["tags"] == [{"tag": "A:1", "sockets": 1}, {"tag": "A:2", "sockets": 1}, {"tag": "B:1", "sockets": 2}]
    assert (found["total"], found["matched"], found["problem"]) == (3, 3, None)


@pytest.mark.parametrize(
    ("pattern", "tags"), [("^A:", ["A:1", "A:2"]), (":1$", ["A:1", "B:1"]), ("^B:1$", ["B:1"]), ("^B$", [])]
)
def test_a_pattern_finds_the_tags_that_a_push_would_reach(
    operator: Visitor, path: str, pattern: str, tags: list[str]
) -> None:
    found = operator.seen(f"{path}/tags?pattern={quote(pattern)}")
    assert [row["tag"] for row in found["tags"]] == tags
    assert (found["total"], found["matched"]) == (3, len(tags))
    assert found["took_ms"] >= 0
    pushed = operator.done("POST", f"{path}/push", {"content": "x", "pattern": pattern})
    assert pushed["total"] == sum(row["sockets"] for row in found["tags"])


def test_all_that_match_are_counted_also_when_few_are_shown(operator: Visitor, path: str) -> None:
    found = operator.seen(f"{path}/tags?pattern=1&limit=1")
    assert (found["matched"], [row["tag"] for row in found["tags"]]) == (2, ["A:1"])


def test_a_pattern_that_is_none_is_an_answer_and_no_error(operator: Visitor, path: str) -> None:
    found = operator.seen(f"{path}/tags?pattern=ab(")
    assert found["problem"] == {"message": "missing closing )", "position": 2}
    assert (found["total"], found["matched"], found["tags"]) == (3, 0, [])
