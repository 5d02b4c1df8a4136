"""Brings a database of any earlier version, or an empty one, to the schema of today.

Does not go back: a database that a newer Pushery wrote is refused. Invariant: a step and the version it leads
to are committed together, so a crash leaves the step before, and of two processes only one does it.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    cast,
    func,
    insert,
    inspect,
    select,
    update,
)

from pushery.core.ports import StorageError
from pushery.storage.database import Database
from pushery.storage.schema import meta

Migration = Callable[[Connection], None]


def create_apps(connection: Connection) -> None:
    """Version 1. A snapshot: it stays as it is when `schema.apps` moves on."""
    apps = Table(
        "pushery_apps",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("key", Text, nullable=False, unique=True),
        Column("secret", LargeBinary, nullable=False),
        Column("name", Text, nullable=False),
        Column("auth_account", Text, nullable=False),
        Column("auth_password", LargeBinary, nullable=False),
        Column("request_ip", Text, nullable=False),
        Column("registered_ms", BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    apps.create(connection)


def add_settings_and_keys(connection: Connection) -> None:
    """Version 2. Every app gets default settings, and the key and secret it has become its first pair."""
    metadata = MetaData()
    apps = Table("pushery_apps", metadata, autoload_with=connection)
    keys = Table(
        "pushery_keys",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("app_id", Integer, ForeignKey("pushery_apps.id", ondelete="CASCADE"), nullable=False, index=True),
        Column("key", Text, nullable=False, unique=True),
        Column("secret", LargeBinary, nullable=False),
        Column("created_ms", BigInteger, nullable=False),
    )
    connection.exec_driver_sql("ALTER TABLE pushery_apps ADD COLUMN settings TEXT DEFAULT '{}' NOT NULL")
    keys.create(connection)
    # A sealed secret opens in either table: it is bound to its key, not to its row.
    pairs = select(apps.c.id, apps.c.key, apps.c.secret, apps.c.registered_ms).order_by(apps.c.id)
    connection.execute(insert(keys).from_select(["app_id", "key", "secret", "created_ms"], pairs))


def add_given_ids(connection: Connection) -> None:
    """Version 3. Every app keeps the number that it has as its id, and none has the id of another, given or not."""
    connection.exec_driver_sql("ALTER TABLE pushery_apps ADD COLUMN given_id TEXT")
    apps = Table("pushery_apps", MetaData(), autoload_with=connection)
    app_id = func.coalesce(apps.c.given_id, cast(apps.c.id, Text))
    Index("pushery_app_ids", app_id, unique=True).create(connection)


# The n-th entry leads from version n - 1 to n. Only ever append; an entry that was released does not change.
MIGRATIONS: Sequence[Migration] = (create_apps, add_settings_and_keys, add_given_ids)


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Run what is missing. `StorageError` when the database is newer than `migrations`."""
    with database.reading() as connection:
        version = _version(connection)
    while version < len(migrations):
        with database.writing() as connection:
            version = _version(connection)  # again, now under the lock: another process may have been faster
            if version < len(migrations):
                migrations[version](connection)
                version += 1
                _set_version(connection, version)
    if version > len(migrations):
        raise StorageError(
            f"{database.place} was written by a newer Pushery (schema {version}, this one knows "
            f"{len(migrations)}): upgrade Pushery, or use another file"
        )


def _version(connection: Connection) -> int:
    """0 when there is nothing of ours in it yet."""
    if not inspect(connection).has_table(meta.name):
        return 0
    return int(connection.execute(select(meta.c.schema_version)).scalar_one())


def _set_version(connection: Connection, version: int) -> None:
    if version == 1:
        meta.create(connection)
        connection.execute(insert(meta).values(only_row=1, schema_version=1))
    else:
        connection.execute(update(meta).values(schema_version=version))
