"""The registry as the running server sees it: all apps in memory, every change made durable first.

Reads never leave memory. Writes go to the store on one thread of their own, in order, so the event loop never waits
for a disk. Invariants: memory takes in what the store has done in the order in which the store has done it, also when
nobody waits for the outcome any more; so what `refresh` has loaded never undoes what came after. And whoever was
attached hears of every app that leaves memory, before another of its key comes in: by whatever call it is noticed.
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
        self._revision: int | None = store.revision()
        """What memory is in step with; None: the next `refresh` looks whatever it finds."""
        self._gone: Callable[[str], None] = _nobody_hears
        self.directory = Directory(store.load())
        """A live view; only the registry changes it."""
        self.apps: Mapping[str, App] = self.directory.apps

    def attach(self, gone: Callable[[str], None]) -> None:
        """Name the one function that is called with the key of every app that is no more."""
        self._gone = gone

    async def add(self, draft: AppDraft, given_id: str | None = None) -> App:
        """Register; returns once it is durable. Raises StorageError, and Refusal when key or id are taken."""
        return await self._run(lambda: self._store.add(draft, given_id), self._put)

    async def change(self, app_key: str, edit: Callable[[App], App]) -> App | None:
        """Make of an app what `edit` makes of it; returns once it is durable, None when there is no such app.

        `edit` runs on the registry's thread, on what the store has now. Raises StorageError, and what `edit` raises.
        """

        def take_in(app: App | None) -> None:
            if app is None:
                self._drop(app_key)
            else:
                self._put(app)

        return await self._run(lambda: self._store.change(app_key, edit), take_in)

    async def remove(self, key: str) -> bool:
        """Unregister; returns once it is durable, False when there was no such app. Raises StorageError."""
        return await self._run(lambda: self._store.remove(key), lambda _: self._drop(key))

    def forget(self, key: str) -> None:
        """Another node says that it has unregistered this app: no need to wait for `refresh` to find out."""
        self._drop(key)
        self._revision = None  # late news may have been about the one before that of this key

    async def refresh(self) -> None:
        """Take in what other processes have changed. Raises StorageError."""

        def take_in(fresh: dict[str, App] | None) -> None:
            if fresh is not None:
                self._become(fresh)

        await self._run(self._load_if_changed, take_in)

    def _load_if_changed(self) -> dict[str, App] | None:
        revision = self._store.revision()
        if revision == self._revision:
            return None
        fresh = {app.key: app for app in self._store.load()}
        self._revision = revision
        return fresh

    def _become(self, fresh: Mapping[str, App]) -> None:
        # First those that are no more: a key or an id of theirs may be another's now.
        for key in [key for key, app in self.apps.items() if not _is_same(app, fresh.get(key))]:
            self._drop(key)
        for key, app in fresh.items():
            if self.apps.get(key) != app:
                self._put(app)
        if list(self.apps) != list(fresh):  # ours came into memory before an older one of another process
            for key, app in fresh.items():
                self.directory.drop(key)
                self.directory.put(app)

    def _put(self, app: App) -> None:
        before = self.apps.get(app.key)
        if before is not None and not _is_same(before, app):
            self._drop(app.key)
        self.directory.put(app)

    def _drop(self, key: str) -> None:
        if self.directory.drop(key):
            self._gone(key)

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
    """Whether the app that is called so now is this one, and not another that was given its key behind it.

    Its id alone does not tell, for one that was given may be given again.
    """
    return now is not None and (now.id, now.registered_ms) == (app.id, app.registered_ms)


def _nobody_hears(app_key: str) -> None:
    pass
