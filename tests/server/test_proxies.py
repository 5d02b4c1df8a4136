"""Real proxies before a real server, set up as the how-to page shows it: who is asking, and what gets through."""

import base64
import contextlib
import http.client
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import program
from tests.docs.pages import ROOT, blocks
from tests.support.certificates import trusting, write_certificate
from tests.support.server import ADMIN, DEADLINE_S, Answer, ServerProcess, TestApp, wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="it takes further addresses of the loopback"),
]

PAGE = ROOT / "docs" / "how-to" / "run-behind-a-proxy.md"
PROXY = "127.0.0.9"
"""Where proxies listen; they call the server from 127.0.0.1, as everybody does who chooses no address."""
CLIENT = "127.0.0.5"
TAG = "A/1 ?%"
LIES = {
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-Proto": "http",
    "Forwarded": 'for=192.0.2.66;proto=http, for="',
}
"""What a client sends that wants to be somebody else."""


def shown(language: str) -> list[str]:
    """The page's examples in the language of a proxy, in order."""
    return [block.text for block in blocks(PAGE) if block.info == language]


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """`text` with these changes, all of which it has a place for."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@dataclass
class Front:
    """A proxy that runs, and how to come through it."""

    port: int
    tls: ssl.SSLContext

    def dial(self) -> ssl.SSLSocket:
        """A connection of the client's to the proxy."""
        plain = socket.create_connection((PROXY, self.port), DEADLINE_S, (CLIENT, 0))
        return self.tls.wrap_socket(plain, server_hostname="localhost")

    def request(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, auth: tuple[str, str] = ADMIN
    ) -> tuple[Answer, int]:
        """One request with lies in it; the answer, and the port that it was asked from."""
        with self.dial() as dialled:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = dialled
            body = urlencode(fields).encode() if fields is not None else None
            headers = {"Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode(), **LIES}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read()), int(dialled.getsockname()[1])

    def register(self, name: str = "test") -> tuple[TestApp, int]:
        """An app, and the port from which it was registered."""
        fields = {"app_name": name, "auth_account": "app", "auth_password": "app password"}
        answer, port = self.request("POST", "/api/register", fields)
        assert answer.status == 200, answer
        return TestApp(answer.json["app_key"], ("app", "app password"), answer.json), port

    def client(self, app: TestApp, tag: str = TAG) -> ClientConnection:
        """A WebSocket through the proxy."""
        address = f"wss://localhost/ws/{app.key}/{quote(tag, safe='')}"
        plain = socket.create_connection((PROXY, self.port), DEADLINE_S, (CLIENT, 0))
        return connect(address, sock=plain, ssl=self.tls, open_timeout=DEADLINE_S, additional_headers=LIES)


@contextlib.contextmanager
def running(command: list[str], directory: Path, port: int) -> Iterator[None]:
    """A proxy as a child process, once it listens; what it says goes to a file of its own."""
    with (directory / "proxy.out").open("wb") as said:
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def listens() -> bool:
        assert process.poll() is None, (directory / "proxy.out").read_text()
        with contextlib.suppress(OSError), socket.create_connection((PROXY, port), DEADLINE_S):
            return True
        return False

    try:
        wait_until(listens, command[0])
        yield
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.create_server((PROXY, 0)) as listening:
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def nginx(directory: Path, server: ServerProcess, changes: Mapping[str, str] | None = None) -> Iterator[Front]:
    """nginx with the page's example, and `changes` to it."""
    found, port = program("nginx", "/usr/sbin/nginx"), free_port()
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    write_certificate(certificate, key)
    places = {
        "listen 443 ssl;": f"listen {PROXY}:{port} ssl;",
        "127.0.0.1:8001": f"127.0.0.1:{server.port}",
        "/etc/ssl/push.example.com.pem": str(certificate),
        "/etc/ssl/push.example.com.key": str(key),
    }
    temporary = "".join(
        f"{name}_temp_path {directory}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    example = replaced(shown("nginx")[0], {**places, **(changes or {})})
    (directory / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off; {temporary}\n{example}\n}}\n"
    )
    with running([found, "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"], directory, port):
        yield Front(port, trusting(certificate))


@contextlib.contextmanager
def haproxy(
    directory: Path, server: ServerProcess, *, backend: str = "", changes: Mapping[str, str] | None = None
) -> Iterator[Front]:
    """HAProxy with the page's example, another `backend` in it if told so, and `changes` to it."""
    found, port = program("haproxy", "/usr/sbin/haproxy"), free_port()
    certificate, key, both = (directory / name for name in ("certificate.pem", "key.pem", "both.pem"))
    write_certificate(certificate, key)
    both.write_text(certificate.read_text() + key.read_text())
    both.chmod(0o600)
    places = {
        "bind :443 ": f"bind {PROXY}:{port} ",
        "127.0.0.1:8001": f"127.0.0.1:{server.port}",
        "/etc/haproxy/push.example.com.pem": str(both),
    }
    front, back = shown("haproxy")[0].split("\n\n")
    example = replaced(f"{front}\n\n{backend or back}", {**places, **(changes or {})})
    (directory / "haproxy.cfg").write_text(f"global\n    maxconn 200\n\n{example}")
    with running([found, "-db", "-f", "haproxy.cfg"], directory, port):
        yield Front(port, trusting(certificate))


def behind(directory: Path, **settings: Any) -> ServerProcess:
    """A server behind proxies on this machine."""
    return ServerProcess(directory, trusted_proxies=["127.0.0.1"], hsts_max_age=60, **settings)


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
    for path in ("/api/admin/apps", "/metrics"):
        assert front.request("GET", path)[0].status in (403, 404)


def test_nginx_with_x_forwarded_for(tmp_path: Path) -> None:
    with behind(tmp_path) as server, nginx(tmp_path, server) as front:
        check_that_all_gets_through(front, f"{CLIENT}:0")
        direct = server.request("GET", "/healthz", headers={"Host": "localhost"})
        assert "Strict-Transport-Security" not in direct.headers


def test_nginx_with_forwarded(tmp_path: Path) -> None:
    node, line = shown("nginx")[1:3]
    example = shown("nginx")[0]
    old = re.findall(r"^ +proxy_set_header X-Forwarded-.*\n", example, re.MULTILINE)
    changes = {old[0]: line, old[1]: "", "upstream pushery {": f"{node}\nupstream pushery {{"}
    with behind(tmp_path, forwarded_header="forwarded") as server, nginx(tmp_path, server, changes) as front:
        check_that_all_gets_through(front, f"{CLIENT}:0")


def test_haproxy_with_x_forwarded_for(tmp_path: Path) -> None:
    with behind(tmp_path) as server, haproxy(tmp_path, server) as front:
        check_that_all_gets_through(front, f"{CLIENT}:0")


def test_haproxy_with_the_proxy_protocol(tmp_path: Path) -> None:
    with (
        behind(tmp_path, proxy_protocol=True) as server,
        haproxy(tmp_path, server, backend=shown("haproxy")[1], changes={" check": " check inter 100ms"}) as front,
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


def test_haproxy_with_version_1_of_the_proxy_protocol(tmp_path: Path) -> None:
    backend = replaced(shown("haproxy")[1], {"send-proxy-v2-ssl": "send-proxy"})
    with behind(tmp_path, proxy_protocol=True) as server, haproxy(tmp_path, server, backend=backend) as front:
        app, port = front.register()
        assert app.reply["request_ip"] == f"{CLIENT}:{port}"
        answer, _ = front.request("GET", f"/api/{app.key}/listonlineuser/0/0", auth=app.auth)
        assert answer.status == 200
        assert "Strict-Transport-Security" not in answer.headers  # version 1 cannot say how the client came


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
    zones, limits = shown("nginx")[3:5]
    changes = {
        "upstream pushery {": f"{zones}\nupstream pushery {{",
        "    proxy_http_version 1.1;\n": replaced(limits, {"sockets 200": "sockets 2"}) + "proxy_http_version 1.1;\n",
    }
    with behind(tmp_path) as server, nginx(tmp_path, server, changes) as front:
        check_that_sockets_are_limited(front)


def test_the_limits_of_haproxy_hold(tmp_path: Path) -> None:
    limits = replaced(shown("haproxy")[2], {"gt 200": "gt 2"})
    changes = {"    timeout client 75s\n": "    timeout client 75s\n" + limits}
    with behind(tmp_path) as server, haproxy(tmp_path, server, changes=changes) as front:
        check_that_sockets_are_limited(front)
