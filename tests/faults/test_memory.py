"""Clients make the server hold more than there is memory for: those who do are closed, and nobody gets anything wrong.

The limit is one on the address space (`RLIMIT_AS`), so that running out of memory is a `MemoryError` and not the end.
"""

import re
import resource
import socket
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults.hands import at_most, delivers
from tests.support.raw import RawConnection
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

MIB = 1 << 20
ROOM = 64 * MIB
"""What the server may take beyond what it has when it is idle."""

HALF_SENT = 120
SLOW = 20
PUSHES = 20
BEFORE = 3
"""How many of these are pushed while there is room."""
CONTENT = "y" * 500_000


def address_space(server: ServerProcess) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"^VmSize:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


@contextmanager
def short_of_memory(server: ServerProcess) -> Iterator[None]:
    with at_most(server, resource.RLIMIT_AS, address_space(server) + ROOM):
        yield


@contextmanager
def greedy_clients(server: ServerProcess, app: TestApp) -> Iterator[None]:
    """Requests that are not sent to their end, and sockets that are not read: far more than there is room for."""
    head = f"POST /api/push/{app.key} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
    with ExitStack() as crowd:
        for _ in range(HALF_SENT):
            sender = crowd.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S))
            with suppress(OSError):  # the server has had enough
                sender.sendall(head + b"x" * 900_000)
        for number in range(SLOW):
            slow = crowd.enter_context(RawConnection(server.port, receive_buffer=4096))
            with suppress(AssertionError):
                slow.open_socket(app.key, f"slow{number}")
        yield


def test_within_max_buffered_bytes_memory_suffices_and_the_others_get_everything(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, max_buffered_bytes="16MiB") as server:
        app = server.register()
        with short_of_memory(server), server.client(app, "reader", max_size=None) as reader:
            with greedy_clients(server, app):
                for number in range(PUSHES):
                    assert server.push(app, f"{number} {CONTENT}") >= 1
                    assert reader.recv(DEADLINE_S) == f"{number} {CONTENT}"
                assert server.metric("pushery_buffered_bytes") <= 16 * MIB
            wait_until(lambda: server.logged("too_much_buffered"), "the log to say so")  # with the next tick
            assert not server.logged("unexpected_error")
            assert server.push(app, "afterwards", "^reader$") == 1
            assert reader.recv(DEADLINE_S) == "afterwards"


def test_without_memory_nothing_wrong_is_delivered_and_the_server_goes_on(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        app = server.register()
        contents = [f"{number} {CONTENT}" for number in range(PUSHES)]
        acknowledged: list[str] = []
        got: list[str] = []
        with short_of_memory(server), server.client(app, "reader", max_size=None) as reader:
            acknowledged += [content for content in contents[:BEFORE] if _pushed(server, app, content)]
            with greedy_clients(server, app):
                acknowledged += [content for content in contents[BEFORE:] if _pushed(server, app, content)]
            wait_until(lambda: _pushed(server, app, "afterwards"), "room again")
            with suppress(ConnectionClosed):  # it may have been the one for whom there was no memory
                while "afterwards" not in got:
                    got.append(str(reader.recv(DEADLINE_S)))
        # One that was not acknowledged may still have arrived: its answer found no memory. Whole and in order it is.
        assert [content for content in (*contents, "afterwards") if content in got] == got
        ours = [content for content in got if content in acknowledged]
        assert ours == acknowledged[: len(ours)]
        assert len(acknowledged) >= BEFORE
        assert "afterwards" not in got or ours == acknowledged
        assert delivers(server, app)
        assert server.stop() == 0


def _pushed(server: ServerProcess, app: TestApp, content: str) -> bool:
    with suppress(urllib.error.URLError, OSError):
        return server.request("POST", f"/api/push/{app.key}", {"content": content}, app.auth).status == 200
    return False
