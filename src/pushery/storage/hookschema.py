"""The tables of the webhooks' outbox, in a file of its own, and the steps that lead to them.

Creates nothing by itself: `migrations.migrate` does, with the steps given here. Invariant: a step that was released
stays as it is.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, LargeBinary, MetaData, Table, Text

from pushery.storage.migrations import Migration


def _tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    queue = Table(
        "pushery_hook_queue",
        metadata,
        # AUTOINCREMENT: a number says what came before what, for ever, even when the newer rows are gone.
        Column("id", Integer, primary_key=True),
        Column("app_key", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("lane", Text, nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("event", LargeBinary, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("error", Text, nullable=False),
        Index("pushery_hook_queue_app", "app_key"),
        sqlite_autoincrement=True,
    )
    dead = Table(
        "pushery_hook_dead",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("app_key", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("lane", Text, nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("event", LargeBinary, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("error", Text, nullable=False),
        Column("died_ms", BigInteger, nullable=False),
        Index("pushery_hook_dead_app", "app_key", "id"),
    )
    # `is_member` and an empty user_id: NULL would not be unique in a primary key.
    taken = Table(
        "pushery_hook_taken",
        metadata,
        Column("app_key", Text, primary_key=True),
        Column("channel", Text, primary_key=True),
        Column("is_member", Integer, primary_key=True, autoincrement=False),
        Column("user_id", Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    return queue, dead, taken


def create_hooks(connection: Connection) -> None:
    """Version 1. When the tables move on, this takes over what `_tables` is now."""
    metadata = MetaData()
    _tables(metadata)
    metadata.create_all(connection)


HOOK_MIGRATIONS: Sequence[Migration] = (create_hooks,)

metadata = MetaData()
queue, dead, taken = _tables(metadata)
