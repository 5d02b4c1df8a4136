"""Real proxies before a real server, by the files of `deploy/`: only ports, addresses and certificates differ."""

import base64
import contextlib
import http.client
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from websockets.sync.client import ClientConnection, connect

from tests.conftest import program
from tests.support.certificates import trusting, write_certificate
from tests.support.server import ADMIN, DEADLINE_S, Answer, ServerProcess, TestApp, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
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

CONSOLE = "console.push.example.com"
"""The name by which the examples give operators everything."""

ADMIT: Mapping[str, str] = {"10.0.0.0/8": f"{CLIENT}/32"}
"""A change that has the client among the operators' addresses."""


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """`text` with these changes, all of which it has a place for."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def variant(text: str, *starts: str) -> str:
    """`text` with those variants taken that begin so: of the lines "#like this", "#" goes away, as the files say."""
    for start in starts:
        text, count = re.subn(rf"^(\s*)#(\s*{re.escape(start)})", r"\1\2", text, flags=re.MULTILINE)
        assert count, f"no variant begins with {start!r}"
    return text


def shipped(name: str) -> str:
    """An example as it is shipped; `name` is relative to `deploy/`."""
    return (DEPLOY / name).read_text()


@dataclass
class Front:
    """A proxy that runs, and how to come through it."""

    port: int
    tls: ssl.SSLContext

    def dial(self) -> ssl.SSLSocket:
        """A connection of the client's to the proxy."""
        plain = socket.create_connection((PROXY, self.port), DEADLINE_S, (CLIENT, 0))
        return self.tls.wrap_socket(plain, server_hostname="localhost")

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Answer, int]:
        """One request with lies in it; the answer, and the port that it was asked from."""
        with self.dial() as dialled:
            connection = http.client.HTTPConnection("localhost", self.port)
            connection.sock = dialled
            connection.request(method, path, body, {**LIES, **(headers or {})})
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read()), int(dialled.getsockname()[1])

    def request(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, auth: tuple[str, str] = ADMIN
    ) -> tuple[Answer, int]:
        """A backend's request; `fields` are sent as a form."""
        headers = {"Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode()}
        if fields is None:
            return self.ask(method, path, None, headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.ask(method, path, urlencode(fields).encode(), headers)

    def register(self, name: str = "test") -> tuple[TestApp, int]:
        """An app, and the port from which it was registered."""
        fields = {"app_name": name, "auth_account": "app", "auth_password": "app password"}
        answer, port = self.request("POST", "/api/register", fields)
        assert answer.status == 200, answer
        return TestApp(answer.json["app_key"], ("app", "app password"), answer.json), port

    def socket(self, address: str, headers: Mapping[str, str] | None = None, **options: Any) -> ClientConnection:
        """A WebSocket through the proxy; `address` is wss://HOST/PATH, and HOST is what the proxy is asked for."""
        plain = socket.create_connection((PROXY, self.port), DEADLINE_S, (CLIENT, 0))
        opened: ClientConnection = connect(
            address,
            sock=plain,
            ssl=self.tls,
            server_hostname="localhost",
            open_timeout=DEADLINE_S,
            additional_headers={**LIES, **(headers or {})},
            **options,
        )
        return opened

    def client(self, app: TestApp, tag: str = TAG) -> ClientConnection:
        """A GoPusher client."""
        return self.socket(f"wss://localhost:{self.port}/ws/{app.key}/{quote(tag, safe='')}")


@contextlib.contextmanager
def running(command: list[str], directory: Path, port: int, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """A proxy as a child process, once it listens; what it says goes to a file of its own."""
    with (directory / "proxy.out").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ
        )

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
    """A port that nobody has at the proxies' address."""
    with socket.create_server((PROXY, 0)) as listening:
        return int(listening.getsockname()[1])


def _pair(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    write_certificate(certificate, key)
    return certificate, key


@contextlib.contextmanager
def nginx(
    directory: Path, server: ServerProcess, changes: Mapping[str, str] | None = None, variants: tuple[str, ...] = ()
) -> Iterator[Front]:
    """nginx with the shipped example, `variants` of it and `changes` to it."""
    found, port = program("nginx", "/usr/sbin/nginx"), free_port()
    certificate, key = _pair(directory)
    places = {
        "listen 80;": f"listen {PROXY}:{free_port()};",
        "listen 443 ssl;": f"listen {PROXY}:{port} ssl;",
        "127.0.0.1:8001": f"127.0.0.1:{server.port}",
        "/etc/ssl/push.example.com.pem": str(certificate),
        "/etc/ssl/push.example.com.key": str(key),
    }
    temporary = "".join(
        f"{name}_temp_path {directory}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    example = variant(replaced(shipped("nginx/pushery.conf"), {**places, **(changes or {})}), *variants)
    (directory / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off; {temporary}\n{example}\n}}\n"
    )
    with running([found, "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"], directory, port):
        yield Front(port, trusting(certificate))


@contextlib.contextmanager
def haproxy(
    directory: Path, server: ServerProcess, changes: Mapping[str, str] | None = None, variants: tuple[str, ...] = ()
) -> Iterator[Front]:
    """HAProxy with the shipped example, `variants` of it and `changes` to it."""
    found, port = program("haproxy", "/usr/sbin/haproxy"), free_port()
    certificate, key = _pair(directory)
    both = directory / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    both.chmod(0o600)
    places = {
        "bind :443 ": f"bind {PROXY}:{port} ",
        "127.0.0.1:8001": f"127.0.0.1:{server.port}",
        "/etc/haproxy/push.example.com.pem": str(both),
    }
    example = variant(replaced(shipped("haproxy/pushery.cfg"), {**places, **(changes or {})}), *variants)
    (directory / "haproxy.cfg").write_text(f"global\n    maxconn 200\n\n{example}")
    with running([found, "-db", "-f", "haproxy.cfg"], directory, port):
        yield Front(port, trusting(certificate))


@contextlib.contextmanager
def caddy(directory: Path, server: ServerProcess, changes: Mapping[str, str] | None = None) -> Iterator[Front]:
    """Caddy with the shipped example and `changes` to it; certificates are our own, for it could fetch none here."""
    found, port = program("caddy"), free_port()
    certificate, key = _pair(directory)
    ours = f"\tbind {PROXY}\n\ttls {certificate} {key}\n"
    places = {
        "\npush.example.com {\n": f"\nhttps://localhost:{port} {{\n{ours}",
        f"\n{CONSOLE} {{\n": f"\nhttps://{CONSOLE}:{port} {{\n{ours}",
        "127.0.0.1:8001": f"127.0.0.1:{server.port}",
    }
    example = replaced(shipped("caddy/Caddyfile"), {**places, **(changes or {})})
    alone = "{\n\tadmin off\n\tauto_https off\n}\n"
    (directory / "Caddyfile").write_text(alone + example)
    command = [found, "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
    with running(command, directory, port, {"HOME": str(directory)}):
        yield Front(port, trusting(certificate))


def behind(directory: Path, **settings: Any) -> ServerProcess:
    """A server behind proxies on this machine."""
    return ServerProcess(directory, trusted_proxies=["127.0.0.1"], hsts_max_age=60, **settings)
