"""The registry of apps in SQL: `AppStore` of `core.ports`, secrets sealed going in and opened coming out.

Keeps no copy in memory, watches for no changes and blocks its thread: its caller sees to all three.
Invariant: a row is whole and sealed under the database's one key, or it is not there.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from msgspec import structs
from sqlalchemy import Connection, Row, column, delete, func, insert, inspect, select, table, union_all, update

from pushery.core.appchanges import id_taken, key_taken
from pushery.core.apps import App, AppDraft, KeyPair
from pushery.core.ports import StorageError
from pushery.storage.database import Database
from pushery.storage.hookschema import queue
from pushery.storage.keyfile import read_key, read_or_create_key
from pushery.storage.migrations import migrate
from pushery.storage.schema import app_id, apps, keys, meta
from pushery.storage.sealing import Sealer
from pushery.storage.settings import decode_settings, encode_settings

KEY_CHECK_TEXT = "Pushery"
KEY_CHECK_CONTEXT = "pushery_meta:key_check"

FIXED: Final = ("id", "key", "secret", "request_ip", "registered_ms")
"""What `change` leaves alone."""

# One statement, so that an app and its keys are of one moment. An outer join: a server of version 1 that is still
# running knows no table of keys, so what it registers has its one key only.
APPS_WITH_KEYS: Final = (
    select(
        apps,
        app_id.label("app_id"),
        keys.c.key.label("pair_key"),
        keys.c.secret.label("pair_secret"),
        keys.c.created_ms.label("pair_created_ms"),
    )
    .select_from(apps.outerjoin(keys, keys.c.app_id == apps.c.id))
    .order_by(apps.c.id, keys.c.id)
)

_NUMBERS: Final = table("sqlite_sequence", column("name"), column("seq"))
_NEWEST: Final = select(func.max(_NUMBERS.c.seq)).where(_NUMBERS.c.name == apps.name)
"""The highest number that a row has ever had (https://www.sqlite.org/autoinc.html)."""


def open_app_store(sqldir: str, key: bytes | None = None) -> "SqlAppStore":
    """Open the registry in the SQLite file `sqldir`, made and migrated as needed.

    `key` is 32 bytes; when None, the key lives in `<sqldir>.key`, which is made together with the database.
    `StorageError` for everything that is in the way.
    """
    _refuse_what_was_emptied(sqldir)
    database = Database(sqldir, guarded=True)
    try:
        _refuse_an_outbox(database)
        migrate(database)
        return SqlAppStore(database, _fitting_sealer(database, key))
    except BaseException:
        database.close()
        raise


def _refuse_what_was_emptied(sqldir: str) -> None:
    """The key file is made when the database has its tables already, so beside it no database is empty."""
    key_path = f"{sqldir}.key"
    # In this order: another process may be at its first start.
    if os.path.exists(key_path) and os.path.exists(sqldir) and not os.path.getsize(sqldir):
        raise StorageError(
            f"the database {sqldir} is empty, but was not: restore it from a backup "
            f"(to begin anew, remove it and {key_path})"
        )


def _refuse_an_outbox(database: Database) -> None:
    """It has a schema version too, and would be taken for an old registry."""
    with database.reading() as connection:
        if inspect(connection).has_table(queue.name):
            raise StorageError(f"{database.place} is an outbox of webhooks, no registry of apps: use another file")


class SqlAppStore:
    """Implements `AppStore`; takes over `database` and closes it. One thread at a time."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def load(self) -> Sequence[App]:
        """All apps in order of registration."""
        with self._database.reading() as connection:
            rows = connection.execute(APPS_WITH_KEYS).all()
        return [self._app(list(group)) for _, group in itertools.groupby(rows, key=lambda row: row.id)]

    def add(self, draft: AppDraft, given_id: str | None = None) -> App:
        """Register. On the disk when this returns; `Refusal` when the key, or the id that is given, is taken."""
        with self._writing() as connection:
            if _is_key(connection, draft.key):
                raise key_taken(draft.key)
            if given_id is not None and _is_id(connection, given_id):
                raise id_taken(given_id)
            number = _free_number(connection)
            values = {
                "id": number,
                "given_id": given_id,
                "key": draft.key,
                "secret": self._seal_secret(draft.key, draft.secret),
                "name": draft.name,
                "auth_account": draft.auth_account,
                "auth_password": self._seal_password(draft),
                "request_ip": draft.request_ip,
                "registered_ms": draft.registered_ms,
                "settings": encode_settings(draft.settings, "{}"),
            }
            connection.execute(insert(apps).values(values))
            app = App(id=str(number) if given_id is None else given_id, **structs.asdict(draft))
            self._insert_keys(connection, number, app)
        return app

    def change(self, key: str, edit: Callable[[App], App]) -> App | None:
        """Make of the app what `edit` makes of it: name, administrator, settings, keys. On the disk when this returns.

        None when there is no such app. `ValueError` when `edit` changes what stays as long as an app lives.
        """
        with self._writing() as connection:
            rows = connection.execute(APPS_WITH_KEYS.where(apps.c.key == key)).all()
            if not rows:
                return None
            before = self._app(rows)
            after = edit(before)
            if any(getattr(before, name) != getattr(after, name) for name in FIXED):
                raise ValueError(f"of an app, {', '.join(FIXED)} stay as they are")
            if after != before:
                values = {
                    "name": after.name,
                    "auth_account": after.auth_account,
                    "auth_password": self._seal_password(after),
                    "settings": encode_settings(after.settings, rows[0].settings),
                }
                connection.execute(update(apps).where(apps.c.key == key).values(values))
            if after.keys != before.keys:
                connection.execute(delete(keys).where(keys.c.app_id == rows[0].id))
                self._insert_keys(connection, rows[0].id, after)
        return after

    def remove(self, key: str) -> bool:
        """Unregister for good. False when no such app was there."""
        with self._writing() as connection:
            return connection.execute(delete(apps).where(apps.c.key == key)).rowcount > 0

    def revision(self) -> int:
        """Changes when another process (or store) has written. Own writes leave it as it is.

        Ask before `load`, not after: then a change in between is noticed the next time.
        """
        return self._database.data_version()

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction, if the database is still the one that our key belongs to: another may have been restored."""
        with self._database.writing() as connection:
            sealed_check = connection.execute(select(meta.c.key_check)).scalar_one_or_none()
            if sealed_check is not None:
                _see_that_it_fits(self._sealer, sealed_check, self._database)
            yield connection

    def _app(self, rows: Sequence[Row[tuple[object, ...]]]) -> App:
        """The app of these rows, one for each of its keys."""
        row = rows[0]
        try:
            return App(
                id=row.app_id,
                key=row.key,
                secret=self._sealer.unseal(row.secret, f"{row.key}:secret"),
                name=row.name,
                auth_account=row.auth_account,
                auth_password=self._sealer.unseal(row.auth_password, f"{row.key}:auth_password"),
                request_ip=row.request_ip,
                registered_ms=row.registered_ms,
                settings=decode_settings(row.settings),
                keys=tuple(self._pair(row) for row in rows if row.pair_key is not None),
            )
        except StorageError as error:
            raise StorageError(f"{self._database.place}, app {row.app_id}: {error}") from None

    def _pair(self, row: Row[tuple[object, ...]]) -> KeyPair:
        secret = self._sealer.unseal(row.pair_secret, f"{row.pair_key}:secret")
        return KeyPair(key=row.pair_key, secret=secret, created_ms=row.pair_created_ms)

    def _insert_keys(self, connection: Connection, number: int, app: App) -> None:
        for pair in app.keys:
            values = {
                "app_id": number,
                "key": pair.key,
                "secret": self._seal_secret(pair.key, pair.secret),
                "created_ms": pair.created_ms,
            }
            connection.execute(insert(keys).values(values))

    def _seal_secret(self, key: str, secret: str) -> bytes:
        return self._sealer.seal(secret, f"{key}:secret")

    def _seal_password(self, app: AppDraft) -> bytes:
        return self._sealer.seal(app.auth_password, f"{app.key}:auth_password")


def _is_key(connection: Connection, key: str) -> bool:
    """Whether an app is called so, or has this key."""
    found = union_all(select(apps.c.key).where(apps.c.key == key), select(keys.c.key).where(keys.c.key == key))
    return connection.execute(found).first() is not None


def _is_id(connection: Connection, text: str) -> bool:
    return connection.execute(select(apps.c.id).where(app_id == text)).first() is not None


def _free_number(connection: Connection) -> int:
    """The number of the next row: behind all there were, and not what an app was given for its id."""
    number = int(connection.execute(_NEWEST).scalar_one() or 0) + 1
    while _is_id(connection, str(number)):
        number += 1
    return number


def _fitting_sealer(database: Database, key: bytes | None) -> Sealer:
    """The sealer of the given key (None: of the key file), once it is known to be the database's own.

    All under the write lock: of two processes at a first start, one gives the database its key and the
    other finds it.
    """
    key_path = f"{database.path}.key"
    with database.writing() as connection:
        sealed_check = connection.execute(select(meta.c.key_check)).scalar_one()
        if sealed_check is None:
            sealer = Sealer(key or read_or_create_key(key_path))
            sealed_check = sealer.seal(KEY_CHECK_TEXT, KEY_CHECK_CONTEXT)
            connection.execute(update(meta).values(key_check=sealed_check))
        else:
            sealer = Sealer(key or read_key(key_path))
    _see_that_it_fits(sealer, sealed_check, database)
    return sealer


def _see_that_it_fits(sealer: Sealer, sealed_check: object, database: Database) -> None:
    try:
        sealer.unseal(sealed_check, KEY_CHECK_CONTEXT)
    except StorageError:
        raise StorageError(f"the secret key does not fit {database.place}") from None
