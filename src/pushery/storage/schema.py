"""The tables as this version of Pushery reads and writes them.

Does not create anything: `migrations` does. Invariant: these tables are what the newest migration leaves
behind (a test compares them).
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    cast,
    func,
)

metadata = MetaData()

# Our names carry a prefix, for the file may hold other tables already (`sqldir` may name an older server's).
meta = Table(
    "pushery_meta",
    metadata,
    Column("only_row", Integer, CheckConstraint("only_row = 1"), primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    # A known text, sealed when the database got its key; null until then. Tells a wrong key at once.
    Column("key_check", LargeBinary),
)

apps = Table(
    "pushery_apps",
    metadata,
    # AUTOINCREMENT: rising in order of registration, and never given out again after an unregister.
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("name", Text, nullable=False),
    Column("auth_account", Text, nullable=False),
    Column("auth_password", LargeBinary, nullable=False),  # sealed
    Column("request_ip", Text, nullable=False),
    Column("registered_ms", BigInteger, nullable=False),
    # A JSON object of the settings that are not at their default.
    Column("settings", Text, nullable=False, server_default="{}"),
    # The id that it was given when it came from elsewhere; null: its row's number in digits is its id.
    Column("given_id", Text),
    sqlite_autoincrement=True,
)

app_id = func.coalesce(apps.c.given_id, cast(apps.c.id, Text))
"""What backends call an app."""

Index("pushery_app_ids", app_id, unique=True)

keys = Table(
    "pushery_keys",
    metadata,
    # Rising with age: the oldest key of an app comes first.
    Column("id", Integer, primary_key=True),
    Column("app_id", Integer, ForeignKey("pushery_apps.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("key", Text, nullable=False, unique=True),
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("created_ms", BigInteger, nullable=False),
)
