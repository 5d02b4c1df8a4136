"""Webhooks as the server sees them: the port `Hooks`, and what an operator can do with what was given up.

The server's thread only ever appends to a queue; all else happens in threads of this module's own, which are started
when an app first has webhooks. Invariant: `happened` neither waits nor raises.
"""

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import structlog

from pushery.core.apps import App, Directory
from pushery.core.hookevents import HookEvent
from pushery.core.ports import Clock, StorageError
from pushery.storage.hooklock import HookLock
from pushery.storage.hookoutbox import (
    DeadLetter,
    HookOutbox,
    has_hook_outbox,
    open_hook_outbox,
    outbox_path,
)
from pushery.workers.engine import Engine
from pushery.workers.holdback import Notice
from pushery.workers.options import HookStats, WebhookOptions
from pushery.workers.traces import HookTraces

log = structlog.get_logger("pushery.hooks")

T = TypeVar("T")


class WaitingLetter(NamedTuple):
    """An event that waits for delivery or is under way. `created_ms` is unix time, `event` is JSON."""

    id: int
    url: str
    created_ms: int
    event: bytes
    attempts: int
    error: str


class WebhookWorker:
    """Implements `Hooks` and `DeadLetters`. All methods belong to the server's thread; the async ones to its loop."""

    def __init__(
        self,
        sqldir: str,
        directory: Directory,
        clock: Clock,
        options: WebhookOptions | None = None,
        *,
        chance: Callable[[], float] = random.random,
        traces: HookTraces | None = None,
    ) -> None:
        """`sqldir` is the registry's file, beside which the outbox is. `chance` draws evenly from 0 to 1.

        `directory` is read from another thread, one look-up at a time; `traces` is asked there.
        """
        self.stats = HookStats()
        self._sqldir = sqldir
        self._directory = directory
        self._clock = clock
        self._options = options or WebhookOptions()
        self._chance = chance
        self._traces = traces
        self._intake: deque[Notice] = deque()
        self._is_awake = False
        self._is_full = False
        self._stopped = False
        self._running: _Running | None = None

    def start(self) -> None:
        """Open the outbox if there is anything to tell, or may be. Raises StorageError.

        The directory must be complete by now: what belongs to no app in it is deleted.
        """
        wanted = any(app.settings.webhooks for app in self._directory.apps.values())
        if wanted or has_hook_outbox(self._sqldir):
            opened = self._open()
            self._run(lambda: opened)

    def configure(self, options: WebhookOptions) -> None:
        """Go by these options from now on; what is under way, or held back already, ends by those before."""
        if options == self._options:
            return
        self._options = options
        running = self._running
        if running is not None:
            running.call(lambda: running.engine.configure(options))

    def happened(self, app: App, event: HookEvent) -> None:
        """Take an event of an app that has webhooks."""
        if self._stopped:
            return
        if len(self._intake) >= self._options.intake_limit:
            self._drop()
            return
        self._intake.append(Notice(app.key, event, self._clock.wall_ms()))
        if not self._is_awake:
            self._is_awake = True
            self._wake()

    def send_away(self) -> None:
        """The server stops: whoever leaves from now on is expected back at the next start, or at another server."""
        running = self._running
        if running is not None:
            running.call(running.engine.send_away)

    async def stop(self, timeout_s: float) -> None:
        """Bring everything to the disk and let running requests end; takes hardly longer than `timeout_s`."""
        self._stopped = True
        running = self._running
        if running is None:
            return
        running.call(lambda: running.engine.stop(timeout_s))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, running.thread.join, timeout_s + 1.0)
        if running.thread.is_alive():
            log.error("webhooks_cut_off", waited_s=timeout_s)
        self._running = None

    async def dead_letters(self, app_key: str, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """What was given up of an app, oldest first, with numbers above `after`. Raises StorageError."""
        return await self._ask(lambda outbox: outbox.dead_letters(app_key, limit, after), [])

    async def waiting(self, app_key: str, limit: int = 100, after: int = 0) -> list[WaitingLetter]:
        """What waits for delivery or is under way, oldest first, with numbers above `after`. Raises StorageError."""
        return await self._ask(lambda outbox: _waiting(outbox, app_key, limit, after), [])

    async def replay(self, app_key: str, ids: Sequence[int] | None = None) -> int:
        """Send dead letters of an app again, None: all; returns how many. Raises StorageError."""
        running = self._running
        if running is None:
            return 0
        engine, now_ms = running.engine, self._clock.wall_ms()

        def move(outbox: HookOutbox) -> int:
            engine.look_again()
            return outbox.replay(app_key, ids, now_ms)

        count = await running.ask(move)
        running.call(engine.sweep_now)
        return count

    async def drop(self, app_key: str, ids: Sequence[int] | None = None) -> int:
        """Delete dead letters of an app, None: all; returns how many. Raises StorageError."""
        return await self._ask(lambda outbox: outbox.drop_dead(app_key, ids), 0)

    async def _ask(self, question: Callable[[HookOutbox], T], nothing: T) -> T:
        running = self._running
        if running is None:
            return nothing
        return await running.ask(question)

    def _wake(self) -> None:
        """Let the thread know; started here when this is the first event ever."""
        if self._running is None:
            self._run(self._open)  # in its own thread: this one must not wait for a disk
        running = self._running
        if running is not None:
            running.call(running.engine.wake)

    def _drop(self) -> None:
        self.stats.dropped_at_door += 1
        if not self._is_full:
            self._is_full = True
            log.error("webhook_intake_full", limit=self._options.intake_limit)

    def _emptying(self) -> None:
        self._is_awake = False
        self._is_full = False

    def _open(self) -> tuple[HookOutbox, HookLock]:
        outbox = open_hook_outbox(self._sqldir)
        try:
            return outbox, HookLock(outbox_path(self._sqldir))
        except StorageError:
            outbox.close()
            raise

    def _run(self, open_outbox: Callable[[], tuple[HookOutbox, HookLock]]) -> None:
        self._running = _Running(lambda disk: self._engine(open_outbox, disk))

    def _engine(self, open_outbox: Callable[[], tuple[HookOutbox, HookLock]], disk: ThreadPoolExecutor) -> Engine:
        return Engine(
            open_outbox=open_outbox,
            disk=disk,
            directory=self._directory,
            clock=self._clock,
            options=self._options,
            stats=self.stats,
            chance=self._chance,
            traces=self._traces,
            intake=self._intake,
            emptying=self._emptying,
        )


def _waiting(outbox: HookOutbox, app_key: str, limit: int, after: int) -> list[WaitingLetter]:
    rows = outbox.waiting(app_key, after, limit)
    said = outbox.events(row.id for row in rows)
    return [
        WaitingLetter(row.id, row.url, row.created_ms, said[row.id][1], row.attempts, row.error)
        for row in rows
        if row.id in said  # it may have been delivered in between
    ]


class _Running:
    """The threads, between start and stop."""

    def __init__(self, make: Callable[[ThreadPoolExecutor], Engine]) -> None:
        self.disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hooks-disk")
        made: Future[tuple[asyncio.AbstractEventLoop, Engine]] = Future()
        self.thread = threading.Thread(target=self._main, args=(make, made), name="hooks", daemon=True)
        self.thread.start()
        self._loop, self.engine = made.result()

    def call(self, what: Callable[[], None]) -> None:
        """Have it done in the webhooks' loop; nothing when that is over."""
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            return

    async def ask(self, question: Callable[[HookOutbox], T]) -> T:
        """Ask the outbox, in its thread. Raises StorageError."""
        return await asyncio.wrap_future(self.disk.submit(lambda: question(self.engine.outbox)))

    def _main(
        self,
        make: Callable[[ThreadPoolExecutor], Engine],
        made: "Future[tuple[asyncio.AbstractEventLoop, Engine]]",
    ) -> None:
        async def run() -> None:
            engine = make(self.disk)
            made.set_result((asyncio.get_running_loop(), engine))
            try:
                await engine.run()
            finally:
                self.disk.submit(engine.close)

        try:
            asyncio.run(run())
        except BaseException as error:
            if not made.done():
                made.set_exception(error)
            log.exception("unexpected_error", message="the webhooks' thread has ended")
        finally:
            self.disk.shutdown()
