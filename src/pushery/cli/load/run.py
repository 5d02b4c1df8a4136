"""A run: connect the clients, push at the wanted rate, wait for the last deliveries, count.

Invariant: however it ends, what has been measured so far is returned, and every socket is closed.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pushery.cli.load import payload
from pushery.cli.load.client import Client, NotIn
from pushery.cli.load.dialect import Dialect
from pushery.cli.load.publisher import Publisher, PushFailed
from pushery.cli.load.tally import Receiver, Tally
from pushery.cli.target import Target, why

AT_ONCE: Final = 100
"""Clients that are on their way in at a time: fewer than any backlog."""

LANES: Final = 8
"""Connections that publish, each with one push at a time. One alone would be held up by every round trip."""

_CONNECT_S: Final = 10.0
_LAST_S: Final = 5.0
"""How long after the last answer deliveries are waited for."""

_SHOW_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. `clients`: where clients connect; `backends`: where is pushed."""

    clients: Target
    backends: Target
    dialect: Dialect
    run: str
    count: int
    rate: float
    size: int
    duration_s: float


@dataclass(slots=True)
class Progress:
    """What has happened so far; what is shown while it runs, and what is reported at the end."""

    tally: Tally = field(default_factory=lambda: Tally(LANES))
    connected: int = 0
    not_in: int = 0
    first_problem: str = ""
    connect_s: float = 0.0
    sent: list[int] = field(default_factory=lambda: [0] * LANES)
    """Pushes by lane, those that failed among them."""
    failed: set[tuple[int, int]] = field(default_factory=set)
    """Lane and number of pushes that were not answered 200; of some it is not known whether anybody got them."""
    push_s: float = 0.0
    busy_s: float = 0.0
    """CPU time that this process took for pushing and receiving."""
    late_us: int = 0
    """How much later than planned a push went out at worst."""
    hopeless: bool = False
    """Whether the next push would be refused like the last."""
    lost: int = 0
    closed: int = 0
    interrupted: bool = False

    @property
    def published(self) -> int:
        """Pushes that the server has taken."""
        return sum(self.sent) - len(self.failed)

    def problem(self, text: str) -> None:
        """Something went wrong; the first one is told."""
        self.first_problem = self.first_problem or text


async def run(plan: Plan, progress: Progress, stop: asyncio.Event, show: Callable[[], None]) -> None:
    """Do it, with `show` called all the while; sooner over when `stop` is set."""
    shower = asyncio.create_task(_keep_showing(show))
    clients: list[Client] = []
    try:
        await _connect(plan, progress, stop, clients)
        if clients and not stop.is_set():
            await _push(plan, progress, stop)
            await _last_deliveries(progress, clients, stop)
        progress.closed = sum(bool(client.ended) for client in clients)
        progress.lost = sum(client.receiver.lost(progress.sent, progress.failed) for client in clients)
        for client in clients:
            if client.ended:
                progress.problem(client.ended)
    finally:
        progress.interrupted = stop.is_set()
        for client in clients:
            client.leave()
        shower.cancel()
        await asyncio.sleep(0)
        show()


async def _keep_showing(show: Callable[[], None]) -> None:
    while True:
        show()
        await asyncio.sleep(_SHOW_S)


async def _connect(plan: Plan, progress: Progress, stop: asyncio.Event, clients: list[Client]) -> None:
    numbers = iter(range(plan.count))
    began = time.perf_counter()

    async def one_after_another() -> None:
        for number in numbers:
            if stop.is_set():
                return
            try:
                clients.append(await _client(plan, progress, number))
            except (NotIn, OSError) as error:
                progress.not_in += 1
                progress.problem(f"a client: {error if isinstance(error, NotIn) else why(error)}")
            else:
                progress.connected += 1
            progress.connect_s = time.perf_counter() - began

    await asyncio.gather(*(one_after_another() for _ in range(min(AT_ONCE, plan.count))))


async def _client(plan: Plan, progress: Progress, number: int) -> Client:
    target = plan.clients

    def made() -> Client:
        path = f"{target.prefix}{plan.dialect.path(number)}"
        return Client(plan.dialect, Receiver(progress.tally), host=target.authority, path=path, run=plan.run.encode())

    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_CONNECT_S):
        transport, client = await loop.create_connection(made, target.host, target.port, ssl=target.tls())
        try:
            await client.ready
        except BaseException:
            transport.abort()
            raise
    return client


async def _push(plan: Plan, progress: Progress, stop: asyncio.Event) -> None:
    """Lane by lane in turn, each push when it is due."""
    began, busy = time.perf_counter(), time.process_time()
    pushes = max(1, round(plan.rate * plan.duration_s))
    end = began + plan.duration_s

    async def lane(number: int) -> None:
        publisher = Publisher(plan.backends)
        try:
            for turn in range(number, pushes, LANES):
                due = began + turn / plan.rate
                if await _until(due, stop) or time.perf_counter() > end or progress.hopeless:
                    return
                progress.late_us = max(progress.late_us, int(1e6 * (time.perf_counter() - due)))
                await _one(plan, progress, publisher, number)
        finally:
            publisher.close()

    await asyncio.gather(*(lane(number) for number in range(min(LANES, pushes))))
    if not progress.hopeless:
        await _until(end, stop)
    progress.push_s, progress.busy_s = time.perf_counter() - began, time.process_time() - busy


async def _until(due: float, stop: asyncio.Event) -> bool:
    """Wait until then; true when everything is to stop."""
    wait_s = due - time.perf_counter()
    if wait_s > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait_s)
    return stop.is_set()


async def _one(plan: Plan, progress: Progress, publisher: Publisher, lane: int) -> None:
    number = progress.sent[lane]
    progress.sent[lane] += 1
    try:
        await publisher.connect()
        marks = payload.Marks(plan.run.encode(), lane, number, time.perf_counter_ns())
        path, body, headers = plan.dialect.push(payload.write(marks, plan.size), int(time.time()))
        await publisher.post(f"{plan.backends.prefix}{path}", body, headers)
    except PushFailed as error:
        progress.failed.add((lane, number))
        progress.problem(f"a push: {error}")
        progress.hopeless |= error.is_final


async def _last_deliveries(progress: Progress, clients: list[Client], stop: asyncio.Event) -> None:
    wanted = progress.published * len(clients)
    end = time.perf_counter() + _LAST_S
    while progress.tally.deliveries < wanted and time.perf_counter() < end:
        if await _until(time.perf_counter() + 0.05, stop) and progress.tally.deliveries >= wanted:
            return
        await asyncio.sleep(0.01)
