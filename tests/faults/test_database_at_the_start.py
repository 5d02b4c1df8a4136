"""A database or a key that is not what it should be: the server does not start, says why, and touches nothing."""

import base64
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pushery.storage import open_app_store
from pushery.storage.hookoutbox import open_hook_outbox
from tests.faults.hands import database_files, refused_start

pytestmark = pytest.mark.process

PLACE = "appdata.sqlite"
KEY = "appdata.sqlite.key"
HOOKS = "appdata.sqlite.hooks"


def make(directory: Path) -> None:
    """A registry and an outbox as a server leaves them."""
    open_app_store(str(directory / PLACE)).close()
    open_hook_outbox(str(directory / PLACE)).close()


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database " * 1000)


def half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def another_header(path: Path) -> None:
    path.write_bytes(b"SQLite format 4\x00" + path.read_bytes()[16:])


def damaged_inside(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xaa" * (len(content) - 100))


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE pushery_meta SET schema_version = 99")


def other_key(path: Path) -> None:
    path.write_bytes(base64.b64encode(os.urandom(32)) + b"\n")


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        (PLACE, garbage, "is not an SQLite database: use another file"),
        (PLACE, another_header, "is not an SQLite database: use another file"),
        (PLACE, half, "is damaged: restore it from a backup"),
        (PLACE, damaged_inside, "is damaged: restore it from a backup"),
        (PLACE, nothing, "is empty, but was not: restore it from a backup"),
        (PLACE, newer, "was written by a newer Pushery (schema 99, this one knows"),
        (HOOKS, garbage, "is not an SQLite database: use another file"),
        (HOOKS, damaged_inside, "is damaged: restore it from a backup"),
        (HOOKS, newer, "was written by a newer Pushery (schema 99, this one knows"),
        (KEY, Path.unlink, "is missing; restore it, or set secret_key to the key it held"),
        (KEY, other_key, "the secret key does not fit the database"),
        (KEY, nothing, "does not hold 32 bytes in base64: restore it from a backup"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:20]),
)
def test_what_is_not_right_is_told_in_one_line_and_left_as_it_is(
    tmp_path: Path, file: str, spoil: Callable[[Path], None], words: str
) -> None:
    make(tmp_path)
    spoil(tmp_path / file)
    before = database_files(tmp_path)
    said = refused_start(tmp_path)
    assert words in said
    assert PLACE in said
    assert database_files(tmp_path) == before


def test_an_outbox_is_not_taken_for_a_registry(tmp_path: Path) -> None:
    make(tmp_path)
    before = (tmp_path / HOOKS).read_bytes()
    assert "is an outbox of webhooks, no registry of apps" in refused_start(tmp_path, sqldir=str(tmp_path / HOOKS))
    assert (tmp_path / HOOKS).read_bytes() == before
