"""The routes of the HTTP API: who may, what is asked of the node, what is answered."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import Directory
from pushery.core.appsettings import AppSettings
from pushery.core.effects import Inspect, Outcome, PublishEvent, TerminateUser
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Crowd
from pushery.core.patterns import PatternError
from pushery.core.publications import ChannelEvent
from pushery.dialects.pusher.errors import ApiRefusal
from pushery.dialects.pusher.rest import MAX_LIMIT, PusherApi
from tests.dialects.pusher.backend import KEY, SECRET, StillClock, an_app, segments, signed
from tests.dialects.pusher.crowds import a_crowd, keep, sign_in, subscribe

T = TypeVar("T")

CLOCK = StillClock()
APP = an_app(more=[("second", "second secret")])
OTHER = an_app(4, "other", "other secret")
SLEEPING = an_app(5, "sleeping", "s", AppSettings(enabled=False))
OF_TAGS = an_app(6, "tags", "s", AppSettings(pusher=False))
API = PusherApi(Directory([APP, OTHER, SLEEPING, OF_TAGS]), CLOCK, 600.0)
ROUTES = {f"{route.method} {route.path}": route for route in API.routes()}

EVENTS = "POST /apps/{app_id}/events"
BATCH = "POST /apps/{app_id}/batch_events"
CHANNELS = "GET /apps/{app_id}/channels"
CHANNEL = "GET /apps/{app_id}/channels/{channel}"
USERS = "GET /apps/{app_id}/channels/{channel}/users"
RAW_EVENT = "POST /apps/{app_id}/channels/{channel}/events"
STATS = "GET /apps/{app_id}/channels/{channel}/stats"
TERMINATE = "POST /apps/{app_id}/users/{user_id*}/terminate_connections"
TERMINATE_BY_KEY = "POST /users/{user_id*}/terminate_connections"
USER_CONNECTIONS = "GET /apps/{app_id}/users/{user_id*}/connections"
CONNECTIONS = "GET /apps/{app_id}/connections"
SOCKETS = "GET /apps/{app_id}/sockets"

EVENT: dict[str, Any] = {"name": "e", "data": "d", "channels": ["a"]}
WELL_FORMED: dict[str, tuple[str, Any, dict[str, str]]] = {
    EVENTS: ("/apps/3/events", EVENT, {}),
    BATCH: ("/apps/3/batch_events", {"batch": [{"name": "e", "data": "d", "channel": "a"}]}, {}),
    CHANNELS: ("/apps/3/channels", None, {}),
    CHANNEL: ("/apps/3/channels/presence-r", None, {}),
    USERS: ("/apps/3/channels/presence-r/users", None, {}),
    RAW_EVENT: ("/apps/3/channels/a/events", {"x": 1}, {"name": "e"}),
    STATS: ("/apps/3/channels/a/stats", None, {}),
    TERMINATE: ("/apps/3/users/u%201/2/terminate_connections", {}, {}),
    TERMINATE_BY_KEY: ("/users/u1/terminate_connections", {}, {}),
    USER_CONNECTIONS: ("/apps/3/users/u1/connections", None, {}),
    CONNECTIONS: ("/apps/3/connections", None, {}),
    SOCKETS: ("/apps/3/sockets", None, {}),
}
PUBLISHING = [EVENTS, BATCH, RAW_EVENT]


def handle(route: str, request: Request) -> Outcome:
    """Give a request to a route as the router does."""
    return ROUTES[route].handle(request, segments(request.path, ROUTES[route].path))


def ask(route: str, body: Any = None, path: str = "", params: Mapping[str, str] | None = None, **more: Any) -> Outcome:
    """Call a route, well-formed but for what is given."""
    usual_path, usual_body, usual_params = WELL_FORMED[route]
    body = usual_body if body is None else body
    sent = b"" if body is None else json.dumps(body).encode()
    method = route.partition(" ")[0]
    return handle(route, signed(method, path or usual_path, sent, usual_params if params is None else params, **more))


def effect(kind: type[T], route: str, *args: Any, **more: Any) -> T:
    """What a route asks for."""
    outcome = ask(route, *args, **more)
    assert isinstance(outcome, kind)
    return outcome


def refused(route: str, *args: Any, **more: Any) -> ApiRefusal:
    """Why a route refuses."""
    with pytest.raises(ApiRefusal) as caught:
        ask(route, *args, **more)
    return caught.value


def value(reply: Reply, status: int = 200) -> Any:
    """The JSON of a reply."""
    assert (reply.status, reply.content_type) == (status, "application/json")
    return json.loads(reply.body)


def looked(crowd: Crowd, route: str, **more: Any) -> Any:
    """What a question is answered with in this crowd."""
    return value(effect(Inspect, route, **more).answer(crowd))


@pytest.fixture
def crowd() -> Crowd:
    """Two sockets of one user on a presence channel, one of them on two more."""
    crowd = a_crowd("1.1", "2.2")
    subscribe(crowd, "presence-r", "1.1", "7", b'{"n":1}')
    subscribe(crowd, "presence-r", "2.2", "7", b'{"n":2}')
    subscribe(crowd, "a", "1.1")
    subscribe(crowd, "cache-p", "1.1")
    keep(crowd, "cache-p", "kept", CLOCK.now + 60.5)
    return crowd


def test_the_api_has_exactly_the_documented_routes() -> None:
    assert list(ROUTES) == list(WELL_FORMED)
    for name, route in ROUTES.items():
        assert route.summary.endswith(".")
        assert route.prefixed == (name != TERMINATE_BY_KEY)


# Who may call what.


@pytest.mark.parametrize("route", WELL_FORMED)
def test_a_signed_request_is_for_the_app_that_signed_it(route: str) -> None:
    outcome = ask(route)
    assert isinstance(outcome, PublishEvent | Inspect | TerminateUser)
    assert outcome.app_key == APP.key


@pytest.mark.parametrize("route", WELL_FORMED)
def test_every_valid_key_of_an_app_may_call_every_route(route: str) -> None:
    outcome = ask(route, key="second", secret="second secret")
    assert isinstance(outcome, PublishEvent | Inspect | TerminateUser)
    assert outcome.app_key == APP.key


@pytest.mark.parametrize("route", WELL_FORMED)
def test_without_the_secret_no_route_does_anything(route: str) -> None:
    assert refused(route, secret="guessed").code == "invalid_signature"
    request = Request(route.partition(" ")[0], WELL_FORMED[route][0], "", {}, b"")
    with pytest.raises(ApiRefusal, match=r"^Missing parameter: auth_key$"):
        handle(route, request)


@pytest.mark.parametrize("route", WELL_FORMED)
def test_a_key_that_no_app_has_is_refused(route: str) -> None:
    refusal = refused(route, key="nobodys")
    assert (refusal.status, refusal.message) == (401, "Unknown auth_key")


@pytest.mark.parametrize("route", [name for name in WELL_FORMED if "app_id" in name])
def test_the_key_of_another_app_is_refused(route: str) -> None:
    assert refused(route, key="other", secret="other secret").code == "unknown_auth_key"
    outcome = ask(route, path=WELL_FORMED[route][0].replace("/3/", "/4/"), key="other", secret="other secret")
    assert not isinstance(outcome, Reply)


@pytest.mark.parametrize("app_id", ["999", "", "03", KEY])
def test_an_unknown_app_id_is_told(app_id: str) -> None:
    refusal = refused(EVENTS, path=f"/apps/{app_id}/events")
    assert (refusal.status, refusal.code) == (404, "unknown_app")


@pytest.mark.parametrize(("number", "key", "word"), [(5, "sleeping", "disabled"), (6, "tags", "switched off")])
@pytest.mark.parametrize("route", [name for name in WELL_FORMED if "app_id" in name])
def test_an_app_that_is_switched_off_is_told_so(route: str, number: int, key: str, word: str) -> None:
    path = WELL_FORMED[route][0].replace("/3/", f"/{number}/")
    refusal = refused(route, path=path, key=key, secret="s")
    assert (refusal.status, refusal.code) == (403, "app_disabled")
    assert word in refusal.message
    assert refused(route, path=path, key=key, secret="guessed").status == 401


def test_time_passes() -> None:
    clock = StillClock()
    api = PusherApi(Directory([APP]), clock, 600.0)
    request = signed("GET", "/apps/3/channels")
    api.channels(request, {"app_id": "3"})
    clock.now_ms += 600_000
    with pytest.raises(ApiRefusal, match=r"^Timestamp expired: "):
        api.channels(request, {"app_id": "3"})


def test_an_app_is_found_as_it_is_now() -> None:
    directory = Directory([APP])
    api = PusherApi(directory, CLOCK, 600.0)
    directory.drop(APP.key)
    with pytest.raises(ApiRefusal, match="Unknown app id"):
        api.channels(signed("GET", "/apps/3/channels"), {"app_id": "3"})


# Publishing.


def test_an_event_is_published_and_answered_with_an_empty_object(crowd: Crowd) -> None:
    asked = effect(PublishEvent, EVENTS, EVENT | {"channels": ["a", "b"], "socket_id": "1.1"})
    assert list(asked.events) == [ChannelEvent("e", "d", ("a", "b"), without="1.1")]
    assert asked.answer(crowd, [3]) == Reply(200, b"{}")
    assert asked.once is None


def test_an_event_may_ask_about_its_channels(crowd: Crowd) -> None:
    body = EVENT | {"channels": ["presence-r", "presence-x", "a", "cache-p"]}
    asked = effect(PublishEvent, EVENTS, body | {"info": "user_count,subscription_count,cache"})
    assert len(asked.events) == 1
    assert value(asked.answer(crowd, [0])) == {
        "channels": {
            "presence-r": {"user_count": 1, "subscription_count": 2},
            "presence-x": {"user_count": 0, "subscription_count": 0},
            "a": {"subscription_count": 1},
            "cache-p": {"subscription_count": 1, "cache": {"data": "kept", "ttl": 60}},
        }
    }


def test_an_event_may_ask_for_its_receivers_channel_by_channel(crowd: Crowd) -> None:
    body = EVENT | {"channels": ["a", "b", "a"], "info": "receivers,subscription_count", "socket_id": "1.1"}
    asked = effect(PublishEvent, EVENTS, body)
    assert [event.channels for event in asked.events] == [("a",), ("b",)]
    assert {event.without for event in asked.events} == {"1.1"}
    assert value(asked.answer(crowd, [5, 0])) == {
        "channels": {"a": {"subscription_count": 1, "receivers": 5}, "b": {"subscription_count": 0, "receivers": 0}}
    }


def test_an_event_may_go_to_a_pattern(crowd: Crowd) -> None:
    body = {"name": "e", "data": "d", "channel_pattern": "^a"}
    asked = effect(PublishEvent, EVENTS, body)
    assert list(asked.events) == [ChannelEvent("e", "d", (), "^a")]
    assert asked.answer(crowd, [3]).body == b"{}"
    assert effect(PublishEvent, EVENTS, body | {"info": "user_count"}).answer(crowd, [3]).body == b"{}"
    assert value(effect(PublishEvent, EVENTS, body | {"info": "receivers"}).answer(crowd, [3])) == {"receivers": 3}


@pytest.mark.parametrize("route", PUBLISHING)
def test_what_the_node_refuses_is_answered(route: str) -> None:
    asked = effect(PublishEvent, route)
    assert asked.bad_pattern(PatternError("missing )", 4)).status == 400
    assert asked.too_fast(10).status == 429


def test_an_event_may_come_in_the_query(crowd: Crowd) -> None:
    query = {"name": "e", "data": "d", "channel": "a"}
    request = signed("POST", "/apps/3/events", params=query)
    outcome = handle(EVENTS, request)
    assert isinstance(outcome, PublishEvent)
    assert list(outcome.events) == [ChannelEvent("e", "d", ("a",))]


def test_a_batch_is_published_in_order(crowd: Crowd) -> None:
    batch = [{"name": name, "data": "d", "channel": "a"} for name in "xyz"]
    asked = effect(PublishEvent, BATCH, {"batch": batch})
    assert [event.event for event in asked.events] == ["x", "y", "z"]
    assert asked.answer(crowd, [1, 1, 1]).body == b"{}"


def test_a_batch_answers_event_by_event_when_any_asks(crowd: Crowd) -> None:
    item = {"name": "e", "data": "d", "channel": "presence-r"}
    batch = [item, item | {"info": "user_count"}, item | {"channel": "a", "info": "user_count,receivers"}]
    asked = effect(PublishEvent, BATCH, {"batch": batch})
    assert value(asked.answer(crowd, [2, 2, 1])) == {"batch": [{}, {"user_count": 1}, {"receivers": 1}]}


def test_a_raw_event_is_accepted(crowd: Crowd) -> None:
    request = signed("POST", "/apps/3/channels/a/events", "é".encode(), {"name": "e", "socket_id": "1.1"})
    asked = handle(RAW_EVENT, request)
    assert isinstance(asked, PublishEvent)
    assert list(asked.events) == [ChannelEvent("e", "é", ("a",), without="1.1")]
    assert value(asked.answer(crowd, [1]), 202) == {}


@pytest.mark.parametrize("route", PUBLISHING)
def test_an_idempotency_key_goes_with_what_is_asked_for(route: str) -> None:
    headers = {b"idempotency-key": b"k1"}
    once = effect(PublishEvent, route, headers=headers).once
    assert once is not None
    assert once.key == "k1"
    assert once.reused().status == 422
    again = effect(PublishEvent, route, headers=headers, key="second", secret="second secret").once
    assert again is not None
    assert again.fingerprint == once.fingerprint
    other = effect(PublishEvent, route, headers=headers, params={"name": "other", "x": "1"}).once
    assert other is not None
    assert other.fingerprint != once.fingerprint


def test_the_fingerprint_covers_body_path_and_arrays() -> None:
    headers = {b"idempotency-key": b"k1"}
    prints = set()
    for request in (
        signed("POST", "/apps/3/events", json.dumps(EVENT).encode(), headers=headers),
        signed("POST", "/apps/3/events", json.dumps(EVENT | {"data": "x"}).encode(), headers=headers),
        signed("POST", "/v1/apps/3/events", json.dumps(EVENT).encode(), headers=headers),
        signed("POST", "/apps/3/events", headers=headers, params={"name": "e", "data": "d", "channels[]": "a"}),
        signed("POST", "/apps/3/events", headers=headers, params={"name": "e", "data": "d", "channels[]": "b"}),
    ):
        asked = API.events(request, {"app_id": "3"})
        assert isinstance(asked, PublishEvent)
        assert asked.once is not None
        prints.add(asked.once.fingerprint)
    assert len(prints) == 5


# Asking.


def test_channels_are_listed(crowd: Crowd) -> None:
    assert looked(crowd, CHANNELS) == {"channels": {"a": {}, "cache-p": {}, "presence-r": {}}}
    assert looked(a_crowd(), CHANNELS) == {"channels": {}}
    params = {"filter_by_prefix": "presence-", "info": "user_count,subscription_count"}
    assert looked(crowd, CHANNELS, params=params) == {
        "channels": {"presence-r": {"user_count": 1, "subscription_count": 2}}
    }


@pytest.mark.parametrize("prefix", ["", "presence", "private-"])
def test_users_are_counted_on_presence_channels_only(prefix: str) -> None:
    refusal = refused(CHANNELS, params={"info": "user_count", "filter_by_prefix": prefix})
    assert (refusal.status, refusal.message) == (
        400,
        "user_count may only be requested for presence channels - "
        "please supply filter_by_prefix begining with presence-",
    )
    refusal = refused(CHANNEL, path="/apps/3/channels/a", params={"info": "user_count"})
    assert (refusal.status, refusal.message) == (
        400,
        "Cannot retrieve the user count unless the channel is a presence channel",
    )


def test_a_channel_tells_of_itself(crowd: Crowd) -> None:
    info = {"info": "user_count,subscription_count"}
    assert looked(crowd, CHANNEL, params=info) == {"occupied": True, "user_count": 1, "subscription_count": 2}
    assert looked(a_crowd(), CHANNEL, params=info) == {"occupied": False, "user_count": 0, "subscription_count": 0}
    cache = {"path": "/apps/3/channels/cache-p", "params": {"info": "cache"}}
    assert looked(crowd, CHANNEL, **cache) == {"occupied": True, "cache": {"data": "kept", "ttl": 60}}
    assert looked(a_crowd(), CHANNEL, **cache) == {"occupied": False, "cache": None}
    user = "/apps/3/channels/%23server-to-user-u%2F1"
    assert looked(crowd, CHANNEL, path=user) == {"occupied": False}


def test_a_channel_without_cache_cannot_be_asked_for_it() -> None:
    assert refused(CHANNEL, params={"info": "cache"}).code == "cache_without_cache_channel"


@pytest.mark.parametrize("route", [CHANNELS, CHANNEL])
@pytest.mark.parametrize("info", ["nothing", "receivers"])
def test_an_unknown_attribute_is_refused(route: str, info: str) -> None:
    assert refused(route, params={"info": info}).message == "info should be a comma separated list of attributes"


@pytest.mark.parametrize("route", [CHANNEL, USERS, STATS, RAW_EVENT])
def test_a_name_that_no_channel_may_have_is_refused(route: str) -> None:
    path = (
        WELL_FORMED[route][0]
        .replace("/channels/presence-r", "/channels/a%20b")
        .replace("/channels/a/", "/channels/a%20b/")
    )
    assert refused(route, path=path).code == "invalid_channel_name"


def test_users_are_listed(crowd: Crowd) -> None:
    assert looked(crowd, USERS) == {"users": [{"id": "7"}]}
    assert looked(crowd, USERS, params={"with_user_info": "1"}) == {"users": [{"id": "7", "user_info": {"n": 2}}]}
    assert looked(crowd, USERS, params={"with_user_info": "0"}) == {"users": [{"id": "7"}]}
    assert looked(a_crowd(), USERS) == {"users": []}
    refusal = refused(USERS, path="/apps/3/channels/a/users")
    assert (refusal.status, refusal.message) == (400, "Users can only be retrieved for presence channels")


def test_stats_are_told(crowd: Crowd) -> None:
    assert looked(crowd, STATS) == {"occupied": True, "user_count": None, "connection_count": 1}


def test_sockets_are_counted_and_listed(crowd: Crowd) -> None:
    sign_in(crowd, "u1", "2.2")
    assert looked(crowd, CONNECTIONS) == {"connections": 2}
    first = looked(crowd, SOCKETS, params={"limit": "1"})
    assert [row["socket_id"] for row in first["sockets"]] == ["1.1"]
    rest = looked(crowd, SOCKETS, params={"after": first["next"]})
    assert [row["socket_id"] for row in rest["sockets"]] == ["2.2"]
    assert rest["next"] is None
    assert looked(crowd, USER_CONNECTIONS) == {"sockets": rest["sockets"]}
    assert refused(SOCKETS, params={"limit": str(MAX_LIMIT + 1)}).code == "invalid_limit"


# Disconnecting.


@pytest.mark.parametrize(
    ("route", "path", "user_id"),
    [
        (TERMINATE, "/apps/3/users/u%201/2/terminate_connections", "u 1/2"),
        (TERMINATE, "/apps/3/users/a%2Fb/terminate_connections", "a/b"),
        (TERMINATE_BY_KEY, "/users/u1/terminate_connections", "u1"),
        (TERMINATE_BY_KEY, "/users/a/b/terminate_connections", "a/b"),
    ],
)
def test_a_user_is_disconnected(route: str, path: str, user_id: str) -> None:
    asked = effect(TerminateUser, route, path=path)
    assert asked.user_id == user_id
    assert asked.answer(0) == asked.answer(2) == Reply(200, b"{}")


@pytest.mark.parametrize("route", [TERMINATE, USER_CONNECTIONS])
def test_a_user_needs_an_id(route: str) -> None:
    path = route.partition(" ")[2].replace("{app_id}", "3").replace("{user_id*}", "")
    assert refused(route, path=path).message == "Missing required parameter: user_id"


# Anything at all.


@given(
    route=st.sampled_from(list(WELL_FORMED)),
    body=st.binary(max_size=40),
    params=st.dictionaries(
        st.sampled_from(["info", "limit", "after", "name", "data", "channel", "channels[]", "filter_by_prefix"]),
        st.text(max_size=10),
    ),
)
def test_nothing_signed_makes_a_route_raise_but_refusals(route: str, body: bytes, params: dict[str, str]) -> None:
    request = signed(route.partition(" ")[0], WELL_FORMED[route][0], body, params)
    try:
        outcome = handle(route, request)
    except ApiRefusal as refusal:
        outcome = refusal.reply()
    if isinstance(outcome, Inspect):
        outcome = outcome.answer(a_crowd())
    elif isinstance(outcome, PublishEvent):
        outcome = outcome.answer(a_crowd(), [0] * len(outcome.events))
    elif isinstance(outcome, TerminateUser):
        outcome = outcome.answer(0)
    assert isinstance(outcome, Reply)
    assert outcome.status in (200, 202, 400, 401, 413)
    assert SECRET.encode() not in outcome.body
