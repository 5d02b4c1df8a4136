"""What an ASGI server says becomes a `Request`, and a `Reply` becomes what it is told. Pure functions of values.

Invariant: a path is taken without the prefix under which the application is mounted, encoded as the client sent it.
Source: the ASGI specification, version 3, HTTP and WebSocket messages 2.5.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from pushery.core.exchange import Request

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_OF_THE_CONNECTION: Final = frozenset((b"date", b"connection"))
"""Headers that the ASGI server sends itself."""

_IN_PATHS: Final = "/:@!$&'()*+,;=-._~"
"""What need not be percent-encoded (RFC 3986 3.3)."""


def request_of(scope: Scope, body: bytes = b"") -> Request:
    """The request that a scope of type "http" or "websocket" stands for."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        between = b"; " if name == b"cookie" else b", "  # RFC 9113 8.2.3, RFC 9110 5.3
        headers[name] = headers[name] + between + value if name in headers else value
    is_socket = scope["type"] == "websocket"
    return Request(
        method="GET" if is_socket else scope["method"],
        path=path_of(scope),
        query=bytes(scope.get("query_string", b"")).decode("latin-1"),
        headers=headers,
        body=body,
        version="1.0" if scope.get("http_version") == "1.0" else "1.1",
        peer=peer_of(scope),
        upgrade=is_socket,
        secure=scope.get("scheme") in ("https", "wss"),
    )


def path_of(scope: Scope) -> str:
    """The path below the mount, percent-encoded.

    Some frameworks leave the prefix of a mount in `path`, as the specification says, and some take it out.
    """
    path, prefix = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    sent = bytes(scope.get("raw_path") or b"").partition(b"?")[0].decode("latin-1") or quote(path, safe=_IN_PATHS)
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        sent = "/" + "/".join(sent.split("/")[prefix.count("/") + 1 :])
    return sent or "/"


def peer_of(scope: Scope) -> str:
    """The client's "ip:port"; behind a proxy, as the ASGI server has found out."""
    client = scope.get("client")
    if client is None:
        return "unknown:0"
    host, port = client[0], client[1] or 0
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reply_messages(encoded: bytes, kind: str = "http.response") -> tuple[Message, Message]:
    """The two messages that say what `encoded` does, a reply as `ReplyEncoder` has written it."""
    head, _, body = encoded.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = []
    for line in lines:
        name, _, value = line.partition(b": ")
        if name.lower() not in _OF_THE_CONNECTION:
            headers.append((name.lower(), value))
    status = int(first.split(b" ")[1])
    return {"type": f"{kind}.start", "status": status, "headers": headers}, {"type": f"{kind}.body", "body": body}
