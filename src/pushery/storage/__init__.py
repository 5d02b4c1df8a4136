"""The durable registry of apps: one SQLite file, its secrets sealed. `open_app_store` is the way in."""

from pushery.storage.apps import SqlAppStore, open_app_store

__all__ = ["SqlAppStore", "open_app_store"]
