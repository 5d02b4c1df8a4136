"""Turns what the database driver raises into one line for the operator.

Does not retry and does not log. Invariant: neither SQL text nor a parameter (a secret may be one) is ever
part of the message or of its traceback; hence messages are built from the error's code only.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pushery.core.ports import StorageError

# SQLite's primary result codes (https://www.sqlite.org/rescode.html), and what the operator can do.
NO_ACCESS = "is not accessible: give this user write permission on the file and its directory"
ADVICE = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_FULL: "cannot grow: the database or the disk is full",
    sqlite3.SQLITE_READONLY: "is read-only: give this user write permission on the file and its directory",
    sqlite3.SQLITE_PERM: NO_ACCESS,
    sqlite3.SQLITE_AUTH: NO_ACCESS,
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: its directory must exist and be writable for this user",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database: use another file",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    # An extended code: the file beside the database that its users share cannot be given its size.
    sqlite3.SQLITE_IOERR_SHMSIZE: "cannot grow: the disk is full",
}


@contextmanager
def one_line_errors(place: str) -> Iterator[None]:
    """Within it, whatever the database raises becomes a `StorageError` that begins with `place`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        # `from None`: the original carries the parameters and must not be printed along.
        raise StorageError(f"{place} {_advice(error)}") from None
    except UnicodeEncodeError:
        # A lone surrogate, which JSON can smuggle into a Python string. The original quotes the text.
        raise StorageError(f"{place} cannot hold text that is not valid Unicode") from None


def _advice(error: SQLAlchemyError | sqlite3.Error) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    code: int | None = getattr(original, "sqlite_errorcode", None)
    if code is None:
        return f"refused the request ({type(original).__name__})"
    if code == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
        return "already holds an app with this key or id"
    primary = code & 0xFF  # the rest of an extended code tells how, not what
    return ADVICE.get(code) or ADVICE.get(
        primary, f"refused the request ({getattr(original, 'sqlite_errorname', code)})"
    )
