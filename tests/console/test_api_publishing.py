"""Publishing from the console: what is delivered, and what is refused in words for people."""

import pytest

from pushery.testing.account import TestingApp
from pushery.testing.clients import ChannelClient, Received, TagClient
from tests.console.signedin import Visitor, account, refusal
from tests.support.server import ServerProcess

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def operator(shared: ServerProcess) -> Visitor:
    return Visitor(shared)


@pytest.fixture
def app(shared: ServerProcess) -> TestingApp:
    return account(shared, shared.register())


@pytest.mark.parametrize(("pattern", "total"), [(None, 2), ("", 2), ("^A", 1), ("^C", 0)])
def test_a_push_reaches_the_tags_that_its_pattern_matches(
    operator: Visitor, app: TestingApp, pattern: str | None, total: int
) -> None:
    with TagClient(app, "A:1") as first, TagClient(app, "B:1") as second:
        sent = {"content": "hällo", "pattern": pattern}
        assert operator.done("POST", f"/apps/{app.key}/push", sent) == {"total": total}
        for client in (first, second)[:total]:
            assert client.receive() == "hällo"


def test_a_push_without_a_pattern_is_for_all(operator: Visitor, app: TestingApp) -> None:
    with TagClient(app, "A:1") as client:
        assert operator.done("POST", f"/apps/{app.key}/push", {"content": "x"}) == {"total": 1}
        assert client.receive() == "x"


def test_an_event_reaches_its_channels_and_its_receivers_are_summed(operator: Visitor, app: TestingApp) -> None:
    with ChannelClient(app) as first, ChannelClient(app) as second:
        first.subscribe("news")
        first.subscribe("sports")
        second.subscribe("news")
        event = {"name": "goal", "channels": ["news", "sports", "empty"], "data": '{"by":7}'}
        assert operator.done("POST", f"/apps/{app.key}/events", event) == {"total": 3}
        assert second.receive() == Received("news", "goal", {"by": 7})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"content": "x", "pattern": "a("}, 400, "invalid_pattern"),
        ({"content": ""}, 400, "malformed_body"),
        ({"pattern": "a"}, 400, "malformed_body"),
        ({"content": "x", "user_tag": "a"}, 400, "malformed_body"),
        (None, 415, "unsupported_media_type"),
    ],
)
def test_a_push_that_cannot_be_is_refused(
    operator: Visitor, app: TestingApp, body: object, status: int, code: str
) -> None:
    assert refusal(operator.ask("POST", f"/apps/{app.key}/push", body)) == (status, code)


def test_of_a_pattern_that_is_none_the_place_of_the_trouble_is_told(operator: Visitor, app: TestingApp) -> None:
    error = operator.ask("POST", f"/apps/{app.key}/push", {"content": "x", "pattern": "ab("}).json["error"]
    assert (error["parameter"], error["position"]) == ("pattern", 2)
    assert error["message"].endswith("at character 3.")  # as the page says of it


EVENT = {"name": "e", "channels": ["news"], "data": "x"}


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"channels": []}, 400, "malformed_body"),
        ({"channels": "news"}, 400, "malformed_body"),
        ({"data": {"a": 1}}, 400, "malformed_body"),
        ({"channel_pattern": "a"}, 400, "malformed_body"),
        ({"name": ""}, 400, "missing_parameter"),
        ({"name": "pusher:error"}, 400, "reserved_event_name"),
        ({"name": "x" * 201}, 400, "invalid_event_name"),
        ({"channels": ["no good"]}, 400, "invalid_channel_name"),
        ({"channels": ["a", "b", "c"]}, 400, "too_many_channels"),
        ({"data": "x" * 101}, 413, "event_too_large"),
        ({"channels": ["news", "private-encrypted-a"]}, 400, "encrypted_channel"),
        ({"channels": ["private-encrypted-cache-a"]}, 400, "encrypted_channel"),
    ],
)
def test_an_event_goes_by_the_rules_and_limits_of_the_app(
    operator: Visitor, app: TestingApp, changed: dict[str, object], status: int, code: str
) -> None:
    path = f"/apps/{app.key}"
    operator.done("PATCH", path, {"settings": {"max_event_channels": 2, "max_event_bytes": 100}})
    answer = operator.ask("POST", f"{path}/events", EVENT | changed)
    assert refusal(answer) == (status, code)
    assert answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"enabled": False}, "app_disabled"), ({"gopusher": False, "pusher": False}, "dialect_disabled")],
)
def test_an_app_that_is_switched_off_publishes_nothing(
    operator: Visitor, app: TestingApp, settings: dict[str, object], code: str
) -> None:
    path = f"/apps/{app.key}"
    operator.done("PATCH", path, {"settings": settings})
    assert refusal(operator.ask("POST", f"{path}/push", {"content": "x"})) == (403, code)
    assert refusal(operator.ask("POST", f"{path}/events", EVENT)) == (403, code)


def test_more_than_the_app_may_publish_is_refused(operator: Visitor, app: TestingApp) -> None:
    path = f"/apps/{app.key}"
    operator.done("PATCH", path, {"settings": {"events_per_second": 1}})
    answers = [operator.ask("POST", f"{path}/push", {"content": "x"}) for _ in range(20)]
    refused = [answer for answer in answers if answer.status != 200]
    assert refusal(refused[0]) == (429, "too_fast")
    assert refused[0].headers["Retry-After"] == "1"
