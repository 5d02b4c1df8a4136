"""Opening the registry: which key it takes, and that the files alone give nothing away."""

import base64
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pushery.core.apps import AppDraft
from pushery.core.ports import StorageError
from pushery.storage import open_app_store
from pushery.storage.hookoutbox import open_hook_outbox, outbox_path

RAW_KEY, OTHER_KEY = (bytes([byte]) * 32 for byte in (1, 2))
KEY = base64.b64encode(RAW_KEY).decode()
REGISTRAR = Path(__file__).with_name("registrar.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "apps.sqlite"


def key_file(path: Path) -> Path:
    return Path(f"{path}.key")


def draft(key: str) -> AppDraft:
    return AppDraft(
        key=key,
        secret=f"TOPSECRET-of-{key}",
        name="shop",
        auth_account="admin",
        auth_password=f"TOPPASSWORD-of-{key}",
        request_ip="192.0.2.1:1",
        registered_ms=1,
    )


def register(path: Path, key: str, secret_key: bytes | None = None) -> None:
    with closing(open_app_store(str(path), secret_key)) as store:
        store.add(draft(key))


def keys(path: Path, secret_key: bytes | None = None) -> list[str]:
    with closing(open_app_store(str(path), secret_key)) as store:
        return [app.key for app in store.load()]


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_the_key_is_made_beside_the_database_and_used_again(path: Path) -> None:
    register(path, "a")
    assert key_file(path).stat().st_mode & 0o777 == 0o600
    assert keys(path) == ["a"]


def test_a_secret_key_needs_no_key_file(path: Path) -> None:
    register(path, "a", RAW_KEY)
    assert keys(path, RAW_KEY) == ["a"]
    assert not key_file(path).exists()


def test_the_key_of_the_key_file_may_move_into_the_setting(path: Path) -> None:
    register(path, "a")
    text = key_file(path).read_text()
    key_file(path).unlink()
    assert keys(path, base64.b64decode(text)) == ["a"]


def test_a_wrong_secret_key_is_recognised_even_before_the_first_app(path: Path) -> None:
    open_app_store(str(path), RAW_KEY).close()
    with pytest.raises(StorageError, match=f"^the secret key does not fit the database {path}$"):
        open_app_store(str(path), OTHER_KEY)


def test_another_databases_key_file_is_recognised(path: Path) -> None:
    register(path, "a")
    key_file(path).write_text(KEY)
    with pytest.raises(StorageError, match="the secret key does not fit"):
        open_app_store(str(path))


def test_a_missing_key_file_is_told_and_not_made_anew(path: Path) -> None:
    register(path, "a")
    key_file(path).unlink()
    with pytest.raises(StorageError, match=f"^the key file {key_file(path)} is missing; restore it"):
        open_app_store(str(path))
    assert not key_file(path).exists()


def test_a_database_that_was_emptied_is_refused_as_long_as_its_key_file_is_there(path: Path) -> None:
    register(path, "a")
    path.write_bytes(b"")
    with pytest.raises(StorageError, match=r"apps\.sqlite is empty, but was not: restore it from a backup"):
        keys(path)
    assert path.read_bytes() == b""
    key_file(path).unlink()
    assert keys(path) == []


def test_an_outbox_of_webhooks_is_no_registry(path: Path) -> None:
    open_hook_outbox(str(path)).close()
    outbox = Path(outbox_path(str(path)))
    before = outbox.read_bytes()
    with pytest.raises(StorageError, match="is an outbox of webhooks, no registry of apps: use another file"):
        keys(outbox)
    assert outbox.read_bytes() == before


def test_into_a_database_of_another_key_that_was_restored_nothing_is_written(path: Path) -> None:
    other = path.with_name("other.sqlite")
    register(other, "a")
    with closing(open_app_store(str(path))) as store:
        with closing(sqlite3.connect(other)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
        for write in (lambda: store.add(draft("b")), lambda: store.remove("a"), lambda: store.change("a", lambda a: a)):
            with pytest.raises(StorageError, match="the secret key does not fit the database"):
                write()


def test_an_open_key_file_is_refused(path: Path) -> None:
    register(path, "a")
    key_file(path).chmod(0o644)
    with pytest.raises(StorageError, match=f"run chmod 600 {key_file(path)}"):
        open_app_store(str(path))


def test_a_newer_database_is_refused(path: Path) -> None:
    register(path, "a")
    execute(path, "UPDATE pushery_meta SET schema_version = 7")
    with pytest.raises(StorageError, match="newer Pushery"):
        open_app_store(str(path))


def test_neither_the_database_nor_its_log_holds_a_secret(path: Path) -> None:
    store = open_app_store(str(path))
    store.add(draft("a"))
    store.add(draft("b"))
    store.remove("b")
    live = raw_bytes(path)
    store.close()
    closed = raw_bytes(path)
    assert b"shop" in live["apps.sqlite-wal"]  # what is not secret is found, so the search does search
    assert b"shop" in closed["apps.sqlite"]
    for content in [*live.values(), *closed.values()]:
        assert b"TOPSECRET" not in content
        assert b"TOPPASSWORD" not in content


def raw_bytes(path: Path) -> dict[str, bytes]:
    # Another process reads: closing a file in this one would drop SQLite's locks on it (POSIX).
    names = sorted(file.name for file in path.parent.iterdir())
    return {name: subprocess.run(["cat", path.parent / name], capture_output=True, check=True).stdout for name in names}


def test_a_sealed_value_moved_to_another_row_or_column_is_noticed(path: Path) -> None:
    for statement in (
        "UPDATE pushery_apps SET auth_password = (SELECT auth_password FROM pushery_apps WHERE key = 'a')",
        "UPDATE pushery_apps SET auth_password = secret",
        "UPDATE pushery_apps SET auth_password = 'hunter2'",
        "UPDATE pushery_apps SET key = key || 'x'",
    ):
        path.unlink(missing_ok=True)
        key_file(path).unlink(missing_ok=True)
        register(path, "a")
        register(path, "b")
        execute(path, statement)
        with pytest.raises(StorageError, match=f"^the database {path}, app [12]: a sealed value"):
            keys(path)


def test_bytes_that_are_no_text_are_told_without_repeating_them(path: Path) -> None:
    register(path, "a")
    execute(path, "UPDATE pushery_apps SET name = CAST(X'68756E74657232FF' AS TEXT)")
    with pytest.raises(StorageError, match="refused the request") as caught:
        keys(path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.process
def test_processes_that_start_at_once_share_one_key_and_lose_no_app(path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, REGISTRAR, path, name, "10"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "abcd"
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:  # all have said that they are ready: now they race from the file's creation on
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            _, errors = process.communicate(timeout=30)
            assert (process.returncode, errors) == (0, "")
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert sorted(keys(path)) == sorted(f"{name}-{number}" for name in "abcd" for number in range(10))
    assert sorted(os.listdir(path.parent)) == ["apps.sqlite", "apps.sqlite.key"]
