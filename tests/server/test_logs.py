"""What the log says, where it says it, and what it never says: secrets, messages, or anything a stranger has sent."""

import base64
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw import CLOSE, TEXT, RawConnection, basic, client_frame, close_payload, handshake, request
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

KIB = 1024
MARK = "zq7"
"""Stands in everything that must not be logged."""

ADMIN = (f"root-{MARK}", f"admin password {MARK}")
APP_ADMIN = (f"app-admin-{MARK}", f"app password {MARK}")
WRONG = (ADMIN[0], f"wrong password {MARK}")


def live_through_everything(server: ServerProcess) -> TestApp:
    """Register, push, connect, fail and be slow in every way there is."""
    fields = {"app_name": f"name {MARK}", "auth_account": APP_ADMIN[0], "auth_password": APP_ADMIN[1]}
    registered = server.request("POST", "/api/register", fields, ADMIN)
    assert registered.status == 200
    app = TestApp(registered.json["app_key"], APP_ADMIN, registered.json)
    requests = (
        (b"content=" + MARK.encode(), app.auth, 200),
        (b"content=" + MARK.encode() + b"&user_tag=" + MARK.encode(), ADMIN, 200),
        (b"content=" + MARK.encode() + b"%ff", app.auth, 400),
        (b"content=a&user_tag=" + MARK.encode() + b"(", app.auth, 400),
        (b"content=" + MARK.encode(), WRONG, 401),
        (MARK.encode() + b"=x", app.auth, 400),
        (b"content=" + MARK.encode() * 1000, app.auth, 413),
    )
    for body, auth, status in requests:
        path = f"/api/push/{app.key}?content={MARK if status == 401 else ''}"
        headers = {"Origin": f"https://{MARK}.example", "X-Forwarded-For": MARK, "User-Agent": MARK}
        assert server.request("POST", path, body, auth, headers).status == status
    json_headers = {"Content-Type": "application/json"}
    assert server.request("POST", f"/api/push/{app.key}", b'{"' + MARK.encode(), app.auth, json_headers).status == 400
    assert server.request("GET", f"/{MARK}/{MARK}?{MARK}", auth=None).status == 404
    for garbage in (f"{MARK}\r\n\r\n", f"GET /{MARK} HTTP/1.1\r\nHost: {MARK}@\r\n\r\n", f"GET /{MARK} HTTP/1.1\r\n"):
        with RawConnection(server.port) as raw:
            raw.send(garbage.encode())
            assert raw.answer().status in (400, 408)
    be_clients(server, app)
    return app


def be_clients(server: ServerProcess, app: TestApp) -> None:
    for sent in (
        client_frame(TEXT, MARK.encode()) + client_frame(CLOSE, close_payload(1000, MARK)),
        client_frame(TEXT, MARK.encode() + b"\xff"),
        client_frame(TEXT, MARK.encode() * 500),
        client_frame(TEXT, MARK.encode(), masked=False),
    ):
        with RawConnection(server.port) as raw:
            raw.open_socket(app.key, MARK)
            raw.send(sent)
            assert raw.frame().opcode == CLOSE
    with RawConnection(server.port) as raw:
        raw.send(handshake(app.key, MARK, {"Sec-WebSocket-Key": MARK, "Sec-WebSocket-Protocol": MARK}))
        assert raw.answer().status == 400
    with RawConnection(server.port) as raw:
        raw.send(handshake(MARK, MARK))
        assert raw.answer().status == 404
    with RawConnection(server.port, receive_buffer=4 * KIB) as slow, RawConnection(server.port) as backend:
        slow.open_socket(app.key, MARK)
        while server.metric("pushery_slow_clients_total") == 0:
            body = f"content={MARK * 300}".encode()
            backend.send(request("POST", f"/api/push/{app.key}", body, app.auth) * 100)
            assert {backend.answer().status for _ in range(100)} == {200}


def test_nothing_secret_and_nothing_that_anybody_has_sent_is_ever_logged_or_printed(tmp_path: Path) -> None:
    settings: dict[str, object] = {
        "auth_account": ADMIN[0],
        "auth_password": ADMIN[1],
        "secret_key": base64.b64encode(os.urandom(32)).decode(),
        "outbox_limit": KIB,
        "max_body_bytes": KIB,
        "header_timeout": 0.5,
        "cors_origins": ["*"],
        "trusted_proxies": ["127.0.0.1"],
    }
    with ServerProcess(tmp_path, **settings) as server:
        app = live_through_everything(server)
        server.reload(auth_password=[ADMIN[1]], auth_pasword=ADMIN[1])
        wait_until(lambda: server.logged("reload_refused"), "the refusal")
        server.settings["auth_password"] = ADMIN[1]
        del server.settings["auth_pasword"]
        with RawConnection(server.port) as raw:
            raw.open_socket(app.key, MARK)
            assert server.request("DELETE", f"/api/{app.key}/unregister", auth=WRONG).status == 401
            assert server.request("DELETE", f"/api/{app.key}/unregister", auth=app.auth).status == 200
            assert raw.frame().code == 4001
        assert server.stop() == 0
        said = server.said.replace(f"admin     '{ADMIN[0]}'", "")  # whose server it is, at the start
    events = {line["event"] for line in map(json.loads, server.log.splitlines())}
    assert {"listening", "app_registered", "socket_failed", "slow_client_closed", "app_unregistered"} <= events
    secrets = [str(settings["secret_key"]), app.reply["app_secret"]]
    secrets += [basic(auth).removeprefix("Basic ") for auth in (ADMIN, APP_ADMIN, WRONG)]
    for text in (server.log, said):
        assert MARK not in text
        assert [secret for secret in secrets if secret in text] == []
        assert "Traceback" not in text


def test_every_line_is_json_with_time_level_and_event(server: ServerProcess, app: TestApp) -> None:
    assert server.stop() == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in server.log.splitlines()]
    assert [line["event"] for line in lines] == ["listening", "app_registered", "answered", "stopping", "stopped"]
    assert [line["level"] for line in lines] == ["info", "info", "debug", "info", "info"]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_with_log_format_console_every_line_is_key_value_whatever_an_app_is_called(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, log_format="console") as server:
        server.register("x\nlevel=error event=forged\r\x1b[2J")
    log = (tmp_path / "server.log").read_bytes().decode()
    lines = log.split("\n")[:-1]
    assert len(lines) == 5, lines
    assert all(re.match(r"timestamp=\S+Z level=(info|debug) event=\w+", line) for line in lines)
    assert log.replace("\n", "").isprintable()


def test_on_a_terminal_lines_are_key_value(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, logdir="console")
    server.config.write_text(json.dumps(server.settings))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pushery", "start", "--config", str(server.config)], stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        shown = b""
        while b"listens on" not in shown:
            shown += os.read(ours, 4096)
        assert re.search(rb"timestamp=\S+ level=info event=listening address=\S+ ", shown)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(20)
        os.close(ours)


def test_console_goes_to_standard_error_as_json_when_that_is_no_terminal(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, logdir="console") as server:
        assert server.stop() == 0
    events = [json.loads(line)["event"] for line in server.said.splitlines() if line.startswith("{")]
    assert events == ["listening", "stopping", "stopped"]
    assert not list(tmp_path.glob("*.log"))


@pytest.mark.parametrize(
    ("logdir", "file"), [("logs", "logs/pushery.log"), ("logs/", "logs/pushery.log"), ("x.log", "x.log")]
)
def test_a_directory_gets_a_pushery_log_and_a_file_is_the_log_itself(tmp_path: Path, logdir: str, file: str) -> None:
    (tmp_path / "logs").mkdir()
    with ServerProcess(tmp_path, logdir=logdir):
        pass
    assert json.loads((tmp_path / file).read_text().splitlines()[0])["event"] == "listening"


def test_production_logs_nothing_of_what_goes_well(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, environment="PRODUCTION") as server:
        app = server.register()
        with RawConnection(server.port) as raw:
            raw.open_socket(app.key, "A")
            raw.send(client_frame(TEXT, b"\xff"))
            assert raw.frame().code == 1007
        assert server.stop() == 0
        assert server.log == ""
        assert "listens on" in server.said


def test_sighup_changes_how_much_is_logged(server: ServerProcess) -> None:
    server.reload(environment="PRODUCTION", auth_password="another")
    wait_until(lambda: server.request("GET", "/api/app-list/0/1").status == 401, "the reload")
    before = server.log
    server.reload(environment="PRODUCTION", auth_password="correct horse")
    wait_until(lambda: server.request("GET", "/api/app-list/0/1").status == 200, "the second reload")
    server.register()
    assert server.log == before
    server.reload(environment="DEVELOPMENT")
    wait_until(lambda: len(server.logged("reloaded")) > before.count('"reloaded"'), "the third reload")
    server.register()
    assert len(server.logged("app_registered")) == 1
