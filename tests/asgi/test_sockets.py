"""Clients of both dialects on WebSockets of a web server that is not ours."""

import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pushery.core import codes
from pushery.wire.websocket import close_frame
from tests.asgi.web import ADMIN, Site, mounted, serving
from tests.support.server import DEADLINE_S, wait_until

pytestmark = pytest.mark.process


async def page(request: Request) -> Response:
    return PlainTextResponse("the host's own page")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Pushery below /realtime of a Starlette application."""
    pushery = mounted(tmp_path, outbox_limit=64 * 1024)
    starlette = Starlette(routes=[Route("/page", page), Mount("/realtime", app=pushery)], lifespan=pushery.lifespan)
    with serving(starlette) as running:
        yield running


@pytest.fixture
def app(site: Site) -> Any:
    return site.register("/realtime", client_events=True)


def channel_client(site: Site, app: Any, prefix: str = "/realtime") -> ClientConnection:
    return connect(f"{site.ws}{prefix}/app/{app['app_key']}?protocol=7", open_timeout=DEADLINE_S, proxy=None)


def tag_client(site: Site, app: Any, tag: str) -> ClientConnection:
    return connect(f"{site.ws}/realtime/ws/{app['app_key']}/{tag}", open_timeout=DEADLINE_S, proxy=None)


def push(site: Site, app: Any, content: str, user_tag: str = "") -> int:
    answer = site.request(
        "POST", f"/realtime/api/push/{app['app_key']}", data={"content": content, "user_tag": user_tag}, auth=ADMIN
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["total"])


def heard(client: ClientConnection) -> Any:
    return json.loads(client.recv(DEADLINE_S))


def subscribe(client: ClientConnection, channel: str, **proven: str) -> None:
    client.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel, **proven}}))
    while heard(client)["event"] != "pusher_internal:subscription_succeeded":
        pass


def proof(app: Any, text: str) -> str:
    key = app["keys"][0]
    return f"{key['key']}:{hmac.new(key['secret'].encode(), text.encode(), hashlib.sha256).hexdigest()}"


def trigger(site: Site, app: Any, channel: str, data: object) -> None:
    """As the Pusher libraries do, but for the path: they know no prefix."""
    body = json.dumps({"name": "e", "channel": channel, "data": json.dumps(data)})
    path = f"/apps/{app['app_id']}/events"
    query = (
        f"auth_key={app['app_key']}&auth_timestamp={int(time.time())}&auth_version=1.0"
        f"&body_md5={hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()}"
    )
    signature = proof(app, f"POST\n{path}\n{query}").partition(":")[2]
    answer = site.request("POST", f"/realtime{path}?{query}&auth_signature={signature}", content=body)
    assert answer.status_code == 200, answer.text


def test_the_hosts_own_pages_stay_where_they_are(site: Site) -> None:
    assert site.request("GET", "/page").text == "the host's own page"
    assert site.request("GET", "/realtime/healthz").status_code == 200
    assert site.request("GET", "/healthz").status_code == 404


def test_a_client_with_a_tag_is_counted_in_before_its_handshake_is_answered(site: Site, app: Any) -> None:
    with tag_client(site, app, "user%2F7") as client:
        assert push(site, app, "hello", "^user/7$") == 1
        assert push(site, app, "not for you", "^user/8$") == 0
        assert push(site, app, "to all é") == 1
        assert [client.recv(DEADLINE_S) for _ in range(2)] == ["hello", "to all é"]
    wait_until(lambda: push(site, app, "anybody?") == 0, "the client to be counted out")


def test_a_channels_client_subscribes_and_gets_events_in_order(site: Site, app: Any) -> None:
    with channel_client(site, app) as client:
        assert heard(client)["event"] == "pusher:connection_established"
        subscribe(client, "orders")
        for number in range(50):
            trigger(site, app, "orders", {"n": number})
        assert [json.loads(heard(client)["data"])["n"] for _ in range(50)] == list(range(50))
        client.send(json.dumps({"event": "pusher:ping", "data": {}}))
        assert heard(client)["event"] == "pusher:pong"


def test_a_gathered_piece_arrives_as_the_messages_it_is_made_of(tmp_path: Path) -> None:
    pushery = mounted(tmp_path)
    texts = ["", "x" * 125, "é" * 126, "y" * 70_000, *(str(number) for number in range(500))]

    async def burst(request: Request) -> Response:
        for text in texts:
            await pushery.server.push(request.query_params["app"], text)
        return PlainTextResponse("done")

    starlette = Starlette(routes=[Route("/burst", burst), Mount("/realtime", app=pushery)], lifespan=pushery.lifespan)
    with serving(starlette) as site:
        app = site.register("/realtime")
        with tag_client(site, app, "a") as client:
            assert site.request("GET", f"/burst?app={app['app_key']}").text == "done"
            assert [client.recv(DEADLINE_S) for _ in texts] == texts


def test_client_events_reach_the_others(site: Site, app: Any) -> None:
    with channel_client(site, app) as one, channel_client(site, app) as other:
        for client in (one, other):
            socket_id = json.loads(heard(client)["data"])["socket_id"]
            subscribe(client, "private-a", auth=proof(app, f"{socket_id}:private-a"))
        one.send(json.dumps({"event": "client-hi", "channel": "private-a", "data": {"n": 1}}))
        assert heard(other)["event"] == "client-hi"


def test_refusals_before_the_handshake_come_in_our_words(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"{site.ws}/realtime/ws/unknown/a", proxy=None):
        pass
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["error"]["code"] == "unknown_app"


def test_a_wrong_key_is_told_on_the_open_socket(site: Site) -> None:
    with connect(f"{site.ws}/realtime/app/unknown?protocol=7", proxy=None) as client:
        assert heard(client)["data"]["code"] == 4001
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001


def test_a_message_that_is_too_large_closes_the_socket(site: Site, app: Any) -> None:
    with tag_client(site, app, "a") as client:
        client.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_a_client_that_does_not_read_is_closed_and_the_others_go_on(site: Site, app: Any) -> None:
    piece = "x" * 50_000
    with tag_client(site, app, "fast") as fast, deaf_client(site, app) as deaf:
        pushed = 0
        while push(site, app, piece) == 2:
            pushed += 1
            assert fast.recv(DEADLINE_S) == piece
            assert pushed < 2_000, "the slow client was never closed"
        assert fast.recv(DEADLINE_S) == piece
        read_to(deaf, close_frame(codes.SLOW_CLIENT))
    assert re.search(r"^pushery_slow_clients\S* 1\.0$", site.request("GET", "/realtime/metrics").text, re.MULTILINE)


def test_a_slow_client_that_reads_nothing_any_more_is_let_go_of(site: Site, app: Any) -> None:
    with deaf_client(site, app):
        while push(site, app, "x" * 50_000):
            pass
        wait_until(lambda: "pushery_connections 0.0" in site.request("GET", "/realtime/metrics").text, "it to be gone")


def test_clients_are_told_when_the_web_server_stops(tmp_path: Path) -> None:
    pushery = mounted(tmp_path)
    with serving(pushery) as site:
        client = connect(f"{site.ws}/ws/{site.register()['app_key']}/a", proxy=None)
        opened = client.__enter__()
    with opened, pytest.raises(ConnectionClosed) as closed:
        opened.recv(DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_shutdown_drains_what_is_open_and_a_later_startup_begins_anew(tmp_path: Path) -> None:
    pushery = mounted(tmp_path)

    async def restart(request: Request) -> Response:
        await pushery.shutdown()
        await pushery.startup()
        return PlainTextResponse("done")

    async def end(request: Request) -> Response:
        await pushery.shutdown()
        return PlainTextResponse("done")

    routes = [Route("/restart", restart), Route("/end", end), Mount("/realtime", app=pushery)]
    with serving(Starlette(routes=routes)) as site:
        app = site.register("/realtime")
        with tag_client(site, app, "a") as client:
            assert site.request("GET", "/restart").text == "done"
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(DEADLINE_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        with tag_client(site, app, "a") as client:
            assert push(site, app, "again") == 1
            assert client.recv(DEADLINE_S) == "again"
        assert site.request("GET", "/end").text == "done"


def test_a_client_that_sends_too_fast_is_read_more_slowly(tmp_path: Path) -> None:
    with serving(mounted(tmp_path, client_messages_per_second=20)) as site:
        app = site.register()
        with channel_client(site, app, "") as client:
            heard(client)
            started = time.monotonic()
            for _ in range(30):
                client.send(json.dumps({"event": "pusher:ping", "data": {}}))
            assert {heard(client)["event"] for _ in range(30)} == {"pusher:pong"}
            assert time.monotonic() - started > 0.4


@contextmanager
def deaf_client(site: Site, app: Any) -> Iterator[socket.socket]:
    """A client that has shaken hands and reads nothing more."""
    with socket.create_connection(("127.0.0.1", site.port)) as raw:
        raw.sendall(
            f"GET /realtime/ws/{app['app_key']}/deaf HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"
        yield raw


def read_to(raw: socket.socket, end: bytes) -> None:
    """Read until these bytes have come."""
    raw.settimeout(DEADLINE_S)
    said = b""
    while not said.endswith(end):
        piece = raw.recv(1 << 20)
        assert piece, f"the connection ended before {end!r}"
        said = said[-len(end) :] + piece
