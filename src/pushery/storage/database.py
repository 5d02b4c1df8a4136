"""One SQLite file behind one kept connection: opening it, and transactions on it.

Knows no table, creates no directory, and closes no gap between two calls: who reads and then writes does both
inside `writing`. Invariant: what `writing` has left without an exception is on the disk.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from pushery.core.ports import StorageError
from pushery.storage.errors import one_line_errors
from pushery.storage.keyfile import OWNER_ONLY, sync_directory_of

BUSY_TIMEOUT_S = 5.0  # a writer holds the lock for one fsync; five seconds means that somebody hangs

RETRY_S = 0.01

PRAGMAS = (
    "PRAGMA synchronous = FULL",  # sync every commit: NORMAL leaves the newest to a loss of power
    "PRAGMA fullfsync = ON",  # macOS: a plain fsync stops at the drive's cache
    "PRAGMA foreign_keys = ON",
)


class Database:
    """An open SQLite file. One thread at a time may call it."""

    def __init__(self, path: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Create the file if need be (mode 0600), connect, and see that it is an SQLite database."""
        if not path:
            raise StorageError("the database has no path: set sqldir")
        self.path = path
        self.place = f"the database {path}"
        _create_privately(path)
        # SQLite opens a read-only file without a word, and would refuse the first registration only.
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise StorageError(f"{self.place} is not writable for this user")
        self._engine = _engine(path, busy_timeout_s)
        with one_line_errors(self.place):
            self._engine.connect().close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For single statements: the driver is in autocommit mode, each sees the newest commit."""
        with one_line_errors(self.place), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its start; committed at the end, or rolled back.

        SQLite refuses to turn a read transaction into a writing one when another process has written in
        between (no timeout helps), so the lock comes first.
        """
        with one_line_errors(self.place), self._engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def data_version(self) -> int:
        """Changes when another connection has committed; commits of this one leave it as it is.

        https://www.sqlite.org/pragma.html#pragma_data_version
        """
        with self.reading() as connection:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def close(self) -> None:
        with one_line_errors(self.place):
            self._engine.dispose()


def _create_privately(path: str) -> None:
    """Make an empty file with mode 0600 (SQLite goes by the umask); -wal and -shm take it over."""
    # realpath: O_EXCL does not follow a link that points at a file yet to be made, SQLite does.
    target = os.path.realpath(path)
    try:
        # O_EXCL also because opening and closing an existing file would drop the POSIX locks that another
        # connection of this process holds on it.
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        try:
            os.fchmod(descriptor, OWNER_ONLY)  # whatever the umask made of it
        finally:
            os.close(descriptor)
        sync_directory_of(target)
    except FileExistsError:
        return
    except OSError as error:
        raise StorageError(f"the database {path} cannot be created: {error.strerror}") from None


def _engine(path: str, busy_timeout_s: float) -> Engine:
    file = os.path.abspath(path)  # ":memory:" and "" mean other things to SQLite than a file of that name

    def connect() -> sqlite3.Connection:
        # isolation_level None: the driver begins no transactions of its own, `writing` says when.
        connection = sqlite3.connect(file, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
        try:
            _switch_to_wal(connection, busy_timeout_s)
            for pragma in PRAGMAS:
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        return connection

    # StaticPool: one connection for the whole life, which is what gives `data_version` its meaning.
    return create_engine("sqlite+pysqlite://", creator=connect, poolclass=StaticPool, hide_parameters=True)


def _switch_to_wal(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """WAL: a writer and the readers of other processes do not wait for each other.

    When several processes switch a new file at once, SQLite answers "locked" to some without the wait that
    it was told to make (seen with 3.40, eight processes, one start in a hundred), so the wait is made here.
    """
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                raise
        time.sleep(RETRY_S)
