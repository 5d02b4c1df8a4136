"""The registry as the running server sees it: all apps in memory, every change made durable first.

Reads never leave memory. Writes go to the store on one thread of their own, in order, so the event loop never waits
for a disk.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TypeVar

from pushery.core.apps import App, AppDraft
from pushery.core.ports import AppStore

T = TypeVar("T")


class Registry:
    """Apps by key, in order of registration, kept in step with the store."""

    def __init__(self, store: AppStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")
        self._revision = store.revision()
        self._apps = {app.key: app for app in store.load()}
        self.apps: Mapping[str, App] = MappingProxyType(self._apps)
        """A live, read-only view."""

    async def add(self, draft: AppDraft) -> App:
        """Register; returns once it is durable. Raises StorageError."""
        app = await self._run(lambda: self._store.add(draft))
        self._apps[app.key] = app
        return app

    async def remove(self, key: str) -> bool:
        """Unregister; returns once it is durable, False when there was no such app. Raises StorageError."""
        was_there = await self._run(lambda: self._store.remove(key))
        self._apps.pop(key, None)
        return was_there

    def forget(self, key: str) -> None:
        """Another node says that it has unregistered this app: no need to wait for `refresh` to find out."""
        self._apps.pop(key, None)

    async def refresh(self) -> list[str]:
        """Take in what other processes have changed; returns the keys of the apps that they removed."""
        fresh = await self._run(self._load_if_changed)
        if fresh is None:
            return []
        removed = [key for key in self._apps if key not in fresh]
        self._apps.clear()
        self._apps.update(fresh)
        return removed

    def _load_if_changed(self) -> dict[str, App] | None:
        revision = self._store.revision()
        if revision == self._revision:
            return None
        fresh = {app.key: app for app in self._store.load()}
        self._revision = revision
        return fresh

    def close(self) -> None:
        """Let what is under way finish, then close the store."""
        self._thread.submit(self._store.close).result()
        self._thread.shutdown()

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
