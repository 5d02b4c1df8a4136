"""The durable registry of apps: one SQLite file, its secrets sealed. `open_app_store` is the way in."""

from pushery.storage.apps import SqlAppStore, open_app_store
from pushery.storage.sealing import parse_key

__all__ = ["SqlAppStore", "open_app_store", "parse_key"]
