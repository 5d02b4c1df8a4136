"""A server that is started with sockets: one for clients, one for backends and operators."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.restart.test_activation import DUP

pytestmark = pytest.mark.process

START = """
import os, runpy, sys
os.environ["LISTEN_PID"] = str(os.getpid())
sys.argv = ["pushery", "start", "--config", os.environ.pop("TEST_CONFIG")]
runpy.run_module("pushery", run_name="__main__")
"""


def started(directory: Path, sockets: list[socket.socket], names: str, **settings: object) -> "subprocess.Popen[str]":
    """`pushery start` with these sockets from descriptor 3 on."""
    config = directory / "default.json"
    said = {"auth_account": "a", "auth_password": "b", "sqldir": str(directory / "apps.sqlite"), **settings}
    config.write_text(json.dumps({"environment": "PRODUCTION", "logdir": str(directory / "log"), **said}))
    config.chmod(0o600)
    descriptors = [one.fileno() for one in sockets]
    return subprocess.Popen(
        [sys.executable, "-c", DUP, ",".join(map(str, descriptors)), START],
        pass_fds=descriptors,
        env={**os.environ, "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, "TEST_CONFIG": str(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def status(port: int, path: str) -> int:
    """What a request is answered with."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_socket_named_admin_takes_the_place_of_admin_listen(tmp_path: Path) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        front, back = (one.getsockname()[1] for one in sockets)
        server = stack.enter_context(
            started(tmp_path, sockets, "clients:admin", listen=":1", admin_listen="127.0.0.1:2")
        )
        try:
            assert [status(port, "/healthz") for port in (front, back)] == [200, 200]
            assert [status(port, "/metrics") for port in (front, back)] == [404, 200]
        finally:
            server.terminate()
        assert server.wait(20) == 0


def test_a_socket_named_admin_without_admin_listen_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, started(tmp_path, [listening], "admin") as server:
        assert server.stdout is not None
        assert server.stdout.read() == (
            "pushery: a socket named admin was inherited, and admin_listen is not set: set it as well\n"
        )
        assert server.wait(20) == 2
