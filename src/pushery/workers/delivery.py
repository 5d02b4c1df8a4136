"""Delivers what is in the outbox: takes jobs from the lanes, posts them, and says what has become of each event.

Writes nothing to the disk itself: results go into `changes`, which its caller writes. Invariant: an event leaves the
outbox only when it was accepted, was given up, or is no longer wanted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from pushery.core.apps import App, Directory
from pushery.core.appsettings import Webhook
from pushery.core.ports import Clock, StorageError
from pushery.storage.hookoutbox import Changes, Failure
from pushery.workers import backoff, requests
from pushery.workers.client import HookClient, Outcome
from pushery.workers.lanes import Job, Lanes, Target, TargetKey
from pushery.workers.options import HookStats, WebhookOptions
from pushery.workers.traces import HookTraces

log = structlog.get_logger("pushery.hooks")

UNTRIED: Final = "not sent: its time was over, and the webhook had accepted nothing for as long"
TRIED: Final = "{}; not sent again: its time was over"
"""Of an event that had been sent before: what came of that tells more."""

Said = tuple[int, bytes]
"""When an event happened, in unix milliseconds, and its JSON."""


class Delivery:
    """Lives in the event loop of the webhooks' thread. `read` reads events from the outbox."""

    def __init__(
        self,
        *,
        directory: Directory,
        clock: Clock,
        options: WebhookOptions,
        stats: HookStats,
        chance: Callable[[], float],
        read: Callable[[Iterable[int]], Awaitable[dict[int, Said]]],
        changed: Callable[[], None],
        traces: HookTraces | None,
    ) -> None:
        self.changes = Changes()
        """What has become of events since this was last replaced; `changed` is called when it grows."""
        self.lanes = Lanes(per_target=options.concurrency, total=options.total_concurrency)
        self._directory = directory
        self._clock = clock
        self._options = options
        self._stats = stats
        self._chance = chance
        self._read = read
        self._changed = changed
        self._traces = traces
        self._client: HookClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: dict[int, Failure] = {}
        """Of what waits, the events that were sent already."""
        self._cache: dict[int, Said] = {}
        self._cached_bytes = 0
        self._stopping = False

    def configure(self, options: WebhookOptions) -> None:
        """Go by these options from now on; requests that are under way end by those before."""
        self._options = options
        client, self._client = self._client, None
        if client is not None:
            task = asyncio.get_running_loop().create_task(client.retire())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def add(
        self, key: TargetKey, lane: str, event_id: int, said: Said | None = None, failure: Failure | None = None
    ) -> None:
        """An event that is on the disk now waits for its delivery; call `pump` after the last of several.

        `failure` is what has come of sending it so far; None when it was not sent yet.
        """
        self.lanes.add(key, lane, event_id)
        if failure is not None:
            self._failures[event_id] = failure
        if said is not None and self._cached_bytes + len(said[1]) <= self._options.cache_bytes:
            self._cache[event_id] = said
            self._cached_bytes += len(said[1])

    def pump(self) -> None:
        """Begin whatever may begin now."""
        while not self._stopping:
            job = self.lanes.take(self._clock.monotonic(), self._most)
            if job is None:
                break
            task = asyncio.get_running_loop().create_task(self._run(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._stats.queued = self.lanes.queued

    def remove(self, ids: Iterable[int]) -> None:
        """Events that are no longer in the outbox."""
        gone = list(ids)
        self.lanes.remove(gone)
        self._forget(gone)

    def drop_unwanted(self) -> None:
        """Forget what waits for webhooks that are gone."""
        for key in list(self.lanes.targets):
            app = self._directory.apps.get(key.app_key)
            if app is None or _hook(app, key.url) is None:
                gone = self.lanes.forget(key)
                self._forget(gone)
                if app is not None and gone:
                    self.changes.gone += gone
                    self._changed()

    async def stop(self, timeout_s: float) -> None:
        """Begin nothing more, and let what is under way end; what takes longer is cut off and stays in the outbox."""
        self._stopping = True
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=max(0.0, timeout_s))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def _most(self, key: TargetKey) -> int:
        app = self._directory.apps.get(key.app_key)
        return self._options.batch_events if app is not None and app.settings.batch_webhooks else 1

    async def _run(self, job: Job) -> None:
        gone: set[int] = set()
        worked: bool | None = None
        retry_at: float | None = None
        try:
            worked, retry_at = await self._deliver(job, gone)
        except StorageError as error:
            log.error("webhook_outbox_failed", error=str(error))
            retry_at = self._clock.monotonic() + self._options.retry_first_s
        except Exception:  # a defect; the events stay where they are
            log.exception("unexpected_error", message="a webhook could not be delivered")
            retry_at = self._clock.monotonic() + self._options.retry_most_s
        finally:
            self._forget(gone)
            self.lanes.settle(job, gone, self._clock.monotonic(), retry_at, worked=worked)
            self._changed()
        self.pump()

    async def _deliver(self, job: Job, gone: set[int]) -> tuple[bool | None, float | None]:
        """Try a job; `gone` takes in the events that leave. Returns `worked` and `retry_at` for `Lanes.settle`."""
        key = job.target.key
        app = self._directory.apps.get(key.app_key)
        hook = _hook(app, key.url) if app is not None else None
        if app is None or hook is None:
            self._drop(job.ids, gone)
            return None, None
        said = await self._said(job.ids)
        self._drop([event_id for event_id in job.ids if event_id not in said], gone)
        over = self._overdue(job.target, said)
        if over:
            self._bury(job.target, [self._too_late(event_id) for event_id in over], gone)
        ids = [event_id for event_id in job.ids if event_id not in gone]
        if not ids:
            return None, None
        fitting = _fitting(ids, said, self._options.batch_bytes)
        self.lanes.give_back(job, set(ids) - set(fitting))
        outcome = await self._post(app, hook, fitting, said)
        return outcome.accepted, self._judge(job.target, fitting, said, outcome, gone)

    async def _post(self, app: App, hook: Webhook, ids: list[int], said: dict[int, Said]) -> Outcome:
        if self._client is None:
            options = self._options
            self._client = HookClient(
                timeout_s=options.timeout_s,
                private_addresses=options.private_addresses,
                redirects=options.redirects,
            )
        content = requests.body(said[ids[0]][0], [said[event_id][1] for event_id in ids])
        ours, own = requests.headers(app.keys[0], content), requests.own_headers(hook.headers)
        trace = None
        if self._traces is not None:
            sent_before = max(self._sent(event_id) for event_id in ids)
            trace = self._traces.begin("webhook", app.key, hook.url, events=len(ids), sent_before=sent_before)
        started = self._clock.monotonic()
        outcome = await self._client.post(hook.url, content, ours, own, trace)
        self._stats.request_seconds.observe(self._clock.monotonic() - started)
        return outcome

    def _judge(
        self, target: Target, ids: list[int], said: dict[int, Said], outcome: Outcome, gone: set[int]
    ) -> float | None:
        """Say what has become of the events that were sent; returns when to try those that stay again."""
        if outcome.accepted:
            self._stats.delivered += len(ids)
            accepted_ms = self._clock.wall_ms()
            for event_id in ids:
                self._stats.delay_seconds.observe(max(0, accepted_ms - said[event_id][0]) / 1000)
            if target.told:
                target.told = False
                log.info("webhook_works_again", app_key=target.key.app_key, url=requests.shown(target.key.url))
            self._drop(ids, gone)
            return None
        self._stats.failed_attempts += 1
        now_ms = self._clock.wall_ms()
        for event_id in ids:
            self._failures[event_id] = Failure(event_id, self._sent(event_id) + 1, outcome.error)
        ends_ms = {event_id: said[event_id][0] + self._options.retry_time_s * 1000 for event_id in ids}
        over = [event_id for event_id in ids if outcome.final or ends_ms[event_id] <= now_ms]
        self._bury(target, [self._failures[event_id] for event_id in over], gone)
        left = [event_id for event_id in ids if event_id not in gone]
        if not left:
            return None
        self.changes.failed += [self._failures[event_id] for event_id in left]
        pause_s = backoff.pause_s(
            min(self._sent(event_id) for event_id in left),
            self._chance(),
            first_s=self._options.retry_first_s,
            most_s=self._options.retry_most_s,
        )
        soonest_end_s = (min(ends_ms[event_id] for event_id in left) - now_ms) / 1000
        return self._clock.monotonic() + min(pause_s, soonest_end_s)

    def _overdue(self, target: Target, said: dict[int, Said]) -> list[int]:
        """Events that are not worth an attempt: nothing was accepted for as long as they were to be tried for."""
        patience_s = self._options.retry_time_s
        since = target.failing_since
        if since is None or self._clock.monotonic() - since < patience_s:
            return []
        before_ms = self._clock.wall_ms() - patience_s * 1000
        return [event_id for event_id in sorted(said) if said[event_id][0] <= before_ms]

    def _sent(self, event_id: int) -> int:
        """How often an event was sent."""
        failure = self._failures.get(event_id)
        return 0 if failure is None else failure.attempts

    def _too_late(self, event_id: int) -> Failure:
        """What is to be told of an event that is not sent any more."""
        failure = self._failures.get(event_id)
        if failure is None:
            return Failure(event_id, 0, UNTRIED)
        return failure._replace(error=TRIED.format(failure.error))

    async def _said(self, ids: list[int]) -> dict[int, Said]:
        said = {event_id: self._cache[event_id] for event_id in ids if event_id in self._cache}
        missing = [event_id for event_id in ids if event_id not in said]
        return said | await self._read(missing) if missing else said

    def _drop(self, ids: Iterable[int], gone: set[int]) -> None:
        fresh = [event_id for event_id in ids if event_id not in gone]
        self.changes.gone += fresh
        gone.update(fresh)

    def _bury(self, target: Target, failures: list[Failure], gone: set[int]) -> None:
        if not failures:
            return
        self.changes.dead += failures
        gone.update(failure.id for failure in failures)
        self._stats.dead += len(failures)
        if not target.told:
            target.told = True
            log.warning(
                "webhook_given_up",
                app_key=target.key.app_key,
                url=requests.shown(target.key.url),
                error=failures[0].error,
            )

    def _forget(self, ids: Iterable[int]) -> None:
        for event_id in ids:
            self._failures.pop(event_id, None)
            said = self._cache.pop(event_id, None)
            if said is not None:
                self._cached_bytes -= len(said[1])


def _hook(app: App, url: str) -> Webhook | None:
    return next((hook for hook in app.settings.webhooks if hook.url == url), None)


def _fitting(ids: list[int], said: dict[int, Said], most_bytes: int) -> list[int]:
    """The first events that fit into one request, at least one."""
    room = most_bytes - len(said[ids[0]][1])
    fitting = ids[:1]
    for event_id in ids[1:]:
        room -= len(said[event_id][1]) + 1
        if room < 0:
            break
        fitting.append(event_id)
    return fitting
