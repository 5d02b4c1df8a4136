"""The access log: what a line holds, and what it never does."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from pushery.core.exchange import Request
from pushery.server.access import shown_target
from pushery.server.fallbacks import EXPIRY_S
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import (
    CLOSE,
    KEY,
    SLACK,
    SUPER_AUTH,
    TEXT,
    Scene,
    frame,
    handshake,
    push_request,
    request,
)
from tests.server.unit.polling import MESSAGE_LIMIT, FallbackScene, Page, said_on


def lines(logs: list[Any], event: str) -> list[dict[str, Any]]:
    """The lines of an event, without what every line has."""
    return [
        {name: value for name, value in entry.items() if name not in ("event", "log_level", "seconds")}
        for entry in logs
        if entry["event"] == event
    ]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "/p"),
        ("auth_key=k&auth_timestamp=1&auth_signature=abcd", "/p?auth_key=k&auth_timestamp=1&auth_signature=***"),
        ("token=eyJ.a.b&protocol=7", "/p?token=***&protocol=7"),
        ("content=hello&user_tag=%5EA", "/p?content=***&user_tag=***"),
        ("a-secret-without-a-name", "/p?***"),
        ("password=p&%74oken=t", "/p?***&token=***"),
    ],
)
def test_of_a_query_only_what_is_harmless_is_shown(query: str, shown: str) -> None:
    assert shown_target("/p", query) == shown


def test_a_line_has_a_bounded_length() -> None:
    assert len(shown_target("/" + "p" * 5000, "limit=" + "1" * 5000)) == 500


@in_loop
async def test_nothing_is_logged_unless_it_is_wanted() -> None:
    scene = Scene()
    with capture_logs() as logs:
        client = scene.client()
        scene.connect().send(push_request("x"))
        await turns()
        client.vanish()
        await turns()
    assert logs == []
    scene.close()


@in_loop
async def test_a_request_leaves_one_line_with_all_that_was_sent_back() -> None:
    scene = Scene()
    scene.shared.logs_access = True
    with capture_logs() as logs:
        transport = scene.connect()
        transport.send(push_request("not for the log"))
        await turns()
    (line,) = lines(logs, "request")
    assert line == {
        "method": "POST",
        "path": f"/api/push/{KEY}",
        "status": 200,
        "bytes": len(transport.received),
        "peer": "203.0.113.9:4711",
        "user_agent": "",
    }
    assert "not for the log" not in json.dumps(logs)
    assert scene.stats.http_responses[2] == 1
    scene.close()


@in_loop
async def test_what_is_no_request_leaves_a_line_too() -> None:
    scene = Scene()
    scene.shared.logs_access = True
    with capture_logs() as logs:
        scene.connect().send(b"nonsense\r\n\r\n")
        await turns()
    (line,) = lines(logs, "request")
    assert (line["method"], line["path"], line["status"], line["peer"]) == ("-", "-", 400, "203.0.113.9:4711")
    assert scene.stats.http_responses[4] == 1
    scene.close()


@in_loop
async def test_a_socket_leaves_a_line_at_either_end() -> None:
    scene = Scene()
    scene.shared.logs_access = True
    with capture_logs() as logs:
        transport = scene.connect()
        transport.send(handshake("A:1", "User-Agent: a test"))
        for text in (b"one", b"two"):
            transport.send(frame(TEXT, text))
        transport.send(frame(CLOSE, (1001).to_bytes(2)))
        await turns(4)
    path, peer = f"/ws/{KEY}/A:1", "203.0.113.9:4711"
    assert lines(logs, "request") == []
    socket = {"transport": "websocket", "path": path, "peer": peer}
    assert lines(logs, "socket_begins") == [{**socket, "user_agent": "a test"}]
    assert lines(logs, "socket_ends") == [{**socket, "code": 1001, "messages": 2}]
    scene.close()


@in_loop
async def test_a_socket_that_vanishes_or_names_no_code_is_told_so() -> None:
    scene = Scene()
    scene.shared.logs_access = True
    with capture_logs() as logs:
        first, second = scene.client("A"), scene.client("B")
        first.vanish()
        await turns()
        second.send(frame(CLOSE))
        await turns()
    assert [line["code"] for line in lines(logs, "socket_ends")] == [1006, 1005]
    scene.close()


@pytest.mark.parametrize(("transport", "target"), [("xhr_streaming", "xhr_streaming"), ("xhr_polling", "xhr")])
@in_loop
async def test_a_socket_over_http_leaves_the_same_lines_however_many_requests_it_takes(
    transport: str, target: str
) -> None:
    scene = FallbackScene()
    scene.shared.logs_access = True
    page = Page(scene)
    with capture_logs() as logs:
        agent = "User-Agent: a test"
        stream = await (page.stream(agent) if transport == "xhr_streaming" else page.poll(None, agent))
        await page.subscribe()
        await page.send({"event": "pusher:ping", "data": {}}, {"event": "pusher:ping", "data": {}})
        stream.vanish()
        await turns()
        assert lines(logs, "socket_ends") == []
        scene.pass_time(EXPIRY_S + SLACK)
    base, _, session = page.base.rpartition("/")
    assert session not in str(logs)
    socket = {"transport": transport, "path": f"{base}/***/{target}", "peer": "203.0.113.9:4711"}
    assert lines(logs, "socket_begins") == [{**socket, "user_agent": "a test"}]
    assert lines(logs, "socket_ends") == [{**socket, "code": 1006, "messages": 3}]
    scene.close()


@in_loop
async def test_whatever_is_asked_of_a_session_its_name_is_not_shown() -> None:
    scene = FallbackScene()
    scene.shared.logs_access = True
    page = Page(scene)
    with capture_logs() as logs:
        for method, last in (("OPTIONS", "xhr"), ("POST", "xhr_send"), ("POST", "xhr_streaming")):
            await scene.connect().say(request(method, f"{page.base}/{last}", body=b"[]"), 3)
    assert [line["status"] for line in lines(logs, "request")] == [204, 404, 200]
    assert page.base.rpartition("/")[2] not in str(logs)
    scene.close()


@in_loop
async def test_of_a_socket_over_http_the_code_is_the_one_that_its_client_was_told() -> None:
    scene = FallbackScene()
    scene.shared.logs_access = True
    page = Page(scene)
    with capture_logs() as logs:
        stream = await page.stream()
        await page.send("x" * (MESSAGE_LIMIT + 1))
        await turns(3)
    (line,) = lines(logs, "socket_ends")
    assert line["code"] == said_on(stream).closed[0] == 1009
    scene.close()


@in_loop
async def test_of_a_socket_over_http_nothing_is_logged_unless_it_is_wanted() -> None:
    scene = FallbackScene()
    with capture_logs() as logs:
        await Page(scene).poll()
        scene.pass_time(EXPIRY_S + SLACK)
    assert scene.online == 0
    assert logs == []
    scene.close()


@in_loop
async def test_a_refused_handshake_is_counted_by_its_reason() -> None:
    scene = Scene()
    transport = scene.connect()
    transport.send(handshake().replace(KEY.encode(), b"unknown"))
    scene.connect().send(request("GET", "/nowhere", SUPER_AUTH))
    await turns()
    assert dict(scene.stats.handshakes_refused) == {"unknown_app": 1}
    assert scene.stats.http_responses == [0, 0, 0, 0, 2, 0]
    scene.close()


def test_a_path_is_shown_as_it_was_sent() -> None:
    assert shown_target(Request("GET", "/ws/k/A%3A1", "", {}, b"").path, "") == "/ws/k/A%3A1"
