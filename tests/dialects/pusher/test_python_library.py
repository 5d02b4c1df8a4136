"""Requests that Pusher's own Python library makes are understood as it means them. Nothing is sent anywhere."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from pushery.core.apps import Directory
from pushery.core.effects import Inspect, Outcome, PublishEvent, TerminateUser
from pushery.core.exchange import Reply, Request
from pushery.core.publications import ChannelEvent
from pushery.dialects.pusher.rest import PusherApi
from tests.dialects.pusher.backend import KEY, SECRET, StillClock, an_app, segments
from tests.dialects.pusher.crowds import a_crowd, subscribe

library: Any = pytest.importorskip("pusher")

API = PusherApi(Directory([an_app()]), StillClock(), 600.0)
ROUTES = {f"{route.method} {route.path}": route for route in API.routes()}
CROWD = a_crowd("1.2")
subscribe(CROWD, "presence-x", "1.2", "7")


class Backend:
    """Takes what the library would send, and gives it to a route."""

    def __init__(self, client: Any, **options: Any) -> None:
        self.outcome: Outcome | None = None
        self.route = ""

    def send_request(self, request: Any) -> None:
        """Hand over a request as bytes on the wire would be read."""
        target = urlsplit(request.url)
        route = ROUTES[self.route]
        received = Request(request.method, target.path, target.query, {}, request.body)
        assert route.method == request.method
        self.outcome = route.handle(received, segments(target.path, route.path))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library's client, at the time our clock shows."""
    monkeypatch.setattr("pusher.http.time.time", lambda: StillClock().wall_ms() / 1000)
    return library.Pusher("3", KEY, SECRET, ssl=False, host="localhost", backend=Backend)


def http_of(client: Any) -> Backend:
    """The backend that stands in for the network."""
    http = client._pusher_client.http
    assert isinstance(http, Backend)
    return http


def test_an_event_is_understood(client: Any) -> None:
    http_of(client).route = "POST /apps/{app_id}/events"
    client.trigger(["a", "b"], "e", {"x": "é"}, "1.2")
    asked = http_of(client).outcome
    assert isinstance(asked, PublishEvent)
    assert list(asked.events) == [ChannelEvent("e", '{"x": "é"}', ("a", "b"), without="1.2")]
    assert asked.answer(CROWD, [0]) == Reply(200, b"{}")


def test_an_event_to_a_user_is_understood(client: Any) -> None:
    http_of(client).route = "POST /apps/{app_id}/events"
    client.send_to_user("u1", "e", "hello")
    asked = http_of(client).outcome
    assert isinstance(asked, PublishEvent)
    assert list(asked.events) == [ChannelEvent("e", "hello", ("#server-to-user-u1",))]


def test_a_batch_is_understood(client: Any) -> None:
    http_of(client).route = "POST /apps/{app_id}/batch_events"
    client.trigger_batch([{"channel": "a", "name": "e", "data": "1"}, {"channel": "b", "name": "f", "data": "2"}])
    asked = http_of(client).outcome
    assert isinstance(asked, PublishEvent)
    assert list(asked.events) == [ChannelEvent("e", "1", ("a",)), ChannelEvent("f", "2", ("b",))]


def test_questions_are_understood(client: Any) -> None:
    answers = []
    for route, method, arguments in (
        ("GET /apps/{app_id}/channels", "channels_info", ("presence-", ["user_count"])),
        ("GET /apps/{app_id}/channels/{channel}", "channel_info", ("presence-x", ["user_count", "subscription_count"])),
        ("GET /apps/{app_id}/channels/{channel}/users", "users_info", ("presence-x",)),
    ):
        http_of(client).route = route
        getattr(client, method)(*arguments)
        asked = http_of(client).outcome
        assert isinstance(asked, Inspect)
        answers.append(asked.answer(CROWD).body)
    assert answers == [
        b'{"channels":{"presence-x":{"user_count":1}}}',
        b'{"occupied":true,"user_count":1,"subscription_count":1}',
        b'{"users":[{"id":"7"}]}',
    ]


@pytest.mark.parametrize("user_id", ["u1", "a@b=c"])
def test_disconnecting_a_user_is_understood_without_an_app_in_the_path(client: Any, user_id: str) -> None:
    http_of(client).route = "POST /users/{user_id*}/terminate_connections"
    client.terminate_user_connections(user_id)
    asked = http_of(client).outcome
    assert isinstance(asked, TerminateUser)
    assert (asked.app_key, asked.user_id) == (KEY, user_id)
