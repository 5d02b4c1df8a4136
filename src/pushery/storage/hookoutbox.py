"""The outbox of webhooks in SQL: what is to be told, what was given up, and which places were told to be taken.

In a file beside the registry, so that no event ever makes a registration wait. Knows no HTTP and no order of
delivery; blocks its thread. Invariant: `write` puts all of its changes on the disk, or none.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from pushery.core.hookevents import Place
from pushery.storage.database import Database
from pushery.storage.hookschema import HOOK_MIGRATIONS, dead, queue, taken
from pushery.storage.migrations import migrate

AT_ONCE: Final = 500
"""Values in one statement; SQLite 3.31 and older take 999."""

# Built once: every statement that is built leaves cycles for the collector, which holds up the server's thread too.
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_EVENTS: Final = select(queue.c.id, queue.c.created_ms, queue.c.event).where(queue.c.id.in_(_IDS))
_DELETE: Final = {table: delete(table).where(table.c.id.in_(_IDS)) for table in (queue, dead)}
_AGAIN: Final = (
    update(queue).where(queue.c.id == bindparam("row")).values(attempts=bindparam("sent"), error=bindparam("why"))
)
_ITS: Final = [column == bindparam(f"its_{column.name}") for column in taken.c]
_IS_TAKEN: Final = select(taken.c.app_key).where(*_ITS)
_ARRIVED: Final = sqlite_insert(taken).on_conflict_do_nothing()
_LEFT: Final = delete(taken).where(*_ITS)
_COPIED: Final = ("id", "app_key", "url", "lane", "created_ms", "event")
_BURY: Final = insert(dead).from_select(
    [*_COPIED, "attempts", "error", "died_ms"],
    select(*(queue.c[name] for name in _COPIED), bindparam("sent"), bindparam("why"), bindparam("died")).where(
        queue.c.id == bindparam("row")
    ),
)


class NewEvent(NamedTuple):
    """An event on its way to one webhook. `event` is JSON, `created_ms` unix time in milliseconds."""

    app_key: str
    url: str
    lane: str
    created_ms: int
    event: bytes
    unless_taken: Place | None = None
    """Not to be told when this place is told to be taken already, by whichever server."""


class Waiting(NamedTuple):
    """A row of the queue without what it says."""

    id: int
    app_key: str
    url: str
    lane: str
    created_ms: int
    attempts: int
    error: str


class Failure(NamedTuple):
    """What has become of an event that was not accepted: how often it was sent in all, and why it failed last."""

    id: int
    attempts: int
    error: str


class DeadLetter(NamedTuple):
    """An event that was given up. Times are unix time in milliseconds, `event` is JSON."""

    id: int
    app_key: str
    url: str
    created_ms: int
    event: bytes
    attempts: int
    error: str
    died_ms: int


@dataclass(slots=True)
class Changes:
    """What to write in one transaction."""

    new: list[NewEvent] = field(default_factory=list)
    taken: dict[Place, bool] = field(default_factory=dict)
    """Places that are told to be taken (True) or free."""
    gone: list[int] = field(default_factory=list)
    """Delivered, or no longer wanted."""
    failed: list[Failure] = field(default_factory=list)
    dead: list[Failure] = field(default_factory=list)
    died_ms: int = 0
    forgotten: set[str] = field(default_factory=set)
    """Keys of apps of which nothing is to be left; what is new here is written after that."""

    def __bool__(self) -> bool:
        return bool(self.new or self.taken or self.gone or self.failed or self.dead or self.forgotten)


def outbox_path(sqldir: str) -> str:
    """Where the outbox of a registry is."""
    return f"{sqldir}.hooks"


def open_hook_outbox(sqldir: str) -> "HookOutbox":
    """Open the outbox beside the registry `sqldir`, made and migrated as needed. `StorageError` if that cannot be."""
    database = Database(outbox_path(sqldir))
    try:
        migrate(database, HOOK_MIGRATIONS)
    except BaseException:
        database.close()
        raise
    return HookOutbox(database)


def has_hook_outbox(sqldir: str) -> bool:
    """Whether there is one already."""
    return os.path.exists(outbox_path(sqldir))


class HookOutbox:
    """Takes over `database` and closes it. One thread at a time. Every call may raise `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, changes: Changes) -> list[int]:
        """Make the changes; returns the numbers of `changes.new`, which rise, and 0 for what need not be told.

        On the disk when this returns.
        """
        with self._database.writing() as connection:
            for app_key in changes.forgotten:
                for table in (queue, dead, taken):
                    connection.execute(delete(table).where(table.c.app_key == app_key))
            told = [_is_to_be_told(connection, event) for event in changes.new]
            numbers = iter(
                _add(connection, [event for event, is_told in zip(changes.new, told, strict=True) if is_told])
            )
            ids = [next(numbers) if is_told else 0 for is_told in told]
            _set_taken(connection, changes.taken)
            _bury(connection, changes.dead, changes.died_ms)
            _delete(connection, queue, changes.gone)
            if changes.failed:
                rows = [{"row": one.id, "sent": one.attempts, "why": one.error} for one in changes.failed]
                connection.execute(_AGAIN, rows)
        return ids

    def waiting(self, app_key: str | None = None, above: int = 0, limit: int = -1) -> list[Waiting]:
        """What waits with a number above `above`, oldest first; of one app, or of all."""
        columns = (queue.c[name] for name in Waiting._fields)
        question = select(*columns).where(queue.c.id > above).order_by(queue.c.id).limit(limit)
        if app_key is not None:
            question = question.where(queue.c.app_key == app_key)
        with self._database.reading() as connection:
            return [Waiting(*row) for row in connection.execute(question)]

    def oldest_ms(self) -> int | None:
        """When the event happened that waits the longest, in unix milliseconds; None when nothing waits."""
        with self._database.reading() as connection:
            return connection.execute(select(queue.c.created_ms).order_by(queue.c.id).limit(1)).scalar_one_or_none()

    def ids(self) -> set[int]:
        """The numbers of all that waits."""
        with self._database.reading() as connection:
            return set(connection.execute(select(queue.c.id)).scalars())

    def events(self, ids: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        """When these events that wait happened, and what they say; those that are gone are left out."""
        found: dict[int, tuple[int, bytes]] = {}
        with self._database.reading() as connection:
            for some in _portions(ids):
                rows = connection.execute(_EVENTS, {"ids": some})
                found |= {row.id: (row.created_ms, row.event) for row in rows}
        return found

    def taken(self) -> list[Place]:
        """The places that were told to be taken and not to be free again."""
        with self._database.reading() as connection:
            rows = connection.execute(select(taken)).all()
        return [Place(row.app_key, row.channel, row.user_id if row.is_member else None) for row in rows]

    def apps(self) -> set[str]:
        """The keys of all apps of which anything is here."""
        found: set[str] = set()
        with self._database.reading() as connection:
            for table in (queue, dead, taken):
                found.update(connection.execute(select(table.c.app_key).distinct()).scalars())
        return found

    def dead_letters(self, app_key: str, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """What was given up of an app with a number above `after`, oldest first."""
        columns = (dead.c[name] for name in DeadLetter._fields)
        question = select(*columns).where(dead.c.app_key == app_key, dead.c.id > after).order_by(dead.c.id)
        with self._database.reading() as connection:
            return [DeadLetter(*row) for row in connection.execute(question.limit(limit))]

    def replay(self, app_key: str, ids: Sequence[int] | None, now_ms: int) -> int:
        """Put dead letters of an app (None: all) at the end of the queue, in their order; returns how many.

        They become as new: receivers refuse what happened long ago, and the time for trying again begins anew.
        """
        replayed = 0
        with self._database.writing() as connection:
            for some in _chosen(connection, dead, app_key, ids):
                rows = connection.execute(select(dead).where(dead.c.id.in_(some)).order_by(dead.c.id)).all()
                _add(connection, [NewEvent(row.app_key, row.url, row.lane, now_ms, row.event) for row in rows])
                _delete(connection, dead, some)
                replayed += len(rows)
        return replayed

    def drop_dead(self, app_key: str, ids: Sequence[int] | None) -> int:
        """Delete dead letters of an app (None: all); returns how many."""
        return self._drop(dead, app_key, ids)

    def drop_waiting(self, app_key: str, ids: Sequence[int] | None) -> int:
        """Delete what waits of an app (None: all); returns how many."""
        return self._drop(queue, app_key, ids)

    def prune(self, keep: int, before_ms: int) -> int:
        """Delete dead letters that died before a time, and of each app all but the newest `keep`; returns how many."""
        with self._database.writing() as connection:
            count = connection.execute(delete(dead).where(dead.c.died_ms < before_ms)).rowcount
            full = select(dead.c.app_key).group_by(dead.c.app_key).having(func.count() > keep)
            for app_key in connection.execute(full).scalars().all():
                newest = select(dead.c.id).where(dead.c.app_key == app_key).order_by(dead.c.id.desc())
                oldest_kept = connection.execute(newest.offset(keep - 1).limit(1)).scalar_one()
                doomed = delete(dead).where(dead.c.app_key == app_key, dead.c.id < oldest_kept)
                count += connection.execute(doomed).rowcount
        return count

    def revision(self) -> int:
        """Changes when another process has written; own writes leave it as it is."""
        return self._database.data_version()

    def close(self) -> None:
        """Let go of the file. No call may follow."""
        self._database.close()

    def _drop(self, table: Table, app_key: str, ids: Sequence[int] | None) -> int:
        with self._database.writing() as connection:
            return sum(_delete(connection, table, some) for some in _chosen(connection, table, app_key, ids))


def _add(connection: Connection, events: Sequence[NewEvent]) -> list[int]:
    if not events:
        return []
    # Inserting many rows at once does not tell their numbers, so they are given here; the lock is held.
    sequence = "SELECT seq FROM sqlite_sequence WHERE name = 'pushery_hook_queue'"
    last = connection.exec_driver_sql(sequence).scalar_one_or_none() or 0
    ids = [last + number for number in range(1, len(events) + 1)]
    columns = ("app_key", "url", "lane", "created_ms", "event")
    rows = [
        {**dict(zip(columns, event, strict=False)), "id": event_id, "attempts": 0, "error": ""}
        for event_id, event in zip(ids, events, strict=True)
    ]
    connection.execute(insert(queue), rows)
    return ids


def _is_to_be_told(connection: Connection, event: NewEvent) -> bool:
    if event.unless_taken is None:
        return True
    return connection.execute(_IS_TAKEN, _its(_row(event.unless_taken))).first() is None


def _set_taken(connection: Connection, places: dict[Place, bool]) -> None:
    rows = [(_row(place), is_taken) for place, is_taken in places.items()]
    if arrived := [row for row, is_taken in rows if is_taken]:
        connection.execute(_ARRIVED, arrived)
    if left := [_its(row) for row, is_taken in rows if not is_taken]:
        connection.execute(_LEFT, left)


def _its(row: dict[str, object]) -> dict[str, object]:
    return {f"its_{name}": value for name, value in row.items()}


def _row(place: Place) -> dict[str, object]:
    return {
        "app_key": place.app_key,
        "channel": place.channel,
        "is_member": int(place.user_id is not None),
        "user_id": place.user_id or "",
    }


def _bury(connection: Connection, failures: Sequence[Failure], died_ms: int) -> None:
    if not failures:
        return
    rows = [{"row": one.id, "sent": one.attempts, "why": one.error, "died": died_ms} for one in failures]
    connection.execute(_BURY, rows)
    _delete(connection, queue, [one.id for one in failures])


def _delete(connection: Connection, table: Table, ids: Iterable[int]) -> int:
    return sum(connection.execute(_DELETE[table], {"ids": some}).rowcount for some in _portions(ids))


def _chosen(connection: Connection, table: Table, app_key: str, ids: Sequence[int] | None) -> list[list[int]]:
    """The numbers that are there and belong to the app, in order, in portions."""
    mine = select(table.c.id).where(table.c.app_key == app_key).order_by(table.c.id)
    there = connection.execute(mine).scalars().all()
    wanted = set(there if ids is None else ids)
    return _portions(event_id for event_id in there if event_id in wanted)


def _portions(ids: Iterable[int]) -> list[list[int]]:
    all_ids = list(ids)
    return [all_ids[start : start + AT_ONCE] for start in range(0, len(all_ids), AT_ONCE)]
