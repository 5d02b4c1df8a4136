"""The registry as the running server sees it: all apps in memory, every change made durable first.

Reads never leave memory. Writes go to the store on one thread of their own, in order, so the event loop never waits
for a disk. Invariant: memory takes in what the store has done in the order in which the store has done it, also when
nobody waits for the outcome any more; so what `refresh` has loaded never undoes what came after.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pushery.core.apps import App, AppDraft, Directory
from pushery.core.ports import AppStore

T = TypeVar("T")


class Registry:
    """Apps in order of registration, kept in step with the store."""

    def __init__(self, store: AppStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")
        self._revision = store.revision()
        self.directory = Directory(store.load())
        """A live view; only the registry changes it."""
        self.apps: Mapping[str, App] = self.directory.apps

    async def add(self, draft: AppDraft, given_id: str | None = None) -> App:
        """Register; returns once it is durable. Raises StorageError, and Refusal when key or id are taken."""
        return await self._run(lambda: self._store.add(draft, given_id), self.directory.put)

    async def change(self, app_key: str, edit: Callable[[App], App]) -> App | None:
        """Make of an app what `edit` makes of it; returns once it is durable, None when there is no such app.

        `edit` runs on the registry's thread, on what the store has now. Raises StorageError, and what `edit` raises.
        """

        def take_in(app: App | None) -> None:
            if app is None:
                self.directory.drop(app_key)
            else:
                self.directory.put(app)

        return await self._run(lambda: self._store.change(app_key, edit), take_in)

    async def remove(self, key: str) -> bool:
        """Unregister; returns once it is durable, False when there was no such app. Raises StorageError."""
        return await self._run(lambda: self._store.remove(key), lambda _: self.directory.drop(key))

    def forget(self, key: str) -> None:
        """Another node says that it has unregistered this app: no need to wait for `refresh` to find out."""
        self.directory.drop(key)

    async def refresh(self) -> list[str]:
        """Take in what other processes have changed; returns the keys of the apps that they removed."""
        removed: list[str] = []

        def take_in(fresh: dict[str, App] | None) -> None:
            if fresh is not None:
                removed.extend(self._become(fresh))

        await self._run(self._load_if_changed, take_in)
        return removed

    def _load_if_changed(self) -> dict[str, App] | None:
        revision = self._store.revision()
        if revision == self._revision:
            return None
        fresh = {app.key: app for app in self._store.load()}
        self._revision = revision
        return fresh

    def _become(self, fresh: Mapping[str, App]) -> list[str]:
        removed = [key for key, app in self.apps.items() if not _is_same(app, fresh.get(key))]
        for key in removed:
            self.directory.drop(key)
        for key, app in fresh.items():
            if self.apps.get(key) != app:
                self.directory.put(app)
        if list(self.apps) != list(fresh):  # ours came into memory before an older one of another process
            for key, app in fresh.items():
                self.directory.drop(key)
                self.directory.put(app)
        return removed

    def close(self) -> None:
        """Let what is under way finish, then close the store."""
        self._thread.submit(self._store.close).result()
        self._thread.shutdown()

    async def _run(self, call: Callable[[], T], take_in: Callable[[T], object]) -> T:
        """Have the thread call the store; `take_in` gets the outcome on the loop before this returns."""
        loop = asyncio.get_running_loop()

        def work() -> T:
            outcome = call()
            # From here, not behind the await: who awaits may be gone, and two of them may go on in any order.
            loop.call_soon_threadsafe(take_in, outcome)
            return outcome

        return await loop.run_in_executor(self._thread, work)


def _is_same(app: App, now: App | None) -> bool:
    """Whether the app that is called so now is this one, and not another that was given its key behind it."""
    return now is not None and (now.id, now.registered_ms) == (app.id, app.registered_ms)
