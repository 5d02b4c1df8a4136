"""One run, from the first start of the server to the verdict.

A warm-up with everybody coming and going, a rest, the load, a rest. What memory the server needs when everybody has
gone is compared between the two rests: the first one holds what an allocator keeps for next time.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from soak.backend import BackendError, Line
from soak.crowd import Crowd
from soak.deeds import Deeds
from soak.figures import Pacer, Watch
from soak.hooks import HookLog
from soak.load import Load, Plan
from soak.process import ServerProcess, metrics
from soak.publishing import Publisher
from soak.verdict import Outcome
from soak.world import World

LINES: Final = 4
"""Connections of backends."""

REST_S: Final = 30.0
"""Within which the server has counted out everybody who is gone: sessions without a socket live 10 s more."""

WARM_UP: Final = 0.15
WARM_UP_S: Final = (8.0, 60.0)
"""Which share of the time the warm-up takes, and how many seconds at least and at most."""


async def soak(plan: Plan, say: Callable[[str], None]) -> Outcome:
    """One run. Raises StartFailure when there is no server to test."""
    with TemporaryDirectory(prefix="pushery-soak-") as directory:
        server = ServerProcess(Path(directory), plan.source)
        try:
            await server.start()
            return await _Run(plan, say, server).run()
        finally:
            server.kill()


class _Run:
    """A run against a server that has been started."""

    def __init__(self, plan: Plan, say: Callable[[str], None], server: ServerProcess) -> None:
        self._plan = plan
        self._say = say
        self._server = server
        self._world = World(server.address, plan.seed)
        self._crowd = Crowd(self._world)
        self._operator = Line("the operator")
        publisher = Publisher(self._world, self._crowd.clients)
        self._deeds = Deeds(self._world, self._crowd, publisher, self._operator)
        self._load = Load(self._world, self._crowd, publisher, self._deeds, plan)
        self._hooks = HookLog(self._world)
        self._watch = Watch(server)
        self._pacer: Pacer | None = None
        self._starved = 0.0
        """Which share of the time the server was kept waiting for a core."""
        self._outcome = Outcome()

    async def run(self) -> Outcome:
        """All of it, the stop of the server included."""
        world, outcome = self._world, self._outcome
        watching = asyncio.create_task(self._watch.run())
        try:
            await self._phases()
        except BackendError as error:
            world.report(str(error))
        finally:
            watching.cancel()
            self._hooks.close()
            if self._pacer is not None:
                self._pacer.kill()
        if world.violation:
            outcome.failures.append(world.violation)
            outcome.story = world.story
        trouble = await self._server.stop()
        if trouble:
            outcome.failures.append(trouble)
        return outcome

    async def _phases(self) -> None:
        world, plan, outcome = self._world, self._plan, self._outcome
        await self._prepare()
        outcome.row("memory, fresh", f"{self._server.resident_mib:.1f} MiB")
        least_s, most_s = WARM_UP_S
        warm_up_s = min(most_s, max(least_s, plan.seconds * WARM_UP))
        self._say(f"warm-up, {warm_up_s:.0f} s, seed {plan.seed}")
        await self._load.run(warm_up_s)
        before = await self._rest()
        if world.stopped.is_set():
            return
        await self._measured(max(5.0, plan.seconds - warm_up_s))
        after = await self._rest()
        if world.stopped.is_set():
            return
        outcome.memory(before, after, plan.seconds)
        values = await metrics(self._operator)
        outcome.judge(world, self._crowd, self._hooks, values, starved=self._starved)

    async def _prepare(self) -> None:
        """Connections, apps, and where webhooks lead."""
        world, register = self._world, self._deeds.register
        await self._operator.connect(world.address)
        for number in range(LINES):
            line = Line(f"backend connection {number}")
            await line.connect(world.address)
            world.lines.append(line)
        await self._hooks.listen()
        await register("tags", gopusher=True, pusher=False)
        await register("channels", gopusher=False, pusher=True, hooks=self._hooks)
        await register("both", gopusher=True, pusher=True)
        await register("short-0", gopusher=True, pusher=True)

    async def _measured(self, seconds: float) -> None:
        """The load, with a paced push beside it."""
        server, outcome, watch = self._server, self._outcome, self._watch
        self._say(f"load, {seconds:.0f} s, {self._plan.clients} clients")
        pacer = self._pacer = await self._start_pacing()
        watch.resident_mib.clear()
        watch.late_s.clear()
        started, cpu, waited = time.monotonic(), server.cpu_s, server.kept_waiting_s
        await self._load.run(seconds, self._progress)
        took_s = time.monotonic() - started
        self._starved = (server.kept_waiting_s - waited) / took_s
        paced = await pacer.end()
        if paced.violation:
            self._world.report(paced.violation)
        outcome.row("memory, most", f"{max(watch.resident_mib, default=0):.1f} MiB")
        outcome.row("server's share of a core", f"{(server.cpu_s - cpu) / took_s:.0%}")
        outcome.row("server kept waiting for a core", f"{self._starved:.1%} of the time")
        outcome.latency("paced push, backend to client", paced.seconds)
        outcome.latency("pacer's own loop, late by", paced.late_s)
        outcome.latency("generator's own loop, late by", watch.late_s)

    async def _start_pacing(self) -> Pacer:
        app = await self._deeds.register("paced", gopusher=True, pusher=False)
        self._world.apps.remove(app)  # nobody else comes to it
        return await Pacer.start(self._world.address, app)

    async def _rest(self) -> float:
        """Wait until the server has counted everybody out; returns what memory it still takes, in MiB."""
        deadline = time.monotonic() + REST_S
        while not self._world.violation:
            values = await metrics(self._operator)
            if not values["pushery_connections"] and not values["pushery_webhooks_queued"]:
                await asyncio.sleep(2.0)  # departures are held back for one
                if not (await metrics(self._operator))["pushery_webhooks_queued"]:
                    self._hooks.check_all_gone()
                    break
            if time.monotonic() > deadline:
                counted = (
                    f"{values['pushery_connections']:.0f} clients and {values['pushery_webhooks_queued']:.0f} events"
                )
                self._world.report(f"{counted} of webhooks are still counted {REST_S:.0f} s after all left")
            await asyncio.sleep(0.5)
        return self._server.resident_mib

    def _progress(self, left_s: float) -> None:
        clients, received = len(self._crowd.clients), self._world.received
        told = f"{clients} clients, {received:,} received, {self._server.resident_mib:.1f} MiB"
        self._say(f"{left_s:4.0f} s to go, {told}")
