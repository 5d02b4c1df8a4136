"""The registry in memory: in step with the store, in the store's order, whoever has changed it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from pushery.core.apps import App, AppDraft, KeyPair
from pushery.core.exchange import Refusal
from pushery.core.ports import StorageError
from pushery.node.registry import Registry
from tests.node.fakes import MemoryStore, Table, draft, in_loop, turns, until

A, B, C = "a" * 32, "b" * 32, "c" * 32
SECOND = KeyPair(key="d" * 32, secret="6" * 40)


def renamed(name: str) -> Any:
    return lambda app: replace(app, name=name)


class HeldStore(MemoryStore):
    """A store whose next load or change stays on its thread until `go` is set."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.hold = ""
        self.at_hold = threading.Event()
        self.go = threading.Event()

    def load(self) -> Any:
        apps = super().load()
        self._wait("load")
        return apps

    def change(self, key: str, edit: Any) -> App | None:
        app = super().change(key, edit)
        self._wait("change")
        return app

    def _wait(self, what: str) -> None:
        if self.hold == what:
            self.hold = ""
            self.at_hold.set()
            assert self.go.wait(20)


@asynccontextmanager
async def registry_of(*keys: str) -> AsyncIterator[tuple[Registry, HeldStore, MemoryStore]]:
    """A registry, its store, and the store of another process."""
    table = Table()
    other = MemoryStore(table)
    for key in keys:
        other.add(draft(key))
    store = HeldStore(table)
    registry = Registry(store)
    try:
        yield registry, store, other
    finally:
        store.go.set()
        registry.close()


@in_loop
async def test_a_change_is_in_the_store_and_in_memory() -> None:
    async with registry_of(A, B) as (registry, store, _):
        changed = await registry.change(A, lambda app: replace(app, name="new", keys=(*app.keys, SECOND)))
        assert changed is not None
        assert store.table.apps[A] == registry.apps[A] == registry.directory.by_key[SECOND.key] == changed
        assert list(registry.apps) == [A, B]


@in_loop
async def test_changing_an_app_that_is_no_more_says_so_and_forgets_it() -> None:
    async with registry_of(A) as (registry, _, other):
        other.remove(A)
        assert await registry.change(A, renamed("new")) is None
        assert A not in registry.apps


@in_loop
async def test_what_the_edit_or_the_store_raises_is_raised_and_memory_is_as_before() -> None:
    def refuse(app: App) -> App:
        raise Refusal(409, "last_key", "No.")

    async with registry_of(A) as (registry, store, _):
        before = registry.apps[A]
        with pytest.raises(Refusal):
            await registry.change(A, refuse)
        store.broken = True
        with pytest.raises(StorageError):
            await registry.change(A, renamed("new"))
        assert registry.apps[A] is before


@in_loop
async def test_changes_of_another_process_are_taken_in() -> None:
    async with registry_of(A, B) as (registry, _, other):
        other.change(A, lambda app: replace(app, keys=(SECOND,)))
        untouched = registry.apps[B]
        gone: list[str] = []
        registry.attach(gone.append)
        await registry.refresh()
        assert gone == []
        assert registry.apps[A].keys == (SECOND,)
        assert list(registry.directory.by_key) == [B, SECOND.key]
        assert registry.apps[B] is untouched


@in_loop
async def test_apps_stand_in_order_of_registration_whoever_came_into_memory_first() -> None:
    async with registry_of(A) as (registry, _, other):
        other.add(draft(B))
        await registry.add(draft(C))
        assert list(registry.apps) == [A, C]
        await registry.refresh()
        assert list(registry.apps) == list(registry.directory.by_key) == [A, B, C]
        other.remove(A)
        await registry.refresh()
        assert list(registry.directory.by_id) == [registry.apps[key].id for key in (B, C)]


# An app that another process has removed, and perhaps another of its key since: `gone` hears of it.


def again(key: str) -> AppDraft:
    """What an app is registered with later on."""
    return replace(draft(key, "again"), registered_ms=1)


@in_loop
async def test_an_app_that_was_removed_and_another_of_its_key_count_as_two() -> None:
    async with registry_of(A, B) as (registry, _, other):
        gone: list[App] = []
        registry.attach(lambda key: gone.append(registry.apps.get(key) or before))
        before = registry.apps[A]
        other.remove(A)
        another = other.add(draft(A), "app-id")
        await registry.refresh()
        assert gone == [before]  # told before the other was there
        assert registry.apps[A] == another
        assert list(registry.directory.by_id) == [registry.apps[B].id, "app-id"]
        await registry.refresh()
        assert gone == [before]


@in_loop
async def test_two_apps_of_one_key_are_told_apart_also_when_they_were_given_the_same_id() -> None:
    async with registry_of(B) as (registry, _, other):
        gone: list[str] = []
        registry.attach(gone.append)
        other.add(draft(A), "app-id")
        await registry.refresh()
        other.change(A, lambda app: replace(app, name="new", keys=(SECOND,), auth_password="new"))
        await registry.refresh()
        assert gone == []
        other.remove(A)
        another = other.add(again(A), "app-id")
        await registry.refresh()
        assert gone == [A]
        assert registry.directory.by_id["app-id"] is registry.directory.by_key[A] is registry.apps[A]
        assert registry.apps[A] == another


@pytest.mark.parametrize("comes_back", [False, True])
@pytest.mark.parametrize("call", ["change", "remove"])
@in_loop
async def test_a_call_that_finds_another_app_or_none_tells_of_the_one_before(call: str, comes_back: bool) -> None:
    async with registry_of(A, B) as (registry, _, other):
        gone: list[str] = []
        registry.attach(gone.append)
        other.remove(A)
        if comes_back:
            other.add(again(A))
        found = await (registry.change(A, renamed("new")) if call == "change" else registry.remove(A))
        assert bool(found) is comes_back
        assert gone == [A]
        await registry.refresh()
        assert gone == [A]
        assert (A in registry.apps) is (comes_back and call == "change")


@in_loop
async def test_registering_a_key_that_another_process_has_freed_tells_of_the_app_before() -> None:
    async with registry_of(A, B) as (registry, _, other):
        gone: list[str] = []
        registry.attach(gone.append)
        other.remove(A)
        app = await registry.add(again(A))
        assert gone == [A]
        await registry.refresh()
        assert gone == [A]
        assert registry.apps[A] == app


@in_loop
async def test_an_id_and_a_key_that_another_process_has_freed_lead_to_who_has_them_now() -> None:
    async with registry_of(B) as (registry, _, other):
        other.add(draft(A), "app-id")
        other.change(A, lambda app: replace(app, keys=(*app.keys, SECOND)))
        await registry.refresh()
        other.remove(A)
        app = await registry.add(again(SECOND.key), "app-id")
        await registry.refresh()
        assert registry.directory.by_id["app-id"] == registry.directory.by_key[SECOND.key] == app
        assert list(registry.apps) == [B, SECOND.key]


@in_loop
async def test_late_news_of_an_app_that_is_no_more_costs_the_next_of_its_key_one_look() -> None:
    async with registry_of(A) as (registry, _, other):
        other.remove(A)
        other.add(again(A))
        await registry.refresh()
        registry.forget(A)
        assert A not in registry.apps
        await registry.refresh()
        assert registry.apps[A].name == "again"


@in_loop
async def test_a_refresh_does_not_undo_what_was_changed_after_its_load() -> None:
    async with registry_of(A, B) as (registry, store, other):
        other.add(draft(C))
        store.hold = "load"
        refreshing = asyncio.create_task(registry.refresh())
        await until(store.at_hold.is_set)
        later = [
            asyncio.create_task(registry.change(A, renamed("new"))),
            asyncio.create_task(registry.remove(B)),
        ]
        await turns()
        store.go.set()
        await asyncio.gather(refreshing, *later)
        assert registry.apps[A].name == "new"
        assert list(registry.apps) == list(store.table.apps) == [A, C]


@in_loop
async def test_what_is_done_is_taken_in_although_nobody_waits_for_it_any_more() -> None:
    async with registry_of(A) as (registry, store, _):
        store.hold = "change"
        changing = asyncio.create_task(registry.change(A, renamed("new")))
        await until(store.at_hold.is_set)
        changing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await changing
        store.go.set()
        await registry.add(draft(B))
        assert registry.apps[A].name == "new"
