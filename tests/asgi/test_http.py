"""HTTP requests and the life of the application, under a web server that is not ours."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
import structlog
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pushery.asgi import PusheryApp
from pushery.asgi.scopes import Message
from tests.asgi.web import ADMIN, mounted, serving
from tests.support.server import wait_until
from tests.workers.gatekeeper import a_gatekeeper

pytestmark = pytest.mark.process


def test_all_routes_answer_as_they_do_elsewhere(tmp_path: Path) -> None:
    with serving(mounted(tmp_path, cors_origins=["https://a.example"])) as site:
        app = site.register()
        assert site.request("GET", "/api/admin/apps", auth=ADMIN).json()["total"] == 1
        assert site.request("GET", "/api/admin/apps").status_code == 401
        assert site.request("HEAD", "/metrics").headers["content-length"] != "0"
        assert site.request("GET", "/nowhere").json()["error"]["code"] == "unknown_route"
        allowed = site.request("OPTIONS", f"/api/push/{app['app_key']}", headers={"Origin": "https://a.example"})
        assert allowed.headers["allow"] == "OPTIONS, POST"
        assert allowed.headers["access-control-allow-origin"] == "https://a.example"
        assert site.request("GET", "/healthz").headers["x-content-type-options"] == "nosniff"


def test_what_needs_a_websocket_says_so(tmp_path: Path) -> None:
    with serving(mounted(tmp_path)) as site:
        app = site.register()
        refused = site.request("GET", f"/ws/{app['app_key']}/a")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_handshake")


def test_the_http_fallbacks_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with serving(mounted(tmp_path)) as site:
        app = site.register()
        path = f"/pusher/app/{app['app_key']}/123/abcdefgh/xhr_streaming?protocol=7"
        refused = site.request("POST", path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (501, "no_fallbacks")


def test_a_body_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with serving(mounted(tmp_path, max_body_bytes=2048)) as site:
        app = site.register()
        refused = site.request("POST", f"/api/push/{app['app_key']}", content=b"x" * 100_000, auth=ADMIN)
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")


def test_guesses_count_by_the_address_that_the_web_server_tells(tmp_path: Path) -> None:
    with serving(mounted(tmp_path, auth_failures_per_minute=2)) as site:
        answers = [site.request("GET", "/api/admin/apps", auth=("admin", str(n))).status_code for n in range(4)]
        assert answers == [401, 401, 429, 429]
        forwarded = {"X-Forwarded-For": "203.0.113.7"}  # uvicorn believes it from this machine
        assert site.request("GET", "/api/admin/apps", auth=("admin", "x"), headers=forwarded).status_code == 401


def test_an_application_that_cannot_start_tells_the_web_server(tmp_path: Path) -> None:
    said: list[Message] = []

    async def host() -> None:
        async def receive() -> Message:
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            said.append(message)

        await PusheryApp(sqldir=str(tmp_path / "nowhere" / "apps.sqlite"))({"type": "lifespan"}, receive, send)

    asyncio.run(host())
    assert said[0]["type"] == "lifespan.startup.failed"
    assert "nowhere" in said[0]["message"]


def test_it_listens_on_nothing_itself(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with serving(mounted(tmp_path, listen=address)) as site:
            assert site.request("GET", "/healthz").status_code == 200


def test_the_first_request_starts_it_where_nobody_else_does(tmp_path: Path) -> None:
    application = mounted(tmp_path)

    async def once() -> int:
        said = await asked(application)
        await application.shutdown()
        return int(said[0]["status"])

    assert [asyncio.run(once()), asyncio.run(once())] == [200, 200]


def test_two_event_loops_are_one_too_many(tmp_path: Path) -> None:
    application = mounted(tmp_path)
    first = asyncio.new_event_loop()
    try:
        first.run_until_complete(asked(application))
        with pytest.raises(RuntimeError, match="another event loop"):
            asyncio.run(asked(application))
        first.run_until_complete(application.shutdown())
    finally:
        first.close()


async def asked(application: PusheryApp) -> list[Any]:
    """What it says to a request for /healthz."""
    said: list[Any] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        said.append(message)

    await application({"type": "http", "method": "GET", "path": "/healthz", "headers": []}, receive, send)
    return said


def test_the_access_log_tells_of_requests_and_sockets(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines, serving(mounted(tmp_path, access_log=True)) as site:
        app = site.register()
        with connect(f"{site.ws}/ws/{app['app_key']}/a", proxy=None) as client:
            client.send("hello")
            client.close(4321)
        wait_until(lambda: any(line["event"] == "socket_ends" for line in lines), "the end of the socket")
    by_event = {line["event"]: line for line in lines}
    assert by_event["request"]["path"] == "/api/admin/apps"
    assert by_event["request"]["status"] == 201
    assert by_event["request"]["seconds"] > 0
    assert by_event["socket_begins"]["path"] == f"/ws/{app['app_key']}/a"
    assert (by_event["socket_ends"]["code"], by_event["socket_ends"]["messages"]) == (4321, 1)


def test_an_apps_backend_is_asked_who_may_connect(tmp_path: Path) -> None:
    with a_gatekeeper() as keeper, serving(mounted(tmp_path, webhook_private_addresses=True)) as site:
        app = site.register(connect_hook=f"{keeper.url}/say")
        address = f"{site.ws}/ws/{app['app_key']}/anna?token=for%20"
        with connect(f"{address}anna", proxy=None):
            pass
        with pytest.raises(InvalidStatus) as refused, connect(f"{address}bob", proxy=None):
            pass
    assert refused.value.response.status_code == 403
    assert b"not_admitted" in (refused.value.response.body or b"")


def test_the_console_stands_on_a_site_only_when_asked_for(tmp_path: Path) -> None:
    with serving(mounted(tmp_path)) as site:
        assert site.request("GET", "/console/sign-in").status_code == 404
    asked = tmp_path / "asked"
    asked.mkdir()
    with serving(mounted(asked, console=True)) as site:
        assert site.request("GET", "/console/sign-in").status_code == 200
