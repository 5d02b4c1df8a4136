"""The console's live feed over a real server: what a page is told, and what it is not."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from pushery.console.stream import MOST
from tests.console.signedin import Visitor
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process


class Page:
    """A page's connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        assert self._next()["event"] == "pusher:connection_established"

    def _next(self) -> Any:
        return json.loads(self.socket.recv(DEADLINE_S))

    def subscribe(self, channel: str) -> str:
        """Subscribe; returns the event that answers, which may stand behind others."""
        self.socket.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}}))
        return str(self.until(lambda said: "subscription_" in said["event"] and said["channel"] == channel)["event"])

    def unsubscribe(self, channel: str) -> None:
        self.socket.send(json.dumps({"event": "pusher:unsubscribe", "data": {"channel": channel}}))

    def until(self, fits: Any) -> Any:
        """The next message that fits; what comes before is skipped."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            said = self._next()
            if fits(said):
                return said
        raise AssertionError("it never came")

    def told(self, channel: str) -> Any:
        """The data of the next event on a channel."""
        said = self.until(lambda said: said.get("channel") == channel and not said["event"].startswith("pusher_int"))
        return json.loads(said["data"])

    def sightings(self, app: TestApp, count: int) -> list[Any]:
        """The next so many sightings of an app's stream."""
        seen: list[Any] = []
        while len(seen) < count:
            seen += self.told(f"private-stream-{app.key}")["sightings"]
        return seen


@contextmanager
def page(visitor: Visitor, origin: str | None = None) -> Iterator[Page]:
    """A page of the console, connected."""
    port = visitor.server.admin_port
    with connect(
        f"ws://127.0.0.1:{port}/console/feed?protocol=7",
        origin=Origin(origin or f"http://127.0.0.1:{port}"),
        additional_headers={"Cookie": visitor.cookie},
    ) as socket:
        yield Page(socket)


def test_the_overview_is_read_once_a_second(shared: ServerProcess) -> None:
    app = shared.register()
    with page(Visitor(shared)) as shown, shared.client(app, "joe"):
        assert shown.subscribe("private-overview") == "pusher_internal:subscription_succeeded"
        first = shown.told("private-overview")
        shared.push(app, "hello")
        readings = [shown.told("private-overview") for _ in range(2)]
    assert first["connections"] == 1  # the page itself is not counted
    assert 500 < readings[0]["at_ms"] - first["at_ms"] < 2000
    assert sum(reading["pushes_per_s"] for reading in readings) == pytest.approx(1, rel=0.5)
    assert readings[-1]["totals"]["pushes"] - first["totals"]["pushes"] == 1
    assert max(reading["p99_ms"] or 0 for reading in readings) > 0


def test_an_apps_readings_are_its_own(shared: ServerProcess) -> None:
    app, other = shared.register(), shared.register()
    with page(Visitor(shared)) as shown, shared.client(app, "joe"), shared.client(other, "ann"):
        shown.subscribe(f"private-app-{app.key}")
        shown.told(f"private-app-{app.key}")
        shared.push(other, "elsewhere")
        shared.push(app, "hello")
        reading = shown.told(f"private-app-{app.key}")
    assert (reading["connections"], reading["tags"], reading["totals"]) == (
        1,
        1,
        {"pushes": 1, "deliveries": 1, "slow_clients": 0, "errors": 0},
    )


def test_the_stream_shows_what_happens_in_one_app_while_it_happens(shared: ServerProcess) -> None:
    app, other = shared.register(), shared.register()
    with page(Visitor(shared)) as shown:
        shown.subscribe(f"private-stream-{app.key}")
        shown.subscribe("private-overview")
        shown.told("private-overview")  # by now it looks
        with shared.client(app, "joe"), shared.client(other, "ann"):
            shared.push(app, "hello", "^joe$")
            shared.push(other, "elsewhere")
            shared.request("POST", f"/api/push/{app.key}", {"content": "x", "user_tag": "["}, app.auth)
        seen = shown.sightings(app, 4)
    assert [sighting["kind"] for sighting in seen] == ["connected", "push", "refused", "disconnected"]
    assert (seen[1]["data"], seen[1]["pattern"], seen[1]["receivers"]) == ("hello", "^joe$", 1)
    assert seen[2]["reason"] == "400 invalid_pattern"


def test_a_flood_is_sampled_and_counted(shared: ServerProcess) -> None:
    app = shared.register()
    channel, count = f"private-stream-{app.key}", 600
    with page(Visitor(shared)) as shown:
        shown.subscribe(channel)
        shown.subscribe("private-overview")
        shown.told("private-overview")
        connection = HTTPConnection("127.0.0.1", shared.admin_port, timeout=DEADLINE_S)
        push = f"POST /api/push/{app.key} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        push += f"Authorization: {_basic(app)}\r\nContent-Length: 9\r\n\r\ncontent=x"
        connection.connect()
        connection.sock.sendall(push.encode() * count)
        seen = 0
        while seen < count:
            told = shown.told(channel)
            seen += told["seen"]
            assert len(told["sightings"]) <= MOST
        connection.close()
    assert seen == count


def _basic(app: TestApp) -> str:
    return "Basic " + b64encode(":".join(app.auth).encode()).decode()


def test_nobody_is_watched_any_more_when_nobody_looks(shared: ServerProcess) -> None:
    app = shared.register()
    with page(Visitor(shared)) as shown:
        shown.subscribe(f"private-stream-{app.key}")
        shown.subscribe("private-overview")
        shown.told("private-overview")
        shown.unsubscribe(f"private-stream-{app.key}")
        shown.told("private-overview")
        shown.told("private-overview")
        shared.push(app, "unseen")
        shown.subscribe(f"private-stream-{app.key}")
        shown.told("private-overview")
        shared.push(app, "seen")
        assert [sighting["data"] for sighting in shown.sightings(app, 1)] == ["seen"]


def test_an_apps_admin_is_told_of_the_own_app_only(shared: ServerProcess) -> None:
    app, other = shared.register(auth=("own", "one")), shared.register(auth=("other", "two"))
    with page(Visitor(shared, app.auth)) as shown:
        assert shown.subscribe(f"private-stream-{app.key}") == "pusher_internal:subscription_succeeded"
        refused = ("private-overview", f"private-app-{other.key}", f"private-stream-{other.key}")
        for channel in (*refused, "room", "private-x", "presence-x", f"private-app-private-stream-{app.key}"):
            assert shown.subscribe(channel) == "pusher:subscription_error", channel


def test_who_is_not_signed_in_gets_no_socket_nor_does_another_page(shared: ServerProcess) -> None:
    visitor = Visitor(shared)
    with pytest.raises(InvalidStatus) as refused, page(visitor, "https://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    visitor.cookie = "pushery_console=0"
    with pytest.raises(InvalidStatus) as refused, page(visitor):
        pass
    assert refused.value.response.status_code == 401


def test_signing_out_closes_the_pages_that_are_open(shared: ServerProcess) -> None:
    visitor = Visitor(shared)
    with page(visitor) as shown:
        headers = {"Cookie": visitor.cookie, "X-CSRF-Token": visitor.csrf}
        shared.request("POST", "/console/sign-out", b"", None, headers)
        assert shown.until(lambda said: said["event"] == "pusher:error")["data"]["code"] == 4009
        with pytest.raises(ConnectionClosed) as closed:
            shown.socket.recv(DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4009


def test_the_servers_own_app_cannot_be_reached_nor_is_it_listed(shared: ServerProcess) -> None:
    with page(Visitor(shared)):
        listed = shared.request("GET", "/api/admin/apps?limit=1000").json["apps"]
        assert "#console" not in [app["app_key"] for app in listed]
        assert shared.request("POST", "/api/push/%23console", {"content": "x"}).status == 404
        assert shared.request("GET", "/api/admin/apps/%23console").status == 404
        with connect(f"ws://127.0.0.1:{shared.port}/app/%23console?protocol=7") as socket:
            assert json.loads(socket.recv(DEADLINE_S))["data"]["code"] == 4001


def test_an_app_that_is_unregistered_while_somebody_looks_disturbs_nothing(shared: ServerProcess) -> None:
    app = shared.register()
    with page(Visitor(shared)) as shown:
        shown.subscribe(f"private-stream-{app.key}")
        shown.subscribe(f"private-app-{app.key}")
        shown.subscribe("private-overview")
        shown.told("private-overview")
        assert shared.request("DELETE", f"/api/{app.key}/unregister").status == 200
        shown.told("private-overview")
        shown.told("private-overview")
    wait_until(lambda: not shared.logged("console_feed_failed"), "no failure")


def test_what_is_not_the_visitors_any_more_is_not_shown_to_them_any_longer(shared: ServerProcess) -> None:
    auth = ("two_apps", "of one admin")
    kept, lost = shared.register(auth=auth), shared.register(auth=auth)
    with page(Visitor(shared, auth)) as shown:
        for app in (kept, lost):
            assert shown.subscribe(f"private-stream-{app.key}") == "pusher_internal:subscription_succeeded"
        Visitor(shared).done("PATCH", f"/apps/{lost.key}", {"auth_password": "somebody else's"})
        refused = shown.until(lambda said: said["event"] == "pusher:subscription_error")
        assert refused["channel"] == f"private-stream-{lost.key}"
        shared.push(TestApp(lost.key, (auth[0], "somebody else's")), "secret")
        shared.push(kept, "hello")
        [seen] = shown.sightings(kept, 1)
        assert seen["data"] == "hello"


@pytest.mark.parametrize(
    "origin",
    ["http://[", "null", "http://127.0.0.1", "http://127.0.0.1:1", "ftp://{host}", "//{host}", "http://{host}/"],
)
def test_an_origin_that_is_not_the_consoles_own_is_refused_in_words(shared: ServerProcess, origin: str) -> None:
    host = f"127.0.0.1:{shared.admin_port}"
    with pytest.raises(InvalidStatus) as refused, page(Visitor(shared), origin.format(host=host)):
        pass
    assert refused.value.response.status_code == 403
