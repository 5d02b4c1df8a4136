"""Asks the backends of apps who may connect: the port `ConnectHooks`, on a thread of its own.

Keeps no answer, logs no token and no tag. The thread starts with the first question. Invariant: what is asked for one
app waits for that app's backend only, and no question takes longer than `patience_s` and the time that a request may
take.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import structlog

from pushery.workers.client import HookClient
from pushery.workers.traces import HookTraces

log = structlog.get_logger("pushery.hooks")

_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded"}

OUTCOMES: Final = ("admitted", "refused", "failed", "crowded")
"""What may come of a question: the tag was the answer, something else was, nothing of use was, it was never asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectHookOptions:
    """Settings of the server. Times are seconds; the defaults are those of the settings."""

    timeout_s: float = 5.0
    concurrency: int = 200
    """Requests at a time to the backend of one app."""
    private_addresses: bool = False
    redirects: bool = False
    patience_s: float = 20.0
    """How long a client waits for its turn: about as long as it would take to give up by itself."""
    most_waiting: int = 20_000
    """Clients of one app that wait for their turn; more are refused at once."""


class ConnectHookWorker:
    """Implements `ConnectHooks`. All methods belong to the server's event loop."""

    def __init__(self, options: ConnectHookOptions | None = None, traces: HookTraces | None = None) -> None:
        """`traces` is asked in the thread."""
        self.outcomes: Counter[str] = Counter()
        """How often each of `OUTCOMES` came. Written by one thread, read by any."""
        self._options = options or ConnectHookOptions()
        self._traces = traces
        self._running: _Running | None = None
        self._stopped = False

    def configure(self, options: ConnectHookOptions) -> None:
        """Go by these options from now on; what is under way ends by those before."""
        if options == self._options:
            return
        self._options = options
        running = self._running
        if running is not None:
            running.call(running.asker.configure(options))

    async def admits(self, app_key: str, url: str, token: str, tag: str) -> bool:
        """Ask; False whatever goes wrong."""
        if self._stopped:
            return False
        if self._running is None:
            self._running = _Running(_Asker(self._options, self.outcomes, self._traces))
        running = self._running
        try:
            return await asyncio.wrap_future(running.submit(running.asker.ask(app_key, url, token, tag)))
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return False  # it is the thread that has been stopped

    async def stop(self, timeout_s: float) -> None:
        """Break off what is under way."""
        self._stopped = True
        running, self._running = self._running, None
        if running is not None:
            running.stop()
            await asyncio.get_running_loop().run_in_executor(None, running.thread.join, timeout_s)


class _Lane:
    """Who waits for the backend of one app."""

    __slots__ = ("gate", "size")

    def __init__(self, concurrency: int) -> None:
        self.gate = asyncio.Semaphore(concurrency)
        self.size = 0
        """How many wait or are under way."""


class _Asker:
    """Belongs to the thread."""

    def __init__(self, options: ConnectHookOptions, outcomes: Counter[str], traces: HookTraces | None) -> None:
        self._options = options
        self._traces = traces
        self._outcomes = outcomes
        self._lanes: dict[str, _Lane] = {}
        self._failing: set[str] = set()
        """Apps whose backend gave no answer when it was last asked: that is logged once, not for every client."""
        self._client: HookClient | None = None

    async def configure(self, options: ConnectHookOptions) -> None:
        """Go by these options. Whoever waits in a lane already does so by the old ones."""
        self._options = options
        self._lanes.clear()
        client, self._client = self._client, None
        if client is not None:
            await client.retire()

    async def ask(self, app_key: str, url: str, token: str, tag: str) -> bool:
        """One question, from getting in line to the answer."""
        options = self._options
        lane = self._lanes.get(app_key)
        if lane is None:
            lane = self._lanes[app_key] = _Lane(options.concurrency)
        if lane.size >= options.concurrency + options.most_waiting:
            return self._note("crowded")
        lane.size += 1
        try:
            try:
                async with asyncio.timeout(options.patience_s):
                    await lane.gate.acquire()
            except TimeoutError:
                return self._note("crowded")
            try:
                return await self._request(app_key, url, token, tag)
            except Exception as error:  # a defect, told without what was sent
                log.error("connect_hook_failed", app_key=app_key, error=type(error).__name__)
                return self._note("failed")
            finally:
                lane.gate.release()
        finally:
            lane.size -= 1
            if not lane.size and self._lanes.get(app_key) is lane:
                del self._lanes[app_key]

    async def _request(self, app_key: str, url: str, token: str, tag: str) -> bool:
        if self._client is None:
            options = self._options
            self._client = HookClient(
                timeout_s=options.timeout_s, private_addresses=options.private_addresses, redirects=options.redirects
            )
        form = urlencode({"token": token}, errors="replace").encode()
        trace = None if self._traces is None else self._traces.begin("connect_hook", app_key, url)
        outcome = await self._client.post(url, form, _HEADERS, {}, trace)
        answered = outcome.accepted or (outcome.error.startswith("HTTP ") and not outcome.error.startswith("HTTP 5"))
        self._log(app_key, "" if answered else outcome.error)
        if not answered:
            return self._note("failed")
        body = outcome.body
        admitted = body is not None and _line(body) == tag.encode("utf-8", "surrogatepass")
        return self._note("admitted" if admitted else "refused")

    def _note(self, outcome: str) -> bool:
        self._outcomes[outcome] += 1
        return outcome == "admitted"

    def _log(self, app_key: str, error: str) -> None:
        if error and app_key not in self._failing:
            self._failing.add(app_key)
            log.warning("connect_hook_failed", app_key=app_key, error=error)
        elif not error and app_key in self._failing:
            self._failing.discard(app_key)
            log.info("connect_hook_answers", app_key=app_key)

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()


def _line(body: bytes) -> bytes:
    """An answer without the one line end that may be behind it."""
    return body[:-2] if body.endswith(b"\r\n") else body.removesuffix(b"\n")


class _Running:
    """The thread, between the first question and the stop."""

    def __init__(self, asker: _Asker) -> None:
        self.asker = asker
        self._loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._main, name="connect-hooks", daemon=True)
        self.thread.start()

    def submit(self, question: Coroutine[Any, Any, bool]) -> "Future[bool]":
        """Have it asked; whoever cancels what is returned cancels the question."""
        return asyncio.run_coroutine_threadsafe(question, self._loop)

    def call(self, change: Coroutine[Any, Any, None]) -> None:
        """Have it done in the thread."""
        asyncio.run_coroutine_threadsafe(change, self._loop)

    def stop(self) -> None:
        """End the thread, and before that all that is under way in it."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _main(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(self.asker.close())
        except Exception:
            log.exception("unexpected_error", message="the connect hooks' thread has ended")
        finally:
            loop.close()
