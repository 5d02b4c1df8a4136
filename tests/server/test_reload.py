"""Settings that change while the server runs: all of them that can, without a socket noticing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pushery.config import SETTINGS
from tests.support.server import ADMIN, DEADLINE_S, ServerProcess, wait_until

pytestmark = pytest.mark.process

RELOAD = "/api/admin/reload"

CHANGES: dict[str, object] = {
    "auth_account": "chief",
    "auth_password": "another one",
    "environment": "DEVELOPMENT",
    "logdir": "moved.log",
    "mask_passwords": True,
    "log_format": "json",
    "access_log": True,
    "trace_sample_ratio": 0.5,
    "cors_origins": ["https://page.example"],
    "trusted_proxies": ["127.0.0.1"],
    "forwarded_header": "forwarded",
    "hsts_max_age": 60,
    "max_header_bytes": "2KiB",
    "max_body_bytes": "2KiB",
    "header_timeout": 5,
    "body_timeout": 5,
    "keepalive_timeout": 5,
    "message_limit": 64,
    "pusher_message_limit": "2KiB",
    "activity_timeout": 30,
    "client_messages_per_second": 500,
    "max_sockets": 100,
    "max_sockets_per_address": 50,
    "handshakes_per_second": 1000,
    "handshakes_per_second_per_address": 1000,
    "publishes_per_second": 1000,
    "auth_failures_per_minute": 1000,
    "signature_max_age": 300,
    "connect_hook_timeout": 2,
    "connect_hook_concurrency": 10,
    "outbox_limit": "512KiB",
    "max_buffered_bytes": "64MiB",
    "ping_idle": 20,
    "ping_timeout": 5,
    "close_timeout": 4,
    "shutdown_timeout": 8,
    "drain_rate": 0,
    "compression": False,
    "compression_min_bytes": 512,
    "fanout_slice": 1,
    "standing_patterns": 2,
    "webhook_timeout": 2,
    "webhook_retry_time": 60,
    "webhook_hold_back": 1,
    "webhook_return_time": 10,
    "webhook_private_addresses": True,
    "webhook_redirects": True,
    "metrics_per_app": True,
    "backlog": 128,
}
"""For every setting that a reload takes into use, a value that is not the one before."""

OF_TLS = {"tls_certificate", "tls_key"}
"""Renewed in `test_lifecycle`, for they need a server that speaks TLS."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path) as server:
        yield server


def written(server: ServerProcess, **changed: object) -> None:
    """The configuration is another one now, and the server does not know."""
    server.settings |= changed
    server.config.write_text(json.dumps(server.settings))


def test_every_setting_that_can_change_does_so_under_an_open_socket(server: ServerProcess) -> None:
    assert CHANGES.keys() | OF_TLS == {setting.name for setting in SETTINGS if setting.about.reload}
    app = server.register()
    with server.client(app, "A:1") as client:
        written(server, **CHANGES)
        answer = server.request("POST", RELOAD)
        assert answer.json == {"applied": sorted(CHANGES, key=order), "need_restart": [], "problems": []}
        assert server.push(app, "through all of it") == 1
        assert client.recv(DEADLINE_S) == "through all of it"
        see_effects(server)
        with server.client(app, "A:2", compression="deflate") as second:
            assert second.protocol.extensions == []
            assert server.push(app, "to both") == 2
            assert (client.recv(DEADLINE_S), second.recv(DEADLINE_S)) == ("to both", "to both")
    wait_until(lambda: "socket_ends" in (server.directory / "moved.log").read_text(), "the access log")


def order(name: str) -> int:
    """Where a setting is declared."""
    return [setting.name for setting in SETTINGS].index(name)


def see_effects(server: ServerProcess) -> None:
    """What can be seen from outside of the changes."""
    assert server.request("POST", RELOAD).status == 401
    chief = ("chief", "another one")
    listed = server.request("GET", "/api/admin/apps", auth=chief, headers={"Origin": "https://page.example"})
    assert listed.json["apps"][0]["auth_password"] == "********"
    assert listed.headers["Access-Control-Allow-Origin"] == "https://page.example"
    forwarded = {"Forwarded": "for=203.0.113.9;proto=https"}
    assert server.request("GET", "/healthz", headers=forwarded).headers["Strict-Transport-Security"] == "max-age=60"
    assert server.request("GET", "/healthz", headers={"X": "y" * 3000}).status == 431
    assert server.request("POST", RELOAD, b"x" * 3000, chief).status == 413
    assert server.metric("pushery_max_connections") == 100
    assert server.metric("pushery_max_buffered_bytes") == 64 * 1024 * 1024
    text = server.request("GET", "/metrics", auth=None).body.decode()
    assert "pushery_app_connections{" in text
    moved = (server.directory / "moved.log").read_text()
    assert '"peer": "203.0.113.9' in moved
    assert '"event": "reloaded"' in moved


def test_a_setting_that_waits_for_a_restart_says_why_and_does_wait(server: ServerProcess) -> None:
    fixed = {setting.name: setting.about.restart for setting in SETTINGS if not setting.about.reload}
    assert all(why.endswith(".") for why in fixed.values())
    changed: dict[str, object] = {
        "listen": "127.0.0.1:1",
        "admin_listen": "127.0.0.1:2",
        "reuse_port": True,
        "sqldir": str(server.directory / "elsewhere.sqlite"),
        "secret_key": "A" * 43 + "=",
        "console": False,
        "proxy_protocol": True,
        "trusted_proxies": ["127.0.0.1"],
        "otlp_endpoint": "http://127.0.0.1:1",
    }
    written(server, **changed)
    report: dict[str, Any] = server.request("POST", RELOAD).json
    assert report["applied"] == ["trusted_proxies"]
    assert set(report["need_restart"]) == fixed.keys()
    assert server.request("GET", "/healthz").status == 200


def test_what_cannot_be_loaded_changes_nothing_and_is_told(server: ServerProcess) -> None:
    before = server.metric("pushery_config_last_reload_success_timestamp_seconds")
    written(server, auth_password="a new one", ping_idle="soon")
    report = server.request("POST", RELOAD).json
    assert report["applied"] == report["need_restart"] == []
    assert "ping_idle" in report["problems"][0]
    assert server.metric("pushery_config_last_reload_successful") == 0
    assert server.metric("pushery_config_last_reload_success_timestamp_seconds") == before
    written(server, ping_idle=30, logdir=str(server.directory / "nowhere" / "x.log"))
    assert "No such file" in server.request("POST", RELOAD).json["problems"][0]
    written(server, logdir=str(server.directory / "server.log"))
    assert server.request("POST", RELOAD).json["applied"] == ["auth_password", "ping_idle"]
    wait_until(lambda: server.metric("pushery_config_last_reload_successful") == 1, "the metric")


def test_the_loop_tells_how_late_it_is(server: ServerProcess) -> None:
    wait_until(lambda: server.metric("pushery_loop_lag_seconds_count") >= 2, "two appointments")
    assert 0 <= server.metric("pushery_loop_lag_seconds_sum") < 20


def test_only_the_super_admin_may_reload(server: ServerProcess) -> None:
    app = server.register()
    assert [server.request("POST", RELOAD, auth=auth).status for auth in (None, app.auth, ADMIN)] == [401, 401, 200]


def reload_command(server: ServerProcess, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`pushery reload` of this server."""
    command = [sys.executable, "-m", "pushery", "reload", "--config", str(server.config), "--url", server.url]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def test_the_command_says_what_has_changed_and_what_waits(server: ServerProcess) -> None:
    written(server, fanout_slice=7, reuse_port=True)
    done = reload_command(server)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "changed: fanout_slice\nwaits for a restart: reuse_port\n"


def test_the_command_fails_when_the_server_refuses(server: ServerProcess) -> None:
    written(server, fanout_slice=7)
    wrong = reload_command(server, "--auth", "admin:wrong")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("pushery: the server does not take these credentials")
    bad = server.directory / "bad.json"
    server.config.rename(bad)
    refused = reload_command(server, "--auth", ":".join(ADMIN))
    assert refused.returncode == 1
    assert "no such file" in refused.stderr
    bad.rename(server.config)
    assert reload_command(server).returncode == 0


def test_the_command_fails_when_nobody_answers(server: ServerProcess) -> None:
    gone = reload_command(server, "--url", "http://127.0.0.1:1")
    assert gone.returncode == 1
    assert gone.stderr.startswith("pushery: no answer from http://127.0.0.1:1: ")
