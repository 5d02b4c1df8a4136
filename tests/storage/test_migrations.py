"""Every older database arrives at today's schema; a newer one is refused."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, create_engine, update

from pushery.core.apps import AppDraft, KeyPair
from pushery.core.appsettings import AppSettings
from pushery.core.exchange import Refusal
from pushery.core.ports import StorageError
from pushery.storage import open_app_store
from pushery.storage.database import Database
from pushery.storage.migrations import MIGRATIONS, Migration, migrate
from pushery.storage.schema import meta, metadata
from pushery.storage.sealing import Sealer


def step(table: str) -> Migration:
    def create(connection: Connection) -> None:
        Table(table, MetaData(), Column("n", Integer)).create(connection)

    return create


def draft_of(key: str) -> AppDraft:
    return AppDraft(
        key=key, secret="s", name="n", auth_account="a", auth_password="p", request_ip="ip:1", registered_ms=1
    )


def die(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE half_done (n INTEGER)")
    raise KeyboardInterrupt


STEPS = [step("one"), step("two"), step("three")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "apps.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(str(path))
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars()
        return {name for name in rows if name.isalpha() or name == "half_done"}


def version(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT schema_version FROM pushery_meta").scalar_one())


@pytest.mark.parametrize("known_before", range(len(STEPS) + 1))
def test_every_older_version_arrives_at_the_newest(database: Database, known_before: int) -> None:
    migrate(database, STEPS[:known_before])
    migrate(database, STEPS)
    assert tables(database) == {"one", "two", "three"}
    assert version(database) == 3
    migrate(database, STEPS)  # running a step twice would fail: its table exists


def test_a_step_that_dies_leaves_the_version_before_it_whole(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        migrate(database, [*STEPS[:2], die, STEPS[2]])
    assert tables(database) == {"one", "two"}
    assert version(database) == 2


class Overtaken(Database):
    """Another process migrates it between its look at the version and its lock."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with super().reading() as connection:
            yield connection
        with closing(Database(self.path)) as faster:
            migrate(faster, STEPS)


def test_another_process_may_have_been_faster(path: Path) -> None:
    with closing(Overtaken(str(path))) as database:
        migrate(database, STEPS)
    with closing(Database(str(path))) as database:
        assert version(database) == 3
        assert tables(database) == {"one", "two", "three"}


def test_a_newer_database_is_refused(path: Path, database: Database) -> None:
    migrate(database)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE pushery_meta SET schema_version = 7")
    with pytest.raises(StorageError) as caught:
        migrate(database)
    assert str(caught.value) == (
        f"the database {path} was written by a newer Pushery (schema 7, this one knows {len(MIGRATIONS)}): "
        "upgrade Pushery, or use another file"
    )


def test_apps_of_version_1_keep_their_key_and_get_default_settings(path: Path) -> None:
    sealer = Sealer(b"k" * 32)
    with closing(Database(str(path))) as old:
        migrate(old, MIGRATIONS[:1])
        with old.writing() as connection:
            connection.execute(update(meta).values(key_check=sealer.seal("Pushery", "pushery_meta:key_check")))
            for key in "ba":
                connection.exec_driver_sql(
                    "INSERT INTO pushery_apps (key, secret, name, auth_account, auth_password, request_ip,"
                    " registered_ms) VALUES (?, ?, 'n', 'admin', ?, 'ip:1', 7)",
                    (key, sealer.seal(f"s{key}", f"{key}:secret"), sealer.seal("p", f"{key}:auth_password")),
                )
    with closing(open_app_store(str(path), b"k" * 32)) as store:
        apps = store.load()
        assert [app.key for app in apps] == ["b", "a"]
        for app in apps:
            assert app.keys == (KeyPair(key=app.key, secret=f"s{app.key}", created_ms=7),)
            assert app.settings == AppSettings()
        changed = store.change(
            "a", lambda app: msgspec.structs.replace(app, keys=(*app.keys, KeyPair(key="c", secret="x")))
        )
        assert list(store.load()) == [apps[0], changed]
        assert store.remove("b")
        assert store.add(draft_of("b")).keys[0].key == "b"


OF_VERSION_2 = (
    "INSERT INTO pushery_apps (key, secret, name, auth_account, auth_password, request_ip, registered_ms, settings)"
    " VALUES (?, ?, 'n', 'admin', ?, 'ip:1', 7, '{}')"
)
"""As a server of version 2 registers an app, also one that is still running beside a newer one."""


def row_of(key: str, sealer: Sealer) -> tuple[str, bytes, bytes]:
    return key, sealer.seal(f"s{key}", f"{key}:secret"), sealer.seal("p", f"{key}:auth_password")


def test_apps_of_version_2_keep_their_ids_and_new_ones_are_none_of_those(path: Path) -> None:
    sealer = Sealer(b"k" * 32)
    with closing(Database(str(path))) as old:
        migrate(old, MIGRATIONS[:2])
        with old.writing() as connection:
            connection.execute(update(meta).values(key_check=sealer.seal("Pushery", "pushery_meta:key_check")))
            for key in "gba":
                connection.exec_driver_sql(OF_VERSION_2, row_of(key, sealer))
            connection.exec_driver_sql("DELETE FROM pushery_apps WHERE key = 'g'")
    with closing(open_app_store(str(path), b"k" * 32)) as store:
        assert [(app.key, app.id) for app in store.load()] == [("b", "2"), ("a", "3")]
        with pytest.raises(Refusal, match="The id 3 belongs to an app here"):
            store.add(draft_of("c"), "3")
        assert store.add(draft_of("c"), "4").id == "4"
        assert store.add(draft_of("d")).id == "5"


def test_a_server_of_version_2_that_still_runs_gives_no_id_that_an_app_was_given(path: Path) -> None:
    sealer = Sealer(b"k" * 32)
    with closing(open_app_store(str(path), b"k" * 32)) as store, closing(Database(str(path))) as old:
        store.add(draft_of("a"), "2")
        with pytest.raises(StorageError, match="already holds an app with this key or id"), old.writing() as connection:
            connection.exec_driver_sql(OF_VERSION_2, row_of("b", sealer))
        assert store.add(draft_of("c")).id == "3"
        with old.writing() as connection:
            connection.exec_driver_sql(OF_VERSION_2, row_of("b", sealer))
        assert [(app.key, app.id) for app in store.load()] == [("a", "2"), ("c", "3"), ("b", "4")]


def test_the_migrations_lead_to_the_schema_that_the_code_uses(path: Path, database: Database) -> None:
    migrate(database)
    declared = create_engine(f"sqlite:///{path.parent / 'declared.sqlite'}")
    metadata.create_all(declared)
    declared.dispose()

    def schema(file: Path) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(file)) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
        # ALTER TABLE writes its column behind the last one, in the same line.
        return {(name, " ".join((sql or "").split())) for name, sql in rows}

    assert schema(path) == schema(path.parent / "declared.sqlite")
