"""The sockets of an app in the console: a list to search, one with all about it, and a way to close it."""

from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from pushery.core.codes import TERMINATED
from pushery.testing.account import TestingApp
from pushery.testing.clients import ChannelClient, TagClient
from tests.console.signedin import Visitor, account, refusal
from tests.support.raw import RawConnection
from tests.support.server import ServerProcess, wait_until

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def operator(shared: ServerProcess) -> Visitor:
    return Visitor(shared)


@pytest.fixture
def app(shared: ServerProcess) -> TestingApp:
    return account(shared, shared.register())


@pytest.fixture
def tagged(app: TestingApp) -> Iterator[TagClient]:
    with TagClient(app, "Anna:1") as client:
        yield client


@pytest.fixture
def talker(app: TestingApp) -> Iterator[ChannelClient]:
    """A client on two channels."""
    with ChannelClient(app) as client:
        client.subscribe("news")
        client.subscribe("private-orders")
        yield client


def path(app: TestingApp) -> str:
    return f"/apps/{app.key}/sockets"


def test_both_kinds_of_sockets_are_listed(
    operator: Visitor, app: TestingApp, tagged: TagClient, talker: ChannelClient
) -> None:
    found = operator.seen(path(app))
    by_channels, by_tag = found["sockets"]
    assert found["total"] == 2
    assert by_channels["address"].startswith("127.0.0.1:")
    assert by_channels["since_ms"] > 1_600_000_000_000
    assert by_channels | {"address": "", "since_ms": 0} == {
        "id": talker.socket_id,
        "dialect": "pusher",
        "tag": None,
        "user_id": None,
        "address": "",
        "since_ms": 0,
        "channels": 2,
        "waiting_bytes": 0,
        "slow": False,
    }
    assert by_tag["id"].startswith("tag-")
    assert (by_tag["dialect"], by_tag["tag"], by_tag["since_ms"], by_tag["channels"]) == ("gopusher", "Anna:1", None, 0)


def test_a_socket_shows_what_it_is_on(operator: Visitor, app: TestingApp, talker: ChannelClient) -> None:
    shown = operator.seen(f"{path(app)}/{talker.socket_id}")
    assert (shown["channel_names"], shown["watchlist"]) == (["news", "private-orders"], [])


def test_sockets_come_in_pages(operator: Visitor, app: TestingApp) -> None:
    with ExitStack() as stack:
        for number in range(5):
            stack.enter_context(TagClient(app, f"t{number}"))
        pages = [operator.seen(f"{path(app)}?limit=2&offset={offset}") for offset in (0, 2, 4, 6)]
    assert [len(page["sockets"]) for page in pages] == [2, 2, 1, 0]
    assert {page["total"] for page in pages} == {5}
    assert {row["tag"] for page in pages for row in page["sockets"]} == {f"t{number}" for number in range(5)}


def test_a_socket_is_found_by_its_id_its_tag_and_its_address(
    operator: Visitor, app: TestingApp, tagged: TagClient, talker: ChannelClient
) -> None:
    [by_channels, by_tag] = operator.seen(path(app))["sockets"]
    for text, row in (
        (talker.socket_id[3:], by_channels),
        ("aNNa", by_tag),
        (by_tag["id"], by_tag),
        (by_channels["address"], by_channels),
    ):
        assert operator.seen(f"{path(app)}?search={quote(text)}") == {"total": 1, "sockets": [row]}
    assert operator.seen(f"{path(app)}?search=nobody") == {"total": 0, "sockets": []}
    assert operator.seen(f"{path(app)}?search=127.0.0.1&limit=1")["total"] == 2


def test_a_socket_of_either_kind_is_closed(
    operator: Visitor, app: TestingApp, tagged: TagClient, talker: ChannelClient
) -> None:
    names = [row["id"] for row in operator.seen(path(app))["sockets"]]
    for name, client in zip(names, (talker, tagged), strict=True):
        assert operator.done("DELETE", f"{path(app)}/{name}") == {"disconnected": True}
        assert client.wait_closed() == TERMINATED.code
    wait_until(lambda: operator.seen(path(app))["total"] == 0, "the sockets to be counted out")


@pytest.mark.parametrize("name", ["1.1", "tag-7f", "tag-", "tag-nonsense", "tag-" + "9" * 5000, "%00"])
def test_a_socket_that_is_not_there_is_said_to_be_not_there(operator: Visitor, app: TestingApp, name: str) -> None:
    for method in ("GET", "DELETE"):
        assert refusal(operator.ask(method, f"{path(app)}/{name}")) == (404, "unknown_socket")


def test_a_socket_of_another_app_is_not_there(
    shared: ServerProcess, operator: Visitor, app: TestingApp, talker: ChannelClient
) -> None:
    other = account(shared, shared.register("other"))
    assert refusal(operator.ask("DELETE", f"{path(other)}/{talker.socket_id}")) == (404, "unknown_socket")
    assert operator.seen(path(app))["total"] == 1


def test_a_socket_that_does_not_read_is_said_to_be_slow(shared: ServerProcess, operator: Visitor) -> None:
    app = shared.register("slow")
    path = f"/apps/{app.key}"
    with RawConnection(shared.port, receive_buffer=4096) as client:
        client.open_socket(app.key, "sleepy")
        [socket] = operator.seen(f"{path}/sockets")["sockets"]
        assert (socket["slow"], socket["waiting_bytes"]) == (False, 0)

        def held_up() -> bool:
            operator.done("POST", f"{path}/push", {"content": "x" * 100_000})
            [socket] = operator.seen(f"{path}/sockets")["sockets"]
            return bool(socket["slow"] and socket["waiting_bytes"] > 0)

        wait_until(held_up, "what does not fit into the network to wait in the server")
