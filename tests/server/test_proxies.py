"""Real proxies before a real server, set up by the files that we ship: who is asking, and what gets through."""

import contextlib
import http.client
import socket
import sys
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.fronts import CLIENT, PROXY, Front, behind, caddy, free_port, haproxy, nginx
from tests.support.server import DEADLINE_S, wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="it takes further addresses of the loopback"),
]

PLAIN = "    server one 127.0.0.1:8001 check\n"
"""The line of HAProxy's example that the variants with the PROXY protocol take the place of."""


def check_that_all_gets_through(front: Front, asked_from: str) -> None:
    """`asked_from`: what `request_ip` has to be; its PORT is the client's own."""
    app, port = front.register()
    assert app.reply["request_ip"] == asked_from.replace("PORT", str(port))
    with front.client(app) as socket:
        answer, _ = front.request("POST", f"/api/push/{app.key}", {"content": "hello", "user_tag": "^A/1 "}, app.auth)
        assert int(answer.json["total"]) == 1
        assert socket.recv(DEADLINE_S) == "hello"
    assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=60"]
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.get_all("Cache-Control") == ["no-store"]
    for path in ("/api/admin/apps", "/metrics", "/console/sign-in"):
        assert front.request("GET", path)[0].status in (403, 404)


def test_nginx_with_x_forwarded_for(tmp_path: Path) -> None:
    with behind(tmp_path) as server, nginx(tmp_path, server) as front:
        check_that_all_gets_through(front, f"{CLIENT}:0")
        direct = server.request("GET", "/healthz", headers={"Host": "localhost"})
        assert "Strict-Transport-Security" not in direct.headers


def test_nginx_with_forwarded(tmp_path: Path) -> None:
    node = ("map $remote_addr $forwarded_node", '"~^[', "default             ", "}")
    changes = {f"    proxy_set_header X-Forwarded-{name}": "#" for name in ("For   $", "Proto $")}
    with (
        behind(tmp_path, forwarded_header="forwarded") as server,
        nginx(tmp_path, server, changes, (*node, "proxy_set_header Forwarded ")) as front,
    ):
        check_that_all_gets_through(front, f"{CLIENT}:0")


def test_haproxy_with_x_forwarded_for(tmp_path: Path) -> None:
    with behind(tmp_path) as server, haproxy(tmp_path, server) as front:
        check_that_all_gets_through(front, f"{CLIENT}:0")


def test_haproxy_with_the_proxy_protocol(tmp_path: Path) -> None:
    changes = {"send-proxy-v2-ssl check": "send-proxy-v2-ssl check inter 100ms"}
    with (
        behind(tmp_path, proxy_protocol=True) as server,
        haproxy(tmp_path, server, _without_the_plain_line(server.port) | changes, ("server one",)) as front,
    ):
        check_that_all_gets_through(front, f"{CLIENT}:PORT")
        checks = wait_until(lambda: [each for each in server.logged("answered") if each["method"] == "GET"], "a check")
        assert checks[0]["peer"].startswith("127.0.0.1:")
        assert server.logged("bad_proxy_header") == []
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S, (CLIENT, 0)) as stranger:
            stranger.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            assert stranger.recv(1024).startswith(b"HTTP/1.1 200 ")
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            server.request("GET", "/healthz")
        wait_until(lambda: server.logged("bad_proxy_header"), "the note of the header that was missing")


def _without_the_plain_line(port: int) -> dict[str, str]:
    return {PLAIN.replace("8001", str(port)): ""}


def test_haproxy_with_version_1_of_the_proxy_protocol(tmp_path: Path) -> None:
    with (
        behind(tmp_path, proxy_protocol=True) as server,
        haproxy(
            tmp_path,
            server,
            _without_the_plain_line(server.port) | {"send-proxy-v2-ssl": "send-proxy"},
            ("server one",),
        ) as front,
    ):
        app, port = front.register()
        assert app.reply["request_ip"] == f"{CLIENT}:{port}"
        answer, _ = front.request("GET", f"/api/{app.key}/listonlineuser/0/0", auth=app.auth)
        assert answer.status == 200
        assert "Strict-Transport-Security" not in answer.headers  # version 1 cannot say how the client came


def test_caddy_with_x_forwarded_for(tmp_path: Path) -> None:
    with behind(tmp_path) as server, caddy(tmp_path, server) as front:
        check_that_all_gets_through(front, f"{CLIENT}:0")


def test_the_address_of_backends_does_not_speak_the_proxy_protocol(tmp_path: Path) -> None:
    port = free_port()
    with behind(tmp_path, proxy_protocol=True, admin_listen=f"{PROXY}:{port}") as server:
        asked = b"GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        with socket.create_connection((PROXY, port), DEADLINE_S, ("127.0.0.1", 0)) as backend:
            backend.sendall(asked)
            assert backend.recv(1024).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as client, contextlib.suppress(OSError):
            client.sendall(asked)
            assert client.recv(1024) == b""
        assert len(server.logged("bad_proxy_header")) == 1


def check_that_sockets_are_limited(front: Front) -> None:
    """To two at a time."""
    app, _ = front.register()

    def opened() -> ClientConnection | None:
        with contextlib.suppress(InvalidStatus):
            return front.client(app)
        return None

    def once_there_is_room() -> ClientConnection:  # a proxy may count what has just been closed for a moment longer
        socket = wait_until(opened, "room for a socket")
        assert socket is not None
        return socket

    with once_there_is_room(), once_there_is_room():
        with pytest.raises(InvalidStatus) as caught, front.client(app):
            pass
        assert caught.value.response.status_code == 429
    with once_there_is_room():
        pass


def test_the_limits_of_nginx_hold(tmp_path: Path) -> None:
    changes = {"limit_conn sockets 200": "limit_conn sockets 2"}
    with behind(tmp_path) as server, nginx(tmp_path, server, changes, ("limit_",)) as front:
        check_that_sockets_are_limited(front)


def test_the_limits_of_haproxy_hold(tmp_path: Path) -> None:
    variants = ("stick-table", "tcp-request connection", "http-request deny deny_status")
    with behind(tmp_path) as server, haproxy(tmp_path, server, {"gt 200": "gt 2"}, variants) as front:
        check_that_sockets_are_limited(front)
