"""From start to exit: signals, what is under way at a stop, reloads, TLS, and what survives a kill."""

import contextlib
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography import x509
from websockets.sync.client import connect

from tests.support.certificates import serial_of, trusting, write_certificate
from tests.support.raw import CLOSE, RawConnection, client_frame, close_payload, handshake, request
from tests.support.server import ADMIN, DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

KIB = 1024


def command(server: ServerProcess, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a `pushery` command with the server's configuration."""
    return subprocess.run(
        [sys.executable, "-m", "pushery", *arguments, "--config", str(server.config)],
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S * 2,
        check=False,
    )


def accepts(server: ServerProcess) -> bool:
    """Whether it takes new connections."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_says_goodbye_to_everybody_and_ends_with_0(
    server: ServerProcess, app: TestApp, number: signal.Signals
) -> None:
    with RawConnection(server.port) as idle, contextlib.ExitStack() as stack:
        idle.send(request("GET", "/healthz"))
        assert idle.answer().status == 200
        sockets = [stack.enter_context(RawConnection(server.port)) for _ in range(20)]
        for raw in sockets:
            raw.open_socket(app.key, "A")
        server.process.send_signal(number)
        for raw in sockets:
            assert raw.frame() == (CLOSE, close_payload(1012, "service restart"), False)
            raw.send(client_frame(CLOSE, close_payload(1012)))
            assert raw.rest() == b""
        assert idle.rest() == b""
    assert server.ended(8) == 0
    assert "Traceback" not in server.log + server.said
    assert len(server.logged("stopping")) == len(server.logged("stopped")) == 1


def test_a_broadcast_under_way_is_finished_before_the_stop(tmp_path: Path) -> None:
    audience = 300
    with ServerProcess(tmp_path, fanout_slice=1) as server, contextlib.ExitStack() as stack:
        app = server.register()
        sockets = [stack.enter_context(RawConnection(server.port)) for _ in range(audience)]
        for number, raw in enumerate(sockets):
            raw.open_socket(app.key, f"{number}")
        backend = stack.enter_context(RawConnection(server.port))
        backend.send(request("POST", f"/api/push/{app.key}", b"content=the+last", app.auth))
        assert sockets[0].text() == "the last"
        server.process.send_signal(signal.SIGTERM)
        answer = backend.answer()
        assert (answer.status, answer.json["total"]) == (200, f"{audience}")
        for raw in sockets[1:]:
            assert raw.text() == "the last"
        for raw in sockets:
            assert raw.frame().code == 1012
            raw.socket.close()
        assert server.ended() == 0


def test_a_request_half_sent_at_the_stop_is_still_answered_and_nobody_new_is_let_in(
    server: ServerProcess, app: TestApp
) -> None:
    with RawConnection(server.port) as raw:
        push = request("POST", f"/api/push/{app.key}", b"content=hello", app.auth)
        raw.send(request("GET", "/readyz") + push[:-3])
        assert raw.answer().json == {"status": "ready"}
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(server), "the listener to close")
        raw.send(push[-3:])
        answer = raw.answer()
        assert (answer.status, answer.json["content"], answer.headers["Connection"]) == (200, "hello", "close")
    assert server.ended() == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, shutdown_timeout=60, close_timeout=60) as server:
        app = server.register()
        with RawConnection(server.port) as raw:
            raw.open_socket(app.key, "A")
            server.process.send_signal(signal.SIGTERM)
            assert raw.frame().code == 1012  # and no answer to that
            assert server.stop(signal.SIGTERM, deadline_s=15) == 1


def test_clients_that_are_gone_hold_up_a_stop_no_longer_than_the_timeout(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, shutdown_timeout=1, close_timeout=60, outbox_limit=16 * KIB * KIB) as server:
        app = server.register()
        with (
            RawConnection(server.port, receive_buffer=4 * KIB) as deaf,
            RawConnection(server.port) as mute,
            RawConnection(server.port) as half,
        ):
            deaf.open_socket(app.key, "deaf")
            mute.open_socket(app.key, "mute")
            half.send(b"GET /healthz HTTP/1.1\r\n")
            for _ in range(100):
                server.push(app, "x" * 50 * KIB, "^deaf$")
            started = time.monotonic()
            assert server.stop() == 0
            assert 0.5 < time.monotonic() - started < 20
    assert server.logged("connections_cut")


def test_unregistering_closes_the_sockets_and_the_key_is_unknown_at_once(server: ServerProcess, app: TestApp) -> None:
    other = server.register("other")
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(RawConnection(server.port)) for _ in range(10)]
        for raw in sockets:
            raw.open_socket(app.key, "A")
        staying = stack.enter_context(server.client(other, "A"))
        answer = server.request("DELETE", f"/api/{app.key}/unregister", auth=app.auth)
        assert (answer.status, answer.body) == (200, b'{"message":"Scuess"}')
        for path in (f"/api/push/{app.key}", f"/api/{app.key}/unregister"):
            method = "POST" if "push" in path else "DELETE"
            assert server.request(method, path, {"content": "x"}).status == 404
            assert server.request(method, path, {"content": "x"}, auth=app.auth).status == 401
        with RawConnection(server.port) as late:
            late.send(handshake(app.key, "A"))
            assert late.answer().status == 404
        for raw in sockets:
            assert raw.frame() == (CLOSE, close_payload(4001, "app unregistered"), False)
        assert server.push(other, "not meant") == 1
        assert staying.recv(DEADLINE_S) == "not meant"


def test_apps_added_and_removed_on_the_command_line_come_and_go_while_it_runs(
    server: ServerProcess, app: TestApp
) -> None:
    added = command(server, "app", "add", "from outside", "--account", "outside", "--password", "p")
    assert added.returncode == 0, added.stderr
    new = TestApp(added.stdout.split()[1], ("outside", "p"))
    wait_until(
        lambda: server.request("POST", f"/api/push/{new.key}", {"content": "x"}, new.auth).status == 200, "the app", 10
    )
    with RawConnection(server.port) as raw, RawConnection(server.port) as other:
        raw.open_socket(new.key, "A")
        other.open_socket(app.key, "A")
        assert command(server, "app", "remove", new.key).returncode == 0
        assert raw.frame().code == 4001
        assert server.request("POST", f"/api/push/{new.key}", {"content": "x"}).status == 404
        assert server.push(app, "the others stay") == 1
        assert other.text() == "the others stay"


def test_no_acknowledged_registration_is_lost_to_kill_9(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    server = ServerProcess(tmp_path)
    for number in range(8):
        with server:
            assert missing(server, acknowledged) == set()
            threads = [threading.Thread(target=register_until_killed, args=(server.port, acknowledged)) for _ in "12"]
            for thread in threads:
                thread.start()
            wait_until(partial(enough, acknowledged, len(acknowledged) + 1 + number % 4 * 3), "registrations")
            server.kill()
            for thread in threads:
                thread.join(DEADLINE_S)
    with server:
        assert missing(server, acknowledged) == set()
    assert len(acknowledged) >= 8


def enough(acknowledged: list[str], wanted: int) -> bool:
    return len(acknowledged) >= wanted


def missing(server: ServerProcess, acknowledged: list[str]) -> set[str]:
    """The keys that were acknowledged and are not listed."""
    page = server.request("GET", "/api/app-list/0/1").json
    assert page["total"] <= 1000, "one page is not enough"
    return set(acknowledged) - {row["app_key"] for row in page["data"]}


def register_until_killed(port: int, acknowledged: list[str]) -> None:
    fields = urlencode({"app_name": "n", "auth_account": "a", "auth_password": "p"}).encode()
    with contextlib.suppress(AssertionError, OSError), RawConnection(port) as raw:
        while True:
            raw.send(request("POST", "/api/register", fields, ADMIN))
            acknowledged.append(raw.answer().json["app_key"])


def start_fails(server: ServerProcess) -> list[str]:
    """Start a server that cannot; returns what it says, after seeing that it ends with 2 and without a traceback."""
    with pytest.raises(AssertionError, match="did not start"):
        server.start()
    assert server.ended() == 2
    assert "Traceback" not in server.said
    return server.said.splitlines()


def test_a_port_that_is_taken_is_one_line_and_exit_code_2(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    lines = start_fails(ServerProcess(tmp_path / "second", listen=f"127.0.0.1:{server.port}"))
    (line,) = lines
    assert line.startswith(f"pushery: cannot listen on 127.0.0.1:{server.port}: Address already in use. Something")


def test_every_problem_of_a_configuration_is_shown_at_once_with_exit_code_2(tmp_path: Path) -> None:
    lines = start_fails(ServerProcess(tmp_path, listne=":1", ping_idle="soon", auth_account="", fanout_slice=0))
    assert len(lines) == 4, lines
    assert all(line.startswith("pushery: ") for line in lines)
    for name in ("listne", "ping_idle", "auth_account", "fanout_slice"):
        assert [name in line for line in lines].count(True) == 1, lines


@pytest.mark.parametrize(
    ("setting", "value"),
    [("sqldir", "no/such/apps.sqlite"), ("logdir", "no/such/pushery.log"), ("listen", "203.0.113.1:0")],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(tmp_path: Path, setting: str, value: str) -> None:
    (line,) = start_fails(ServerProcess(tmp_path, **{setting: value}))
    assert value in line or value.rpartition("/")[0] in line


def test_a_database_that_is_none_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "appdata.sqlite").write_bytes(b"this is no database " * 1000)
    (line,) = start_fails(ServerProcess(tmp_path))
    assert "appdata.sqlite" in line


def test_the_limit_on_descriptors_is_raised_and_said(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        server = ServerProcess(tmp_path).start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        assert [line["descriptors"] for line in server.logged("listening")] == [hard]
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
        (files,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
        assert files.split()[3] == f"{hard}"
    finally:
        server.stop()


class Secure:
    """A server with TLS and its certificate."""

    def __init__(self, directory: Path) -> None:
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"
        self.serial = write_certificate(self.certificate, self.key)
        self.server = ServerProcess(directory, tls_certificate=str(self.certificate), tls_key=str(self.key))

    def connection(self) -> RawConnection:
        """A connection that trusts the certificate in the file."""
        return RawConnection(self.server.port, tls=trusting(self.certificate))

    def shown_serial(self) -> int:
        """The serial number that a new client gets to see, trusted or not."""
        untrusting = trusting(self.certificate)
        untrusting.check_hostname = False
        untrusting.verify_mode = ssl.CERT_NONE
        with RawConnection(self.server.port, tls=untrusting) as raw:
            return serial_of(raw.tls_socket)

    def register(self) -> TestApp:
        fields = urlencode({"app_name": "n", "auth_account": "a", "auth_password": "p"}).encode()
        with self.connection() as raw:
            raw.send(request("POST", "/api/register", fields, ADMIN))
            return TestApp(raw.answer().json["app_key"], ("a", "p"))

    def push(self, app: TestApp, content: str) -> str:
        with self.connection() as raw:
            raw.send(request("POST", f"/api/push/{app.key}", urlencode({"content": content}).encode(), app.auth))
            total: str = raw.answer().json["total"]
            return total


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    """A server that speaks TLS."""
    secure = Secure(tmp_path)
    with secure.server:
        yield secure


def test_https_and_wss_work(secure: Secure) -> None:
    app = secure.register()
    context = trusting(secure.certificate)
    with connect(f"wss://127.0.0.1:{secure.server.port}/ws/{app.key}/A", ssl=context) as client:
        for content in ("short", "é" * 100_000):
            assert secure.push(app, content) == "1"
            assert client.recv(DEADLINE_S) == content
    with RawConnection(secure.server.port) as plain:
        with contextlib.suppress(ConnectionError):
            plain.send(request("GET", "/healthz"))
        plain.rest()
    assert secure.push(app, "to nobody") == "0"
    assert secure.server.stop() == 0
    assert "Traceback" not in secure.server.log


def test_the_metrics_tell_when_the_certificate_in_use_expires(secure: Secure) -> None:
    with secure.connection() as raw:
        raw.send(request("GET", "/metrics"))
        found = re.search(r"^pushery_tls_certificate_expiry_timestamp_seconds (\S+)$", raw.answer().body.decode(), re.M)
    assert found is not None
    expires = x509.load_pem_x509_certificate(secure.certificate.read_bytes()).not_valid_after_utc
    assert float(found[1]) == expires.timestamp()


def test_sockets_over_tls_are_said_goodbye_to_as_well(secure: Secure) -> None:
    app = secure.register()
    with secure.connection() as raw:
        raw.open_socket(app.key, "A")
        secure.server.process.send_signal(signal.SIGTERM)
        assert raw.frame().code == 1012
        raw.send(client_frame(CLOSE, close_payload(1012)))
        assert raw.rest() == b""
    assert secure.server.ended() == 0


def test_sighup_renews_the_certificate_and_keeps_the_sockets(secure: Secure) -> None:
    app = secure.register()
    with secure.connection() as raw:
        raw.open_socket(app.key, "A")
        assert serial_of(raw.tls_socket) == secure.serial
        renewed = write_certificate(secure.certificate, secure.key)
        secure.server.reload()
        wait_until(lambda: secure.shown_serial() == renewed, "the new certificate")
        assert secure.push(app, "through all of it") == "1"
        assert raw.text() == "through all of it"


def test_a_certificate_that_is_broken_leaves_the_one_in_use(secure: Secure) -> None:
    secure.certificate.write_text("-----BEGIN CERTIFICATE-----\nbroken\n")
    secure.server.reload()
    wait_until(lambda: secure.server.logged("certificate_unusable"), "the refusal")
    good = secure.certificate.with_name("good.pem")
    write_certificate(good, good.with_suffix(".key"))
    secure.certificate.write_bytes(good.read_bytes())  # of another key
    secure.server.reload()
    wait_until(lambda: len(secure.server.logged("certificate_unusable")) == 2, "the second refusal")
    assert secure.shown_serial() == secure.serial


def test_sighup_takes_in_the_password_and_the_origins_and_keeps_the_sockets(
    server: ServerProcess, app: TestApp
) -> None:
    origin = "https://page.example"
    with server.client(app, "A") as client:
        server.reload(auth_password="a new one", cors_origins=[origin])
        wait_until(lambda: server.logged("reloaded"), "the reload")
        assert server.request("GET", "/api/app-list/0/1").status == 401
        assert server.request("GET", "/api/app-list/0/1", auth=(ADMIN[0], "a new one")).status == 200
        answer = server.request("GET", "/healthz", headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert server.push(app, "still here") == 1
        assert client.recv(DEADLINE_S) == "still here"


def test_sighup_says_what_needs_a_restart(server: ServerProcess) -> None:
    server.reload(fanout_slice=7, listen="127.0.0.1:1")
    wait_until(lambda: server.logged("reloaded"), "the reload")
    assert server.logged("reloaded")[0]["need_restart"] == ["listen"]
    assert server.logged("reloaded")[0]["applied"] == ["fanout_slice"]
    assert accepts(server)


def test_sighup_with_a_broken_configuration_changes_nothing(server: ServerProcess, app: TestApp) -> None:
    server.reload(auth_password="a new one", ping_idle="soon", nonsense=1)
    wait_until(lambda: server.logged("reload_refused"), "the refusal")
    assert len(server.logged("reload_refused")[0]["problems"]) == 2
    server.config.write_text("{")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(server.logged("reload_refused")) == 2, "the second refusal")
    server.config.unlink()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(server.logged("reload_refused")) == 3, "the third refusal")
    assert server.request("GET", "/api/app-list/0/1").status == 200
    assert "a new one" not in server.log


def test_sighup_reopens_a_log_that_was_rotated_away(server: ServerProcess) -> None:
    log, rotated = server.directory / "server.log", server.directory / "server.log.1"
    log.rename(rotated)
    server.register("before")
    assert not log.exists()
    server.reload()
    wait_until(lambda: log.exists() and server.logged("reloaded"), "the new log")
    server.register("after")
    assert len(server.logged("app_registered")) == 1
    assert rotated.read_text().count("app_registered") == 1
