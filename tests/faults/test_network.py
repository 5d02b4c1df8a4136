"""A client that vanishes without a word: it is counted out in time, and costs nobody else anything."""

import time
from pathlib import Path

import pytest

from tests.faults.hands import delivers
from tests.support.raw import RawConnection
from tests.support.server import ServerProcess, wait_until

pytestmark = pytest.mark.process

PING_IDLE_S = 1.0
PING_TIMEOUT_S = 1.0
TICKS_S = 2.0  # the wheel turns twice a second, and nobody is cut early; the rest is for a busy machine


def test_it_is_gone_once_a_ping_has_not_been_answered(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ping_idle=PING_IDLE_S, ping_timeout=PING_TIMEOUT_S) as server:
        app = server.register()
        with RawConnection(server.port) as vanished:
            vanished.open_socket(app.key, "A:1")  # it never reads, answers or closes again
            began = time.monotonic()
            assert server.online(app) == ["A:1"]
            wait_until(lambda: server.online(app) == [], "the silent client to be counted out")
            took_s = time.monotonic() - began
        assert PING_IDLE_S < took_s < PING_IDLE_S + PING_TIMEOUT_S + TICKS_S
        assert delivers(server, app)
