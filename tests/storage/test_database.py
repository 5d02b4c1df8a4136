"""What is in the way of a database file is told in one line, without SQL and without what was to be written."""

import os
import sqlite3
import stat
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from msgspec.structs import replace

from pushery.core.apps import AppDraft, KeyPair
from pushery.core.exchange import Refusal
from pushery.core.ports import StorageError
from pushery.storage.apps import SqlAppStore
from pushery.storage.database import Database
from pushery.storage.migrations import migrate
from pushery.storage.sealing import Sealer

NOBODY = 65534
DRAFT = AppDraft(
    key="the-key",
    secret="the-secret",
    name="the-name",
    auth_account="the-account",
    auth_password="the-password",
    request_ip="192.0.2.1:1",
    registered_ms=1,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "apps.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(str(path), busy_timeout_s=0.05, guarded=True)
    migrate(database)
    yield database
    database.close()


def pragma(database: Database, statement: str) -> object:
    with database.reading() as connection:
        return connection.exec_driver_sql(f"PRAGMA {statement}").scalar()


def refusal(path: Path) -> str:
    with pytest.raises(StorageError) as caught:
        Database(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_commits_are_synced_and_readers_do_not_block(database: Database) -> None:
    assert pragma(database, "journal_mode") == "wal"
    assert pragma(database, "synchronous") == 2  # FULL
    assert pragma(database, "foreign_keys") == 1
    assert pragma(database, "busy_timeout") == 50


def test_by_default_a_lock_is_waited_for_for_five_seconds(tmp_path: Path) -> None:
    with closing(Database(str(tmp_path / "other.sqlite"))) as database:
        assert pragma(database, "busy_timeout") == 5000


@pytest.mark.parametrize("umask", [0o000, 0o277])
def test_its_files_are_for_the_owner_only_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with closing(Database(str(path))) as database:
            migrate(database)
            files = sorted(path.parent.iterdir())
            modes = {stat.S_IMODE(file.stat().st_mode) for file in files}
    finally:
        os.umask(before)
    assert [file.name for file in files] == ["apps.sqlite", "apps.sqlite-shm", "apps.sqlite-wal"]
    assert modes == {0o600}


def test_a_link_to_a_file_yet_to_be_made_is_followed_privately(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere.sqlite")
    with closing(Database(str(path))) as database:
        migrate(database)
    assert stat.S_IMODE((path.parent / "elsewhere.sqlite").stat().st_mode) == 0o600


def test_odd_file_names_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory", "a b%20#?ü.sqlite"):
        with closing(Database(name)) as database:
            migrate(database)
        assert (tmp_path / name).stat().st_size > 0


def test_no_path_is_told() -> None:
    with pytest.raises(StorageError, match="set sqldir"):
        Database("")


def test_a_missing_directory_is_told(path: Path) -> None:
    missing = path.parent / "gone" / "apps.sqlite"
    assert refusal(missing) == f"the database {missing} cannot be created: No such file or directory"


def test_a_directory_in_its_place_is_told(path: Path) -> None:
    path.mkdir()
    assert refusal(path).startswith(f"the database {path} cannot be opened")


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A directory of an ordinary user, which this test then is: root may write anywhere."""
    root = os.geteuid() == 0
    with TemporaryDirectory() as directory:  # not tmp_path, whose parents are root's alone
        if root:
            os.chown(directory, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(directory)
        finally:
            if root:
                os.seteuid(0)


def test_a_read_only_directory_is_told(nobody: Path) -> None:
    nobody.chmod(0o500)
    path = nobody / "apps.sqlite"
    assert refusal(path) == f"the database {path} cannot be created: Permission denied"


def test_an_existing_database_in_a_read_only_directory_is_told(nobody: Path) -> None:
    path = nobody / "apps.sqlite"
    Database(str(path)).close()
    nobody.chmod(0o500)
    assert refusal(path).startswith(f"the database {path} is read-only: give this user write permission")


@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_a_file_that_may_not_be_written_is_told_at_once(nobody: Path, mode: int) -> None:
    path = nobody / "apps.sqlite"
    Database(str(path)).close()
    path.chmod(mode)
    assert refusal(path) == f"the database {path} is not writable for this user"


@pytest.mark.parametrize("content", [b"{}", b"not a database " * 1000])
def test_a_file_that_is_something_else_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refusal(path) == f"the database {path} is not an SQLite database: use another file"
    assert path.read_bytes() == content


def test_a_damaged_file_is_told(path: Path) -> None:
    with closing(Database(str(path))) as database:
        migrate(database)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xaa" * (len(whole) - 100))
    with pytest.raises(StorageError, match=f"the database {path} is damaged: restore it from a backup"):
        Database(str(path))


def test_other_tables_in_the_file_are_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("CREATE TABLE appdata (app_key TEXT)")
        older.execute("INSERT INTO appdata VALUES ('old')")
    with closing(Database(str(path))) as database:
        migrate(database)
        store = SqlAppStore(database, Sealer(bytes(32)))
        store.add(DRAFT)
        assert [app.key for app in store.load()] == ["the-key"]
    with closing(sqlite3.connect(path)) as older:
        assert older.execute("SELECT app_key FROM appdata").fetchall() == [("old",)]


def expose_nothing(caught: pytest.ExceptionInfo[StorageError] | pytest.ExceptionInfo[Refusal]) -> None:
    told = "".join(traceback.format_exception(caught.value))
    assert "the-password" not in told
    assert "the-secret" not in told
    assert "INSERT" not in told
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_told_and_nothing_is_half_written(database: Database) -> None:
    store = SqlAppStore(database, Sealer(bytes(32)))
    before = store.add(DRAFT)
    pragma(database, f"max_page_count = {pragma(database, 'page_count')}")
    with pytest.raises(StorageError, match="the database or the disk is full") as caught:
        store.add(replace(DRAFT, key="next", name="x" * 100_000))
    expose_nothing(caught)
    assert list(store.load()) == [before]
    pragma(database, "max_page_count = 1000000")
    assert store.add(replace(DRAFT, key="next")).key == "next"


def test_a_lock_that_is_not_let_go_is_told_and_harmless_afterwards(path: Path, database: Database) -> None:
    store = SqlAppStore(database, Sealer(bytes(32)))
    with closing(Database(str(path))) as other, other.writing():
        with pytest.raises(StorageError, match=f"the database {path} is locked by another process") as caught:
            store.add(DRAFT)
        expose_nothing(caught)
        assert list(store.load()) == []
    assert store.add(DRAFT).key == "the-key"


def test_who_comes_after_a_lock_was_not_let_go_does_not_wait_as_long_again(path: Path) -> None:
    with closing(Database(str(path), busy_timeout_s=1.0)) as database:
        migrate(database)
        with closing(Database(str(path))) as other, other.writing():
            waited_s = []
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(StorageError, match="is locked by another process"), database.writing():
                    pass
                waited_s.append(time.monotonic() - began)
        assert waited_s[0] >= 0.9
        assert waited_s[1] < waited_s[0] / 2
        with database.writing():
            assert pragma(database, "busy_timeout") == 1000


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_into_a_file_that_is_no_longer_there_nothing_is_written(path: Path, database: Database, suffix: str) -> None:
    store = SqlAppStore(database, Sealer(bytes(32)))
    store.add(DRAFT)
    path.with_name(path.name + suffix).unlink()
    with pytest.raises(StorageError, match=f"the database {path} was deleted or replaced while it was open"):
        store.add(replace(DRAFT, key="next"))
    with pytest.raises(StorageError, match="was deleted or replaced"):
        store.revision()


def test_into_a_file_that_was_emptied_nothing_is_written(path: Path, database: Database) -> None:
    os.truncate(path, 0)
    with pytest.raises(StorageError, match=f"the database {path} was emptied while it was open"), database.writing():
        pass
    assert path.stat().st_size == 0


def test_a_link_to_the_database_may_be_its_name(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere.sqlite")
    with closing(Database(str(path), guarded=True)) as database:
        migrate(database)
        store = SqlAppStore(database, Sealer(bytes(32)))
        store.add(DRAFT)
        path.unlink()
        path.symlink_to(path.parent / "another.sqlite")
        (path.parent / "another.sqlite").write_bytes(b"x")
        with pytest.raises(StorageError, match="was deleted or replaced"):
            store.add(replace(DRAFT, key="next"))


def test_a_key_that_is_taken_exposes_nothing(database: Database) -> None:
    store = SqlAppStore(database, Sealer(bytes(32)))
    store.add(DRAFT)
    with pytest.raises(Refusal) as caught:
        store.add(DRAFT)
    expose_nothing(caught)


def test_what_an_index_refuses_exposes_nothing(database: Database) -> None:
    store = SqlAppStore(database, Sealer(bytes(32)))
    store.add(DRAFT)
    other = store.add(replace(DRAFT, key="other"))
    pair = KeyPair(key=DRAFT.key, secret="the-secret")
    with pytest.raises(StorageError, match="already holds an app with this key or id") as caught:
        store.change("other", lambda app: replace(app, keys=(*app.keys, pair)))
    expose_nothing(caught)
    assert store.load()[1] == other


def test_a_table_that_somebody_dropped_exposes_nothing(database: Database) -> None:
    store = SqlAppStore(database, Sealer(bytes(32)))
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE pushery_apps")
    with pytest.raises(StorageError, match=r"refused the request \(SQLITE_ERROR\)") as caught:
        store.add(DRAFT)
    expose_nothing(caught)


def test_calls_may_come_from_another_thread(database: Database) -> None:
    store = SqlAppStore(database, Sealer(bytes(32)))
    thread = Thread(target=store.add, args=(DRAFT,))
    thread.start()
    thread.join()
    assert [app.key for app in store.load()] == ["the-key"]
