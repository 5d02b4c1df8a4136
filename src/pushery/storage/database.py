"""One SQLite file behind one kept connection: opening it, and transactions on it.

Knows no table, creates no directory, and closes no gap between two calls: who reads and then writes does both
inside `writing`. Invariant: what `writing` has left without an exception is on the disk, and, of a guarded database, in
the file that has its name.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from pushery.core.ports import StorageError
from pushery.storage.errors import one_line_errors
from pushery.storage.keyfile import OWNER_ONLY, sync_directory_of

BUSY_TIMEOUT_S = 5.0  # a writer holds the lock for one fsync; five seconds means that somebody hangs

IMPATIENT_S = 0.25  # for who comes after that, so that a queue of writers is soon refused

RETRY_S = 0.01

PRAGMAS = (
    "PRAGMA synchronous = FULL",  # sync every commit: NORMAL leaves the newest to a loss of power
    "PRAGMA fullfsync = ON",  # macOS: a plain fsync stops at the drive's cache
    "PRAGMA foreign_keys = ON",
)


class Database:
    """An open SQLite file. One thread at a time may call it."""

    def __init__(self, path: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S, guarded: bool = False) -> None:
        """Create the file if need be (mode 0600), connect, and see that it is an SQLite database.

        `guarded`: nothing is written any more once the file was deleted, replaced or emptied, for it would be gone with
        the process.
        """
        if not path:
            raise StorageError("the database has no path: set sqldir")
        self.path = path
        self.place = f"the database {path}"
        _create_privately(path)
        # SQLite opens a read-only file without a word, and would refuse the first registration only.
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise StorageError(f"{self.place} is not writable for this user")
        self._busy_timeout_s = busy_timeout_s
        self._is_impatient = False
        self._engine = _engine(path, busy_timeout_s)
        with one_line_errors(self.place):
            self._engine.connect().close()
        self._file = _identity(_status(path)) if guarded else None
        self._wal: tuple[int, int] | None = None
        self._wal_path = f"{os.path.realpath(path)}-wal"

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
            self._begin(connection)
            self._see_that_it_is_still_there()
            yield connection

    def data_version(self) -> int:
        """Changes when another connection has committed; commits of this one leave it as it is.

        https://www.sqlite.org/pragma.html#pragma_data_version
        """
        self._see_that_it_is_still_there()
        with self.reading() as connection:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def close(self) -> None:
        with one_line_errors(self.place):
            self._engine.dispose()

    def _begin(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if _is_busy(error.orig):
                self._wait_for_locks(connection, impatiently=True)
            raise
        self._wait_for_locks(connection, impatiently=False)

    def _wait_for_locks(self, connection: Connection, *, impatiently: bool) -> None:
        if impatiently != self._is_impatient:
            self._is_impatient = impatiently
            seconds = min(IMPATIENT_S, self._busy_timeout_s) if impatiently else self._busy_timeout_s
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")

    def _see_that_it_is_still_there(self) -> None:
        """SQLite itself takes no notice of files that are deleted or replaced.

        https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use
        """
        if self._file is None:
            return
        # It is made by the first access, and stays as long as anybody has the database open.
        wal = _identity(_status(self._wal_path))
        self._wal = self._wal or wal
        status = _status(self.path)
        if status is None or _identity(status) != self._file or wal != self._wal:
            raise StorageError(f"{self.place} was deleted or replaced while it was open: see to the file, then restart")
        if not status.st_size:
            raise StorageError(f"{self.place} was emptied while it was open: stop, restore it from a backup, and start")


def _status(path: str) -> os.stat_result | None:
    """What has this name now; None when nothing has, or when it is out of reach."""
    try:
        return os.stat(path)  # opens nothing: closing a second descriptor would drop SQLite's locks
    except OSError:
        return None


def _identity(status: os.stat_result | None) -> tuple[int, int] | None:
    return None if status is None else (status.st_dev, status.st_ino)


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
            if not _is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(RETRY_S)


def _is_busy(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
