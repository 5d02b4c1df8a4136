"""What webhooks were not told, in the console: shown, sent again, dropped."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pushery.console.api.deadletters import told_by
from pushery.testing.clients import ChannelClient
from tests.console.signedin import Visitor, account, refusal
from tests.support.server import ServerProcess, TestApp, wait_until
from tests.workers.receiver import Receiver, receiving

pytestmark = pytest.mark.process

Letters = dict[str, list[dict[str, Any]]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that tries everything once."""
    settings = {"webhook_retry_time": 0, "webhook_hold_back": 0, "webhook_private_addresses": True}
    with ServerProcess(tmp_path_factory.mktemp("letters"), **settings) as running:
        yield running


@pytest.fixture
def app(quick: ServerProcess) -> TestApp:
    return quick.register()


@pytest.fixture
def operator(quick: ServerProcess) -> Visitor:
    return Visitor(quick)


def occupy(server: ServerProcess, app: TestApp, *channels: str) -> None:
    """Have the app's webhook be told of these channels."""
    with ChannelClient(account(server, app)) as client:
        for channel in channels:
            client.subscribe(channel)


@pytest.fixture
def path(operator: Visitor, app: TestApp, receiver: Receiver) -> str:
    """Where the dead letters of the app are, whose webhook is refused whatever it says."""
    receiver.status("/hook", 500)
    webhook = {"url": f"{receiver.url}/hook", "events": ["channel_occupied"]}
    operator.done("PATCH", f"/apps/{app.key}", {"settings": {"webhooks": [webhook]}})
    return f"/apps/{app.key}/dead-letters"


def letters(operator: Visitor, path: str, dead: int) -> Letters:
    """What is there once so many are dead."""

    def all_dead() -> Letters | None:
        found: Letters = operator.seen(path)
        return found if len(found["dead"]) == dead and not found["waiting"] else None

    found = wait_until(all_dead, f"{dead} dead letters")
    assert found is not None
    return found


def test_where_nothing_went_wrong_nothing_is_shown(operator: Visitor, app: TestApp) -> None:
    path = f"/apps/{app.key}/dead-letters"
    assert operator.seen(path) == {"dead": [], "waiting": []}
    assert operator.done("POST", f"{path}/replay", {"ids": None}) == {"count": 0}
    assert operator.done("POST", f"{path}/drop", {"ids": None}) == {"count": 0}


def test_what_was_given_up_is_shown_sent_again_and_dropped(
    quick: ServerProcess, operator: Visitor, app: TestApp, path: str, receiver: Receiver
) -> None:
    occupy(quick, app, "news", "sports", "weather")
    dead = letters(operator, path, 3)["dead"]
    first, second, third = (letter["id"] for letter in dead)
    assert [letter["channel"] for letter in dead] == ["news", "sports", "weather"]
    assert {letter["event"] for letter in dead} == {"channel_occupied"}
    assert "500" in dead[0]["error"]
    assert (dead[0]["url"], dead[0]["attempts"]) == (f"{receiver.url}/hook", 1)
    assert dead[0]["happened_ms"] > 1_600_000_000_000
    assert msgspec.json.decode(dead[0]["body"]) == {"name": "channel_occupied", "channel": "news"}
    assert len(operator.seen(f"{path}?limit=2")["dead"]) == 2

    assert operator.done("POST", f"{path}/drop", {"ids": [first, 10**12]}) == {"count": 1}
    receiver.status("/hook", 200)
    assert operator.done("POST", f"{path}/replay", {"ids": [second]}) == {"count": 1}
    wait_until(lambda: receiver.accepted, "what was sent again")
    assert [event["channel"] for event in receiver.events()] == ["sports"]
    assert [letter["id"] for letter in letters(operator, path, 1)["dead"]] == [third]
    assert operator.done("POST", f"{path}/drop", {"ids": None}) == {"count": 1}


def test_what_waits_is_shown(
    quick: ServerProcess, operator: Visitor, app: TestApp, path: str, receiver: Receiver
) -> None:
    receiver.hang("/hook")
    occupy(quick, app, "news")
    [letter] = wait_until(lambda: operator.seen(path)["waiting"], "what waits")
    assert (letter["event"], letter["channel"], letter["url"]) == ("channel_occupied", "news", f"{receiver.url}/hook")
    assert letter.keys() == {"id", "event", "channel", "happened_ms", "attempts", "error", "url"}


def test_the_letters_of_another_app_stay_where_they_are(
    quick: ServerProcess, operator: Visitor, app: TestApp, path: str
) -> None:
    occupy(quick, app, "news")
    [letter] = letters(operator, path, 1)["dead"]
    other = quick.register("other")
    theirs = f"/apps/{other.key}/dead-letters"
    assert operator.seen(theirs) == {"dead": [], "waiting": []}
    for chosen in ([letter["id"]], None):
        assert operator.done("POST", f"{theirs}/drop", {"ids": chosen}) == {"count": 0}
    assert len(letters(operator, path, 1)["dead"]) == 1


@pytest.mark.parametrize("body", [{}, {"ids": "all"}, {"ids": [1.5]}, {"ids": [1], "all": True}, []])
def test_what_is_meant_has_to_be_said(operator: Visitor, app: TestApp, body: object) -> None:
    path = f"/apps/{app.key}/dead-letters"
    assert refusal(operator.ask("POST", f"{path}/drop", body)) == (400, "malformed_body")


@pytest.mark.parametrize("event", [b"", b"[]", b"\xff", b'{"name":7}'])
def test_an_event_that_cannot_be_read_is_shown_all_the_same(event: bytes) -> None:
    assert told_by(event).name == "?"
