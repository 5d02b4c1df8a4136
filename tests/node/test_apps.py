"""Apps while a node runs: registered, removed, changed, by this process or by another."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from pushery.core import codes
from pushery.core.apps import App, KeyPair
from pushery.core.codes import Close
from pushery.core.effects import ChangeApp, ListApps
from pushery.core.exchange import Reply
from pushery.core.ports import StorageError
from tests.node.asking import (
    KEY,
    OTHER,
    later,
    register,
    text,
    unregister,
)
from tests.node.fakes import Client, World, draft, in_loop, turns, until


@pytest.fixture
def world() -> Iterator[World]:
    """Two apps, and nobody online."""
    world = World(KEY, OTHER)
    yield world
    world.close()


# Apps come and go.


@in_loop
async def test_a_registered_app_is_durable_named_by_the_id_source_and_ready_for_use(world: World) -> None:
    node = world.node()
    registered: list[App] = []

    def answer(app: App) -> Reply:
        assert world.table.apps[app.key] == node.registry.apps[app.key] == app
        registered.append(app)
        return Reply(200)

    assert (await later(node.perform(register(answer)))).status == 200
    [app] = registered
    assert (app.name, app.auth_account, app.auth_password) == ("test", "scott", "760804")
    assert (app.request_ip, app.registered_ms) == ("203.0.113.9:4711", world.clock.unix_ms)
    assert len(app.key) == 32
    assert len(app.secret) == 40
    client = Client(node, app.key, "A:1")
    assert node.publish(text("x", key=app.key)) == 1
    await turns()
    assert client.texts == ["x"]


@in_loop
async def test_an_app_may_keep_the_key_id_and_secret_that_it_has_had_elsewhere(world: World) -> None:
    node = world.node()
    asked = replace(register(), app_key="app-key", app_id="app-id", app_secret="app-secret")
    assert (await later(node.perform(asked))).body == b"app-key"
    app = node.registry.apps["app-key"]
    assert (app.id, app.secret) == ("app-id", "app-secret")
    assert node.registry.directory.by_id["app-id"] is app


@in_loop
async def test_the_same_name_twice_makes_two_apps_listed_in_order_of_registration(world: World) -> None:
    node = world.node()
    replies = await asyncio.gather(*(later(node.perform(register())) for _ in range(20)))
    listed: list[Sequence[App]] = []

    def answer(apps: Sequence[App]) -> Reply:
        listed.append(apps)
        return Reply(200)

    assert node.perform(ListApps(answer)) == Reply(200)
    assert [app.key for app in listed[0]] == [KEY, OTHER, *(reply.body.decode() for reply in replies)]
    assert [int(app.id) for app in listed[0]] == sorted(int(app.id) for app in listed[0])


@in_loop
async def test_unregistering_removes_the_app_and_closes_its_sockets_and_no_others(world: World) -> None:
    node = world.node()
    gone, stays = Client(node, KEY, "A:1"), Client(node, OTHER, "A:1")
    assert (await later(node.perform(unregister()))).status == 200
    await until(lambda: gone.closes)
    assert gone.closes == [codes.APP_UNREGISTERED]
    assert gone.place is None
    assert stays.closes == []
    assert KEY not in node.registry.apps
    assert KEY not in world.table.apps
    assert KEY not in node.hub.crowds
    assert node.publish(text("x", key=OTHER)) == 1


@in_loop
async def test_a_socket_that_cannot_be_closed_keeps_no_other_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = world.node()
    first, others = Client(node, KEY, "A:1"), [Client(node, KEY, f"A:{number}") for number in range(2, 5)]

    def fail(close: Close) -> None:
        raise MemoryError

    monkeypatch.setattr(first, "close", fail)
    with capture_logs() as logs:
        await later(node.perform(unregister()))
        await until(lambda: all(other.closes for other in others))
    assert [entry["event"] for entry in logs][-1:] == ["close_failed"]


@in_loop
async def test_unregistering_twice_finds_nothing_the_second_time(world: World) -> None:
    node = world.node()
    replies = await asyncio.gather(*(later(node.perform(unregister())) for _ in range(2)))
    assert [reply.status for reply in replies] == [200, 404]


@in_loop
async def test_a_client_that_comes_too_late_is_told_that_the_app_is_gone(world: World) -> None:
    node = world.node()
    await later(node.perform(unregister()))
    client = Client(node, KEY, "A:1")
    assert client.closes == [codes.APP_UNREGISTERED]
    assert client.place is None
    assert KEY not in node.hub.crowds


@pytest.mark.parametrize("effect", [register(), unregister()])
@in_loop
async def test_when_the_registry_fails_the_caller_is_told_and_nothing_changes(world: World, effect: Any) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    world.stores[0].broken = True
    with pytest.raises(StorageError, match="the disk is full"):
        await later(node.perform(effect))
    await turns(3)
    assert list(node.registry.apps) == list(world.table.apps) == [KEY, OTHER]
    assert client.closes == []
    assert node.publish(text("x")) == 1
    world.stores[0].broken = False
    assert (await later(node.perform(effect))).status == 200


# What other processes do to the registry.


@in_loop
async def test_an_app_that_another_process_registers_is_taken_in(world: World) -> None:
    node = world.node()
    other_process = world.node().registry
    watching = asyncio.ensure_future(node.apps.watch(0))
    app = await other_process.add(draft("n" * 32))
    await until(lambda: app.key in node.registry.apps)
    assert list(node.registry.apps) == [KEY, OTHER, app.key]
    watching.cancel()


@in_loop
async def test_an_app_that_another_process_removes_is_gone_with_its_sockets(world: World) -> None:
    node = world.node()
    client, stays = Client(node, KEY, "A:1"), Client(node, OTHER, "A:1")
    watching = asyncio.ensure_future(node.apps.watch(0))
    await world.node().registry.remove(KEY)
    await until(lambda: client.closes)
    assert client.closes == [codes.APP_UNREGISTERED]
    assert list(node.registry.apps) == [OTHER]
    assert stays.closes == []
    watching.cancel()


@in_loop
async def test_sockets_of_an_app_are_none_of_the_next_that_has_its_key(world: World) -> None:
    node = world.node()
    other_process = world.node().registry
    old = Client(node, KEY, "A:1")
    await other_process.remove(KEY)
    another = await other_process.add(draft(KEY))
    watching = asyncio.ensure_future(node.apps.watch(0))
    await until(lambda: node.registry.apps[KEY] == another)
    new = Client(node, KEY, "A:1")
    await until(lambda: old.closes)
    assert old.closes == [codes.APP_UNREGISTERED]
    await turns()
    assert new.closes == []
    assert node.publish(text("x")) == 1
    watching.cancel()


@pytest.mark.parametrize("comes_back", [False, True])
@in_loop
async def test_a_change_that_finds_the_app_gone_closes_its_sockets(world: World, comes_back: bool) -> None:
    node = world.node()
    other_process = world.node().registry
    client, stays = Client(node, KEY, "A:1"), Client(node, OTHER, "A:1")
    await other_process.remove(KEY)
    if comes_back:
        await other_process.add(draft(KEY))
    rename = ChangeApp(KEY, lambda app: replace(app, name="new"), lambda app: Reply(404 if app is None else 200))
    assert (await later(node.perform(rename))).status == (200 if comes_back else 404)
    await until(lambda: client.closes)
    assert client.closes == [codes.APP_UNREGISTERED]
    assert stays.closes == []


@in_loop
async def test_unregistering_what_another_process_has_removed_closes_its_sockets(world: World) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    await world.node().registry.remove(KEY)
    assert (await later(node.perform(unregister()))).status == 404
    await until(lambda: client.closes)
    assert client.closes == [codes.APP_UNREGISTERED]


@in_loop
async def test_registering_the_key_of_an_app_that_another_process_has_removed_closes_its_sockets(world: World) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    await world.node().registry.remove(KEY)
    assert (await later(node.perform(replace(register(), app_key=KEY)))).status == 200
    await until(lambda: client.closes)
    assert client.closes == [codes.APP_UNREGISTERED]
    assert node.publish(text("x")) == 0


@in_loop
async def test_a_change_by_another_process_closes_no_socket(world: World) -> None:
    node = world.node()
    client = Client(node, KEY, "A:1")
    pair = KeyPair(key="d" * 32, secret="6" * 40)
    await world.node().registry.change(KEY, lambda app: replace(app, name="new", keys=(pair,)))
    await node.registry.refresh()
    await turns(3)
    assert node.registry.apps[KEY].keys == (pair,)
    assert client.closes == []
    assert node.publish(text("x")) == 1


@in_loop
async def test_the_watch_goes_on_when_the_registry_cannot_be_read_for_a_while(world: World) -> None:
    node = world.node()
    store = world.stores[0]
    store.broken = True
    client = Client(node, KEY, "A:1")
    with capture_logs() as logs:
        watching = asyncio.ensure_future(node.apps.watch(0))
        await until(lambda: logs)
        assert not watching.done()
        assert list(node.registry.apps) == [KEY, OTHER]
        await world.node().registry.remove(KEY)
        store.broken = False
        await until(lambda: client.closes)
    assert (logs[0]["event"], logs[0]["log_level"]) == ("registry_unreadable", "warning")
    watching.cancel()


@in_loop
async def test_the_registry_is_read_again_only_when_another_process_has_written(world: World) -> None:
    node = world.node()
    registry, store = node.registry, world.stores[0]
    await registry.add(draft("n" * 32))
    await registry.refresh()
    assert store.loads == 1
    await world.node().registry.remove(OTHER)
    await registry.refresh()
    await registry.refresh()
    assert store.loads == 2
    assert list(registry.apps) == [KEY, "n" * 32]


def test_closing_the_registry_closes_the_store_behind_what_is_under_way(world: World) -> None:
    world.node()
    world.close()
    assert world.stores[0].closed
