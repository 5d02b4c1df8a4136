"""The database is damaged, deleted or replaced under a running server: it serves on from memory, and nothing that it
acknowledges is lost.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from pushery.storage import open_app_store
from tests.faults.hands import app_with_webhook, delivers, occupied, reason, refuses_changes, told
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until
from tests.workers.receiver import receiving

pytestmark = pytest.mark.process

PLACE = "appdata.sqlite"


def copy_database(source: Path, target: Path) -> None:
    """As the page on backups does it, into a database that may be open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def delete(place: Path) -> None:
    place.unlink()


def delete_all(place: Path) -> None:
    for path in place.parent.glob(f"{PLACE}*"):
        path.unlink()


def delete_the_journal(place: Path) -> None:
    place.with_name(f"{PLACE}-wal").unlink()


def replace_by_a_copy(place: Path) -> None:
    copy_database(place, place.with_name("copy.sqlite"))
    place.with_name("copy.sqlite").replace(place)


@pytest.mark.parametrize("harm", [delete, delete_all, delete_the_journal, replace_by_a_copy])
def test_what_would_be_written_to_a_deleted_file_is_refused(
    server: ServerProcess, app: TestApp, harm: Callable[[Path], None]
) -> None:
    harm(server.directory / PLACE)
    assert refuses_changes(server)
    assert "was deleted or replaced while it was open: see to the file, then restart" in reason(server)
    assert delivers(server, app)
    assert server.stop() == 0


def test_what_another_file_in_its_place_holds_is_not_taken_in(server: ServerProcess, app: TestApp) -> None:
    with closing(open_app_store(str(server.directory / "other.sqlite"))):
        pass
    (server.directory / "other.sqlite").replace(server.directory / PLACE)
    wait_until(lambda: server.logged("registry_unreadable"), "the look that the server takes every second")
    assert delivers(server, app)


def test_into_a_database_that_was_emptied_nothing_is_written(server: ServerProcess, app: TestApp) -> None:
    os.truncate(server.directory / PLACE, 0)
    assert refuses_changes(server)
    assert "was emptied while it was open" in reason(server)
    assert delivers(server, app)
    assert os.path.getsize(server.directory / PLACE) == 0


def test_a_database_that_is_damaged_costs_changes_only(server: ServerProcess, app: TestApp) -> None:
    for name in (PLACE, f"{PLACE}-wal", f"{PLACE}-shm"):  # with less, SQLite goes by what it remembers
        with open(server.directory / name, "r+b") as file:
            file.write(os.urandom(os.path.getsize(server.directory / name)))
    assert refuses_changes(server)
    assert delivers(server, app)


def test_a_backup_that_is_restored_while_the_server_runs_is_taken_in(server: ServerProcess, app: TestApp) -> None:
    copy_database(server.directory / PLACE, server.directory / "backup.sqlite")
    newer = server.register("newer")
    with server.client(newer, "A:1") as client:
        copy_database(server.directory / "backup.sqlite", server.directory / PLACE)
        with pytest.raises(ConnectionClosed):
            client.recv(DEADLINE_S)
    assert delivers(server, app)
    latest = server.register("latest")
    server.kill()
    with server:
        assert delivers(server, app)
        assert delivers(server, latest)


def test_a_backup_of_another_key_is_not_written_into(server: ServerProcess, app: TestApp) -> None:
    other = server.directory / "other.sqlite"
    open_app_store(str(other)).close()
    copy_database(other, server.directory / PLACE)
    assert refuses_changes(server)
    assert "the secret key does not fit the database" in reason(server)


def test_when_the_outbox_is_deleted_webhooks_go_on(tmp_path: Path) -> None:
    with receiving() as receiver, ServerProcess(tmp_path, webhook_private_addresses=True) as server:
        app = app_with_webhook(server, f"{receiver.url}/hook")
        with occupied(server, app, "before"):
            wait_until(lambda: told(receiver) == ["before"], "the first event")
            for path in tmp_path.glob(f"{PLACE}.hooks*"):
                path.unlink()
            with occupied(server, app, "after"):
                wait_until(lambda: told(receiver) == ["before", "after"], "the event after that")
        assert server.stop() == 0
        with server, occupied(server, app, "again"):
            wait_until(lambda: "again" in told(receiver), "an event into the new file")
