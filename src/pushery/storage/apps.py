"""The registry of apps in SQL: `AppStore` of `core.ports`, secrets sealed going in and opened coming out.

Keeps no copy in memory, watches for no changes and blocks its thread: its caller sees to all three.
Invariant: a row is whole and sealed under the database's one key, or it is not there.
"""

from collections.abc import Sequence

from sqlalchemy import Row, delete, insert, select, update

from pushery.core.apps import App, AppDraft
from pushery.core.ports import StorageError
from pushery.storage.database import Database
from pushery.storage.keyfile import read_key, read_or_create_key
from pushery.storage.migrations import migrate
from pushery.storage.schema import apps, meta
from pushery.storage.sealing import Sealer

KEY_CHECK_TEXT = "Pushery"
KEY_CHECK_CONTEXT = "pushery_meta:key_check"


def open_app_store(sqldir: str, key: bytes | None = None) -> "SqlAppStore":
    """Open the registry in the SQLite file `sqldir`, made and migrated as needed.

    `key` is 32 bytes; when None, the key lives in `<sqldir>.key`, which is made together with the database.
    `StorageError` for everything that is in the way.
    """
    database = Database(sqldir)
    try:
        migrate(database)
        return SqlAppStore(database, _fitting_sealer(database, key))
    except BaseException:
        database.close()
        raise


class SqlAppStore:
    """Implements `AppStore`; takes over `database` and closes it. One thread at a time."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def load(self) -> Sequence[App]:
        """All apps in order of registration."""
        with self._database.reading() as connection:
            rows = connection.execute(select(apps).order_by(apps.c.id)).all()
        return [self._app(row) for row in rows]

    def add(self, draft: AppDraft) -> App:
        """Register. On the disk when this returns; `StorageError` when the key is taken."""
        with self._database.writing() as connection:
            values = {
                "key": draft.key,
                "secret": self._sealer.seal(draft.secret, f"{draft.key}:secret"),
                "name": draft.name,
                "auth_account": draft.auth_account,
                "auth_password": self._sealer.seal(draft.auth_password, f"{draft.key}:auth_password"),
                "request_ip": draft.request_ip,
                "registered_ms": draft.registered_ms,
            }
            identity = connection.execute(insert(apps).values(values).returning(apps.c.id)).scalar_one()
        return App(
            id=str(identity),
            key=draft.key,
            secret=draft.secret,
            name=draft.name,
            auth_account=draft.auth_account,
            auth_password=draft.auth_password,
            request_ip=draft.request_ip,
            registered_ms=draft.registered_ms,
        )

    def remove(self, key: str) -> bool:
        """Unregister for good. False when no such app was there."""
        with self._database.writing() as connection:
            return connection.execute(delete(apps).where(apps.c.key == key)).rowcount > 0

    def revision(self) -> int:
        """Changes when another process (or store) has written. Own writes leave it as it is.

        Ask before `load`, not after: then a change in between is noticed the next time.
        """
        return self._database.data_version()

    def close(self) -> None:
        self._database.close()

    def _app(self, row: Row[tuple[object, ...]]) -> App:
        try:
            secret = self._sealer.unseal(row.secret, f"{row.key}:secret")
            auth_password = self._sealer.unseal(row.auth_password, f"{row.key}:auth_password")
        except StorageError as error:
            raise StorageError(f"{self._database.place}, app {row.id}: {error}") from None
        return App(
            id=str(row.id),
            key=row.key,
            secret=secret,
            name=row.name,
            auth_account=row.auth_account,
            auth_password=auth_password,
            request_ip=row.request_ip,
            registered_ms=row.registered_ms,
        )


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
    try:
        sealer.unseal(sealed_check, KEY_CHECK_CONTEXT)
    except StorageError:
        raise StorageError(f"the secret key does not fit {database.place}") from None
    return sealer
