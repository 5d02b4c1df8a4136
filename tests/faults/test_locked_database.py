"""Another process holds the lock on a database: changes are refused in time, nothing else waits, and all goes on."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.hands import (
    app_with_webhook,
    delivers,
    occupied,
    reason,
    refuses_changes,
    slowest_answer_s,
    told,
    try_to_register,
)
from tests.support.server import ServerProcess, TestApp, wait_until
from tests.workers.receiver import receiving

pytestmark = pytest.mark.process

BUSY_S = 5.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process, as far as SQLite is concerned, is in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_lock_on_the_registry_is_a_clear_refusal_and_holds_up_no_push(server: ServerProcess, app: TestApp) -> None:
    with ThreadPoolExecutor() as threads:
        with locked(server.directory / "appdata.sqlite"):
            began = time.monotonic()
            asked = [threads.submit(refuses_changes, server) for _ in range(4)]
            slowest_s = slowest_answer_s(server, app, lambda: all(one.done() for one in asked))
            assert time.monotonic() - began < 2 * BUSY_S, "who waits behind another waits as long again"
            assert [one.result() for one in asked] == [True] * 4
            assert "is locked by another process" in reason(server)
            assert delivers(server, app)
        assert slowest_s < BUSY_S / 5, "the event loop waited for the lock"
        assert try_to_register(server) == (200, "")


def test_a_short_lock_is_waited_for(server: ServerProcess) -> None:
    with ThreadPoolExecutor() as threads:
        with locked(server.directory / "appdata.sqlite"):
            asked = threads.submit(try_to_register, server)
            server.request("GET", "/healthz")
        assert asked.result() == (200, "")


def test_webhooks_wait_for_a_lock_on_their_outbox(tmp_path: Path) -> None:
    with receiving() as receiver, ServerProcess(tmp_path, webhook_private_addresses=True) as server:
        app = app_with_webhook(server, f"{receiver.url}/hook")
        with occupied(server, app, "before"):
            wait_until(lambda: told(receiver) == ["before"], "the first event")
            with locked(tmp_path / "appdata.sqlite.hooks"), occupied(server, app, "during"):
                assert try_to_register(server) == (200, ""), "the registry has a file of its own"
                assert delivers(server, server.register("other"))
                assert told(receiver) == ["before"]
            wait_until(lambda: told(receiver) == ["before", "during"], "what has waited")
