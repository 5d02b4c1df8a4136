"""One client's doing is not the others' waiting."""

import threading
import time

import pytest

from tests.support.raw import RawConnection
from tests.support.server import ServerProcess, TestApp

pytestmark = pytest.mark.process

EMPTY_FRAME = b"\x81\x80\x00\x00\x00\x00"
FLOOD_BYTES = 12 * 1024 * 1024


def test_a_flood_of_tiny_frames_does_not_freeze_the_server(server: ServerProcess, app: TestApp) -> None:
    with RawConnection(server.port) as raw:
        raw.open_socket(app.key, "flooder")
        flood = threading.Thread(target=raw.send, args=(EMPTY_FRAME * (FLOOD_BYTES // len(EMPTY_FRAME)),))
        flood.start()
        waits = []
        while flood.is_alive():
            asked = time.monotonic()
            assert server.push(app, "x", "^nobody$") == 0
            waits.append(time.monotonic() - asked)
        flood.join()
    assert len(waits) >= 5
    assert max(waits) < 2
