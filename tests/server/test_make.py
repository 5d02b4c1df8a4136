"""`make start` as somebody runs it who has just come: a configuration is written, and the server answers."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import program
from tests.support.server import DEADLINE_S

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
FROM_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
"""What `make test` hands down, which would make this another make's child."""


@contextmanager
def make_start(directory: Path) -> Iterator[tuple[str, str]]:
    """`make start` with its files in `directory`: what it says up to its address, and that address. Ends as Ctrl-C."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PUSHERY_") and k not in FROM_MAKE}
    environment |= {"PUSHERY_LISTEN": "127.0.0.1:0", "PUSHERY_SQLDIR": str(directory / "appdata.sqlite")}
    # What the tests run in is what is started; to install it anew, below tests that run, is not what is tested.
    installed = ["-o", f"{sys.prefix}/.runtime", f"VENV={sys.prefix}"]
    with subprocess.Popen(
        [program("make"), *installed, "start", f"CONFIG={directory / 'default.json'}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            yield _until_it_listens(process)
            os.killpg(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=DEADLINE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert "stopped" in rest
    assert "Traceback" not in rest


def _until_it_listens(process: "subprocess.Popen[str]") -> tuple[str, str]:
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if found := re.search(r"listens on (http://\S+)", line):
            return said, found[1]
    raise AssertionError(f"the server did not start: {said}")


def health(url: str) -> bytes:
    with urllib.request.urlopen(f"{url}/healthz", timeout=DEADLINE_S) as reply:
        body: bytes = reply.read()
        return body


def test_make_start_writes_a_private_configuration_once_and_serves(tmp_path: Path) -> None:
    config = tmp_path / "default.json"
    with make_start(tmp_path) as (said, url):
        assert f"Wrote {config}" in said
        assert config.stat().st_mode & 0o777 == 0o600
        assert health(url) == b'{"status":"ok"}'
    written = config.read_bytes()
    with make_start(tmp_path) as (said, url):
        assert "Wrote" not in said
        assert config.read_bytes() == written
        assert health(url) == b'{"status":"ok"}'
