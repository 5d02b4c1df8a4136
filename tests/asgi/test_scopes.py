"""From ASGI's words to ours and back."""

from typing import Any

import pytest

from pushery.asgi.scopes import path_of, peer_of, reply_messages, request_of
from pushery.core.exchange import Reply
from pushery.wire.replies import ReplyEncoder


def scope(**values: Any) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/", "headers": [], **values}


@pytest.mark.parametrize(
    ("path", "raw_path", "root_path", "expected"),
    [
        ("/ws/k/a", b"/ws/k/a", "", "/ws/k/a"),
        ("/ws/k/a/b", b"/ws/k/a%2Fb", "", "/ws/k/a%2Fb"),
        ("/push/ws/k/a/b", b"/push/ws/k/a%2Fb", "/push", "/ws/k/a%2Fb"),
        ("/a b/c/ws/k/a", b"/a%20b/c/ws/k/a", "/a b/c/", "/ws/k/a"),
        ("/ws/k/a", b"/ws/k/a", "/push", "/ws/k/a"),
        ("/pushed/ws", b"/pushed/ws", "/push", "/pushed/ws"),
        ("/push", b"/push", "/push", "/"),
        ("/push/ws/k/é /b", b"", "/push", "/ws/k/%C3%A9%20/b"),
        ("/push/x", b"/push/x?y=1", "/push", "/x"),
    ],
)
def test_a_path_is_taken_below_the_mount_as_it_was_sent(
    path: str, raw_path: bytes, root_path: str, expected: str
) -> None:
    assert path_of(scope(path=path, raw_path=raw_path, root_path=root_path)) == expected


def test_cookies_that_http_2_has_split_are_put_together_again() -> None:
    told = scope(headers=[(b"cookie", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2")])
    assert request_of(told).headers[b"cookie"] == b"a=1; b=2"


def test_a_request_is_all_that_the_scope_tells() -> None:
    told = scope(
        path="/x",
        query_string=b"a=%20",
        headers=[(b"x", b"1"), (b"y", b"2"), (b"x", b"3")],
        client=("2001:db8::1", 4711),
        scheme="https",
        http_version="1.0",
    )
    request = request_of(told, b"body")
    assert (request.method, request.path, request.query, request.body) == ("POST", "/x", "a=%20", b"body")
    assert request.headers == {b"x": b"1, 3", b"y": b"2"}
    assert (request.peer, request.secure, request.version, request.upgrade) == (
        "[2001:db8::1]:4711",
        True,
        "1.0",
        False,
    )


def test_a_socket_is_a_request_that_upgrades() -> None:
    request = request_of({"type": "websocket", "path": "/ws", "headers": [], "scheme": "ws", "http_version": "2"})
    assert (request.method, request.upgrade, request.secure, request.version) == ("GET", True, False, "1.1")


def test_a_client_that_is_not_told_of_is_unknown() -> None:
    assert [peer_of(scope(client=client)) for client in (None, ("unix", None), ("1.2.3.4", 5))] == [
        "unknown:0",
        "unix:0",
        "1.2.3.4:5",
    ]


def test_a_reply_says_what_it_says_elsewhere() -> None:
    encoded = ReplyEncoder(0).encode(Reply(429, b"{}\r\n\r\n{}", (("Retry-After", "1"),)))
    start, body = reply_messages(encoded)
    assert (start["type"], start["status"], body) == (
        "http.response.start",
        429,
        {"type": "http.response.body", "body": b"{}\r\n\r\n{}"},
    )
    names = [name for name, _ in start["headers"]]
    assert names == [name.lower() for name in names]
    assert dict(start["headers"]) | {b"content-length": b"8", b"retry-after": b"1"} == dict(start["headers"])
    assert not {b"date", b"connection"} & set(names)
    assert b"x-content-type-options" in names
