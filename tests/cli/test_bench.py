"""`pushery bench` against a real server."""

import json
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import assert_fails, clean_environment, pushery_command, write_config
from tests.support.server import DEADLINE_S, ServerProcess, wait_until

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with one app for all tests here."""
    with ServerProcess(tmp_path_factory.mktemp("bench")) as server:
        server.register()
        yield server


def bench(server: ServerProcess, *arguments: str) -> Any:
    """The report of a run that goes well."""
    done = pushery_command(server.directory, "bench", "--url", server.url, "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return json.loads(done.stdout)


@pytest.mark.parametrize("dialect", ["tags", "channels"])
def test_everything_arrives_once_and_in_order(running: ServerProcess, dialect: str) -> None:
    report = bench(running, "--clients", "20", "--rate", "40", "--duration", "0.5", "--dialect", dialect)
    assert (report["connected"], report["pushes"], report["deliveries"]) == (20, 20, 400)
    assert report["faults"] == {"lost": 0, "duplicate": 0, "out_of_order": 0}
    latency = report["latency_ms"]
    assert 0 < latency["p50"] <= latency["p99.9"] <= latency["max"]
    assert running.metric("pushery_connections") <= 20


def test_people_get_lines(running: ServerProcess) -> None:
    done = pushery_command(
        running.directory, "bench", "--url", running.url, "--clients", "3", "--rate", "10", "--duration", "0.2"
    )
    assert done.returncode == 0
    for words in ("3 of 3 connected", "2 of 200 bytes", "0 lost, 0 duplicate, 0 out of order"):
        assert words in done.stdout


def test_an_app_that_is_not_in_a_registry_here_is_asked_of_the_server(running: ServerProcess, tmp_path: Path) -> None:
    done = pushery_command(
        tmp_path, "bench", "--url", running.url, "--auth", "admin:correct horse", "--clients", "2", "--duration", "0.2"
    )
    assert done.returncode == 0, done
    assert_fails(pushery_command(tmp_path, "bench", "--url", running.url), 1, "no password")


def test_ctrl_c_reports_what_there_is(running: ServerProcess) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pushery", "bench", "--url", running.url, "--clients", "2", "--duration", "600"],
        cwd=running.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    before = running.metric("pushery_pushes_total")
    wait_until(lambda: running.metric("pushery_pushes_total") > before, "a push")
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, complaints) == (130, "")
    assert "2 of 2 connected" in said
    assert "0 lost" in said
    assert "Interrupted" in said


def test_a_wrong_password_is_told(running: ServerProcess) -> None:
    base = ("bench", "--clients", "2", "--duration", "0.2")
    done = pushery_command(running.directory, *base, "--url", running.url, "--dialect", "tags", "--auth", "admin:wrong")
    assert done.returncode == 1
    assert "status 401" in done.stdout


def test_a_server_that_is_not_there_is_told_in_one_line_before_anything_is_measured(running: ServerProcess) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        nowhere = f"127.0.0.1:{closed.getsockname()[1]}"
        bench = ("bench", "--clients", "2", "--duration", "0.2")
        said = f"no answer from http://{nowhere}: connection refused, so no server runs there"
        done = pushery_command(running.directory, *bench, "--url", f"http://{nowhere}")
        assert_fails(done, 1, said)
        assert len(done.stderr.splitlines()) == 1
        done = pushery_command(running.directory, *bench, "--url", f"http://{nowhere}", "--json")
        assert (done.returncode, done.stdout) == (1, "")
        assert said in json.loads(done.stderr)["error"]["message"]
        # Clients and backends may have an address each; it is enough that one of them is closed.
        for listen, admin_listen in ((nowhere, f"127.0.0.1:{running.port}"), (f"127.0.0.1:{running.port}", nowhere)):
            environment = {"PUSHERY_LISTEN": listen, "PUSHERY_ADMIN_LISTEN": admin_listen}
            done = pushery_command(running.directory, *bench, environ=environment)
            assert_fails(done, 1, said)


def test_a_server_that_stops_meanwhile_is_told(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        server.register()
        process = subprocess.Popen(
            [sys.executable, "-m", "pushery", "bench", "--url", server.url, "--json", "--clients", "5",
             "--duration", "3", "--rate", "50"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
        )  # fmt: skip
        wait_until(lambda: server.metric("pushery_pushes_total") > 0, "a push")
        server.stop()
        said, complaints = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, complaints) == (1, "")
    report = json.loads(said)
    assert report["sockets_closed"] == 5
    assert report["pushes_failed"] > 0
    assert report["faults"]["duplicate"] == 0


def test_it_refuses_more_clients_than_there_are_files(running: ServerProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pushery", "bench", "--url", running.url, "--clients", "200"],
        cwd=running.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128)),
        env=clean_environment(),
    )
    assert_fails(done, 2, "200 clients need 264 open files", "--clients 64", "ulimit -Hn 264")


def test_it_refuses_servers_of_others(tmp_path: Path) -> None:
    assert_fails(pushery_command(tmp_path, "bench", "--url", "http://192.88.99.1"), 2, "is an attack", "--yes")


def test_without_an_app_it_says_how_to_make_one(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        done = pushery_command(tmp_path, "bench", "--url", server.url)
        assert_fails(done, 1, "there is no app yet", "pushery app add")


def test_wrong_options_are_misuse(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert_fails(pushery_command(tmp_path, "bench", "--dialect", "smoke"), 2, "tags or channels")
    assert_fails(
        pushery_command(tmp_path, "bench", "--auth", "nobody", "--url", "http://127.0.0.1:9"), 2, "--auth takes"
    )
