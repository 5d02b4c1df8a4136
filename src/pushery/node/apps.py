"""What becomes of apps while a server runs: registered, changed, removed, here or by another process.

Whoever asks has been checked by a dialect; what may become of an app says `core.appchanges`. Invariant: when an app is
no more, everybody who was online in it is closed, whoever has removed it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import structlog

from pushery.core import codes
from pushery.core.apps import AppDraft
from pushery.core.codes import Close
from pushery.core.effects import ChangeApp, ListApps, RegisterApp, UnregisterApp
from pushery.core.exchange import Reply
from pushery.core.hub import Hub
from pushery.core.ports import Clock, IdSource, StorageError
from pushery.core.stats import Stats
from pushery.node.peers import Peer
from pushery.node.registry import Registry

log = structlog.get_logger("pushery.node")


class AppDesk:
    """The apps of one node. `tell_removed` tells the other nodes of an app that is no more."""

    def __init__(
        self,
        *,
        registry: Registry,
        hub: Hub,
        ids: IdSource,
        clock: Clock,
        stats: Stats,
        tell_removed: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._hub = hub
        self._ids = ids
        self._clock = clock
        self._stats = stats
        self._tell_removed = tell_removed
        self._tasks: set[asyncio.Task[None]] = set()
        """Work that nobody waits for; the event loop itself would let it be collected."""
        registry.attach(self._close)

    async def register(self, effect: RegisterApp) -> Reply:
        """Take a new app in."""
        draft = AppDraft(
            key=effect.app_key or self._ids.app_key(),
            secret=effect.app_secret or self._ids.secret(),
            name=effect.name,
            auth_account=effect.auth_account,
            auth_password=effect.auth_password,
            request_ip=effect.request_ip,
            registered_ms=self._clock.wall_ms(),
            settings=effect.settings,
        )
        app = await self._registry.add(draft, effect.app_id)
        log.info("app_registered", app_key=app.key)
        return effect.answer(app)

    async def unregister(self, effect: UnregisterApp) -> Reply:
        """Remove an app and close its sockets, on all nodes."""
        was_there = await self._registry.remove(effect.app_key)
        if was_there:
            self._tell_removed(effect.app_key)
        return effect.answer(was_there)

    def list_apps(self, effect: ListApps) -> Reply:
        """All of them, in order of registration."""
        return effect.answer(list(self._registry.apps.values()))

    async def change(self, effect: ChangeApp) -> Reply:
        """Make something else of an app."""
        app = await self._registry.change(effect.app_key, effect.edit)
        if app is not None:
            log.info("app_changed", app_key=app.key)
        return effect.answer(app)

    async def watch(self, every_s: float) -> None:
        """Follow what other processes do to the registry (the command line's `app add` and `app remove`), for ever."""
        readable = True
        while True:
            await asyncio.sleep(every_s)
            try:
                await self._registry.refresh()
            except Exception as error:
                self._stats.registry_failures += 1
                if readable:  # said once, not every second
                    readable = False
                    log.warning("registry_unreadable", error=str(error), exc_info=not isinstance(error, StorageError))
                continue
            if not readable:
                readable = True
                log.info("registry_readable")

    def _close(self, app_key: str) -> None:
        """Close everybody who is online in an app that is no more."""
        peers = cast(list[Peer], self._hub.drop(app_key))
        log.info("app_unregistered", app_key=app_key, sockets=len(peers))
        task = asyncio.get_running_loop().create_task(self.close_all(peers, codes.APP_UNREGISTERED))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close_all(self, peers: Sequence[Peer], close: Close) -> None:
        """Close sockets in slices, so that closing many does not hold up the rest."""
        slice_size = self._hub.fanout_slice
        for start in range(0, len(peers), slice_size):
            for peer in peers[start : start + slice_size]:
                try:
                    peer.close(close)
                except Exception:  # no reason to leave the others open
                    log.exception("close_failed")
            await asyncio.sleep(0)
