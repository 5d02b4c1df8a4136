"""What the webhooks' thread does: events come in, are held back, written to the outbox, and then delivered.

One event loop of its own, and one further thread for the disk, so that neither the server nor a request ever waits
for a commit. Of several servers on one database one leads: it delivers what all of them write, and the others wait to
take over. Invariant: an event is on the disk, together with what it says about places, before it is sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog

from pushery.core.apps import App, Directory
from pushery.core.encoding import as_json
from pushery.core.hookevents import ARRIVALS, HookEvent, place_of
from pushery.core.ports import Clock, StorageError
from pushery.storage.hooklock import HookLock
from pushery.storage.hookoutbox import Changes, Failure, HookOutbox, NewEvent, Waiting
from pushery.workers import requests
from pushery.workers.delivery import Delivery
from pushery.workers.holdback import HoldBack, Notice
from pushery.workers.lanes import TargetKey
from pushery.workers.options import HookStats, WebhookOptions
from pushery.workers.traces import HookTraces

log = structlog.get_logger("pushery.hooks")

SWEEP_S: Final = 1.0
"""How often to look what others have written, and which apps are gone."""

FOLLOW_S: Final = 0.2
"""How often to try whether the server that leads has gone."""

PRUNE_S: Final = 60.0
AT_ONCE: Final = 2000
"""Events in one transaction, so that stopping and others' turns never wait for long."""

DISK_RETRY_S: Final = 1.0
T = TypeVar("T")


class Engine:
    """Made in the webhooks' thread. `intake` is filled by the server's thread, which calls `wake` through the loop."""

    def __init__(
        self,
        *,
        open_outbox: Callable[[], tuple[HookOutbox, HookLock]],
        disk: ThreadPoolExecutor,
        directory: Directory,
        clock: Clock,
        options: WebhookOptions,
        stats: HookStats,
        chance: Callable[[], float],
        traces: HookTraces | None,
        intake: deque[Notice],
        emptying: Callable[[], None],
    ) -> None:
        """`emptying` is called before the intake is emptied, so that the server's thread wakes us again for more."""
        self._open_outbox = open_outbox
        self._opened: tuple[HookOutbox, HookLock] | None = None
        self._disk = disk
        self._directory = directory
        self._clock = clock
        self._options = options
        self._stats = stats
        self._intake = intake
        self._emptying = emptying
        self._work = asyncio.Event()
        self._stop_by: float | None = None
        self._delivery = Delivery(
            directory=directory,
            clock=clock,
            options=options,
            stats=stats,
            chance=chance,
            read=lambda ids: self._on_disk(lambda: self.outbox.events(ids)),
            changed=self.wake,
            traces=traces,
        )
        self._held = HoldBack(options.hold_back_s, options.count_s)
        self._leads = False
        self._has_waited = False
        self._is_alone = False
        """Whether no other server waits, for as far as is known."""
        self._sends_away = False
        self._returned_by: float | None = None
        self._apps: set[str] = set()
        self._revision = 0
        self._read_up_to = 0
        self._own_ids: set[int] = set()
        self._look_again = False
        self._next_sweep = 0.0
        self._next_prune = 0.0
        self._is_full: set[TargetKey] = set()

    @property
    def outbox(self) -> HookOutbox:
        """For calls in the disk's thread. Raises StorageError while it could not be opened."""
        if self._opened is None:
            raise StorageError("the outbox of the webhooks is not open")
        return self._opened[0]

    @property
    def _lock(self) -> HookLock:
        if self._opened is None:
            raise StorageError("the lock of the webhooks is not open")
        return self._opened[1]

    @property
    def _tells_departures(self) -> bool:
        """Whether who has left here is gone. Else he may be on another server, or on his way to the next one."""
        return self._leads and self._is_alone and not self._sends_away

    def wake(self) -> None:
        """There is something to do."""
        self._work.set()

    def configure(self, options: WebhookOptions) -> None:
        """Go by these options from now on."""
        self._options = options
        self._held.configure(options.hold_back_s, options.count_s)
        self._delivery.configure(options)
        self._work.set()

    def look_again(self) -> None:
        """This process changes the queue past `write`: it must be read anew. Called in the disk's thread, before."""
        self._look_again = True

    def sweep_now(self) -> None:
        """Do not wait for the time to look what others have done."""
        self._next_sweep = 0.0
        self._work.set()

    def send_away(self) -> None:
        """Clients are about to be closed, and will be back at the next start, or at another server."""
        self._sends_away = True

    def stop(self, timeout_s: float) -> None:
        """End in order within this time."""
        self._stop_by = self._clock.monotonic() + timeout_s
        self._work.set()

    async def run(self) -> None:
        """Work until `stop`."""
        ready = await self._insist(self._open_and_lead)
        self._delivery.pump()
        failing = False
        while self._stop_by is None:
            try:
                await self._wait()
                await self._turn()
                failing = False
            except StorageError as error:
                if not failing:
                    log.error("webhook_outbox_failed", error=str(error))
                failing = True
                await asyncio.sleep(DISK_RETRY_S)
            except Exception:  # a defect must not end all deliveries
                log.exception("unexpected_error", message="the webhooks' thread goes on")
                await asyncio.sleep(DISK_RETRY_S)
        if ready:
            await self._finish(self._stop_by)

    def close(self) -> None:
        """Let go of the outbox; in the disk's thread."""
        if self._opened is not None:
            for opened in self._opened:
                opened.close()

    async def _open_and_lead(self) -> None:
        await self._on_disk(self._open)
        await self._try_to_lead()

    async def _try_to_lead(self) -> None:
        """Take over from the server that led, once it is gone; what was written until then is delivered here."""
        if not await self._on_disk(self._lock.lead):
            if not self._has_waited:
                self._has_waited = True
                log.info("webhooks_wait", message="another server on this database delivers them")
            return
        # Before the rows: what others write in between then shows.
        self._revision = await self._on_disk(self.outbox.revision)
        waiting, apps = await self._on_disk(lambda: (self.outbox.waiting(), self.outbox.apps()))
        await self._reconcile()
        self._leads = True
        self._apps |= apps
        self._queue(waiting)
        if self._has_waited:
            log.info("webhooks_taken_over", waiting=len(waiting))

    async def _reconcile(self) -> None:
        """From now on this server alone knows who is there: who has been elsewhere has time to come."""
        self._is_alone = self._lock.alone()
        told = await self._on_disk(self.outbox.taken)
        for notice in self._held.reconcile(told, self._clock.wall_ms()):
            self._tell(notice)
        self._returned_by = self._clock.monotonic() + self._options.return_s
        self._work.set()

    async def _look_around(self) -> None:
        """Whether there are other servers; when the last of them has gone, what it has told is to be taken over."""
        was_alone, self._is_alone = self._is_alone, self._lock.alone()
        if self._is_alone and not was_alone:
            await self._reconcile()

    def _open(self) -> None:
        """In the disk's thread, so that whatever is asked there later finds it open."""
        if self._opened is None:
            self._opened = self._open_outbox()

    async def _insist(self, action: Callable[[], Awaitable[T]]) -> bool:
        """Try until the disk plays along, or, when it is time to stop, until that time is over; False then."""
        is_logged = False
        while True:
            try:
                await action()
                return True
            except StorageError as error:
                if not is_logged:
                    log.error("webhook_outbox_failed", error=str(error))
                is_logged = True
            if self._stop_by is not None and self._clock.monotonic() >= self._stop_by:
                return False
            await asyncio.sleep(DISK_RETRY_S)

    async def _wait(self) -> None:
        tells = self._tells_departures
        moments = (
            self._held.next_due(departures=tells),
            self._delivery.lanes.next_due(),
            self._returned_by if tells else None,
            self._next_sweep,
        )
        until = min(moment for moment in moments if moment is not None)
        pause_s = until - self._clock.monotonic()
        if pause_s > 0 and not self._intake:
            try:
                async with asyncio.timeout(pause_s):
                    await self._work.wait()
            except TimeoutError:
                return
        await asyncio.sleep(self._options.commit_gap_s)

    async def _turn(self) -> None:
        self._work.clear()
        if self._leads:
            await self._look_around()
        self._gather()
        await self._commit()
        now = self._clock.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + (SWEEP_S if self._leads else FOLLOW_S)
            await (self._sweep(now) if self._leads else self._try_to_lead())
        self._delivery.pump()

    def _gather(self) -> None:
        """Empty the intake; what is to be told now goes into the changes."""
        self._emptying()
        now = self._clock.monotonic()
        for _ in range(min(len(self._intake), AT_ONCE)):
            notice = self._intake.popleft()
            told = self._held.take(notice, now)
            if told is not None:
                self._tell(told)
        tells = self._tells_departures
        for notice in self._held.due(now, departures=tells):
            self._tell(notice)
        if tells and self._returned_by is not None and now >= self._returned_by:
            left = self._held.abandon(self._clock.wall_ms(), AT_ONCE)
            for notice in left:
                self._tell(notice)
            if not left:
                self._returned_by = None

    def _tell(self, notice: Notice) -> None:
        app = self._directory.apps.get(notice.app_key)
        if app is None:
            return
        event, hooks = notice.event, app.settings.webhooks
        try:
            encoded = as_json(event)
        except UnicodeEncodeError:  # half of a surrogate pair, which no receiver could read either
            return
        self._mark(app, event)
        is_shared = event.name in ARRIVALS and not (self._leads and self._is_alone)
        place = place_of(app.key, event) if is_shared else None
        for url in requests.urls(hooks, event):
            if self._has_room(TargetKey(app.key, url)):
                new = NewEvent(app.key, url, requests.lane_of(event), notice.at_ms, encoded, place)
                self._delivery.changes.new.append(new)

    def _mark(self, app: App, event: HookEvent) -> None:
        """Remember which places are told to be taken, when somebody is told."""
        place = place_of(app.key, event)
        if place is None:
            return
        is_arrival = event.name in ARRIVALS
        if not is_arrival or requests.follows(app.settings.webhooks, event):
            self._delivery.changes.taken[place] = is_arrival

    def _has_room(self, key: TargetKey) -> bool:
        if self._delivery.lanes.waiting(key) < self._options.target_limit:
            self._is_full.discard(key)
            return True
        self._stats.dropped_full += 1
        if key not in self._is_full:
            self._is_full.add(key)
            log.error(
                "webhook_queue_full",
                app_key=key.app_key,
                url=requests.shown(key.url),
                limit=self._options.target_limit,
            )
        return False

    async def _commit(self) -> None:
        """Write what has changed; what is new then waits for its delivery."""
        changes = self._delivery.changes
        if not changes:
            return
        self._delivery.changes = Changes()
        changes.died_ms = self._clock.wall_ms()
        ids: list[int] = []

        async def write() -> None:
            ids.extend(await self._on_disk(lambda: self.outbox.write(changes)))

        if not await self._insist(write):
            log.error("webhook_events_lost", events=len(changes.new))
            return
        self._apps.update(place.app_key for place in changes.taken)
        if not self._leads:
            return
        self._own_ids.update(ids)
        for event_id, new in zip(ids, changes.new, strict=True):
            if not event_id:
                continue
            self._apps.add(new.app_key)
            key = TargetKey(new.app_key, new.url)
            self._delivery.add(key, new.lane, event_id, (new.created_ms, new.event))

    async def _sweep(self, now: float) -> None:
        """Look what others have done: to the outbox, and to the apps."""
        await self._take_in_others()
        self._stats.oldest_ms = await self._on_disk(self.outbox.oldest_ms)
        self._delivery.drop_unwanted()
        for app_key in [app_key for app_key in self._apps if app_key not in self._directory.apps]:
            self._apps.discard(app_key)
            self._held.forget(app_key)
            self._delivery.changes.forgotten.add(app_key)
            self._work.set()
        if now >= self._next_prune:
            self._next_prune = now + PRUNE_S
            before_ms = self._clock.wall_ms() - int(self._options.dead_letter_s * 1000)
            await self._on_disk(lambda: self.outbox.prune(self._options.dead_letters, before_ms))

    async def _take_in_others(self) -> None:
        """Rows that another process has put into the queue, or taken out of it.

        Numbers rise for ever, so what is new is above all that was read before, and is not ours.
        """
        revision = await self._on_disk(self.outbox.revision)
        if revision != self._revision or self._look_again:
            self._look_again = False
            known, above = self._delivery.lanes.ids(), self._read_up_to
            fresh, there = await self._on_disk(lambda: (self.outbox.waiting(above=above), self.outbox.ids()))
            self._revision = revision
            self._delivery.remove(known - there)
            self._queue(row for row in fresh if row.id not in self._own_ids)
            self._apps.update(row.app_key for row in fresh)
        self._read_up_to = max([self._read_up_to, *self._own_ids])
        self._own_ids.clear()

    def _queue(self, rows: Iterable[Waiting]) -> None:
        for row in rows:
            failure = Failure(row.id, row.attempts, row.error) if row.attempts else None
            self._delivery.add(TargetKey(row.app_key, row.url), row.lane, row.id, failure=failure)
            self._read_up_to = max(self._read_up_to, row.id)

    async def _finish(self, stop_by: float) -> None:
        """Bring all that has come in to the disk. Departures that are held back are not: should nobody return after
        the next start, they are told then.
        """
        while self._intake:
            self._gather()
            await self._commit()
        await self._delivery.stop(stop_by - self._clock.monotonic())
        await self._commit()

    async def _on_disk(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)
