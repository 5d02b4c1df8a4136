"""What a node needs from outside, held in memory and held still."""

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ParamSpec

import msgspec

from pushery.bus.memory import MemoryBus, Switchboard
from pushery.core.apps import App, AppDraft
from pushery.core.audience import Write
from pushery.core.codes import Close
from pushery.core.effects import JoinTag
from pushery.core.hookevents import HookEvent
from pushery.core.hub import Hub
from pushery.core.ports import Bus, StorageError
from pushery.core.stats import Stats
from pushery.dialects.pusher import PusherVoice
from pushery.node import Node, Place
from pushery.node.registry import Registry
from pushery.wire.websocket import TEXT, encode_frame, payload_of, split_frames

P = ParamSpec("P")

DEADLINE_S = 20.0


def in_loop(story: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in an event loop of its own."""

    @functools.wraps(story)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(story(*args, **kwargs))

    return run


async def turns(count: int = 2) -> None:
    """Let the event loop turn: once for what is under way, once more for what that has gathered."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until `condition` holds; an AssertionError when that does not come."""
    end = time.monotonic() + DEADLINE_S
    while not condition():  # it yields, it does not wait
        assert time.monotonic() < end, f"waited {DEADLINE_S} s"
        await asyncio.sleep(0)


class FakeClock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.unix_ms = 1440473952104

    def monotonic(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return self.unix_ms


class CountingIds:
    """Names that count up; no two sources give the same."""

    _sources = itertools.count(1)

    def __init__(self) -> None:
        self._source = next(self._sources)
        self._count = itertools.count(1)

    def app_key(self) -> str:
        return f"{self._source:016x}{next(self._count):016x}"

    def secret(self) -> str:
        return f"{next(self._count):040x}"

    def publication_id(self) -> str:
        return f"{self._source}-{next(self._count)}"

    def socket_id(self) -> str:
        return f"{self._source}.{next(self._count)}"


class HookLog:
    """Remembers what the backends of apps are to be told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, HookEvent]] = []
        """What, with the key of the app."""

    @property
    def events(self) -> list[HookEvent]:
        """What, in order."""
        return [event for _, event in self.told]

    def happened(self, app: App, event: HookEvent) -> None:
        self.told.append((app.key, event))


class Table:
    """The apps as several processes share them."""

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}
        self.writes = 0
        self.ids = itertools.count(1)


class MemoryStore:
    """An `AppStore` on a table; every store is another process."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.broken = False
        """Whether every call fails."""
        self.loads = 0
        self.closed = False
        self._own_writes = 0

    def load(self) -> Sequence[App]:
        self._check()
        self.loads += 1
        return list(self.table.apps.values())

    def add(self, draft: AppDraft, given_id: str | None = None) -> App:
        self._check()
        app = App(id=given_id or str(next(self.table.ids)), **msgspec.structs.asdict(draft))
        self.table.apps[app.key] = app
        self._wrote()
        return app

    def change(self, key: str, edit: Callable[[App], App]) -> App | None:
        self._check()
        before = self.table.apps.get(key)
        if before is None:
            return None
        after = edit(before)
        if after != before:
            self.table.apps[key] = after
            self._wrote()
        return after

    def remove(self, key: str) -> bool:
        self._check()
        was_there = self.table.apps.pop(key, None) is not None
        if was_there:
            self._wrote()
        return was_there

    def revision(self) -> int:
        self._check()
        return self.table.writes - self._own_writes

    def close(self) -> None:
        self.closed = True

    def _wrote(self) -> None:
        self.table.writes += 1
        self._own_writes += 1

    def _check(self) -> None:
        assert not self.closed
        if self.broken:
            raise StorageError("the disk is full")


def draft(key: str, name: str = "test") -> AppDraft:
    """What an app is registered with."""
    return AppDraft(
        key=key,
        secret="5" * 40,
        name=name,
        auth_account="scott",
        auth_password="760804",
        request_ip="127.0.0.1:50040",
        registered_ms=0,
    )


class Client:
    """A `Peer` that remembers what it got."""

    address = "203.0.113.9:4711"
    waiting = 0

    def __init__(self, node: Node, app_key: str, tag: str) -> None:
        self.node = node
        self.place: Place | None = None
        self.pieces: list[bytes] = []
        self.entry: Write = self.pieces.append
        self.closes: list[Close] = []
        node.apply(self, [JoinTag(app_key, tag)])

    @property
    def texts(self) -> list[str]:
        """The messages it got, in order."""
        return [bytes(payload_of(frame)).decode() for piece in self.pieces for frame in split_frames(piece)]

    def send(self, text: bytes) -> None:
        """As the port says."""
        if not self.closes:
            self.entry(encode_frame(TEXT, text))

    def close(self, close: Close) -> None:
        """As the port says."""
        self.node.leave(self, close)
        if not self.closes:
            self.closes.append(close)


class World:
    """Nodes that share a table and an exchange. `close` when done."""

    def __init__(self, *keys: str) -> None:
        self.table = Table()
        self.exchange = Switchboard()
        self.clock = FakeClock()
        self.hooks = HookLog()
        self.stores: list[MemoryStore] = []
        self._registries: list[Registry] = []
        process = MemoryStore(self.table)
        for key in keys:
            process.add(draft(key))

    def node(self, *, fanout_slice: int = 1000, bus: Bus | None = None) -> Node:
        """One more node."""
        store = MemoryStore(self.table)
        registry = Registry(store)
        self.stores.append(store)
        self._registries.append(registry)
        return Node(
            registry=registry,
            hub=Hub(fanout_slice=fanout_slice, standing_patterns=100),
            bus=bus or MemoryBus(self.exchange),
            clock=self.clock,
            ids=CountingIds(),
            stats=Stats(),
            voice=PusherVoice(),
            hooks=self.hooks,
        )

    def close(self) -> None:
        """End the threads; harmless when repeated."""
        while self._registries:
            self._registries.pop().close()
