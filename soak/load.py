"""The load: everything at once, at its pace, and then everything to its end."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak.abuse import Abuser
from soak.backend import BackendError
from soak.crowd import Crowd
from soak.deeds import Deeds
from soak.publishing import Publisher
from soak.world import App, World

TICK_S: Final = 0.02
"""How often something is begun."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    seconds: float = 600
    seed: int = 1
    clients: int = 300
    rate: float = 150
    """Publishes per second."""
    source: Path | None = None
    """Where another copy of the server's package lies."""


class Load:
    """Keeps everything going at its pace."""

    def __init__(self, world: World, crowd: Crowd, publisher: Publisher, deeds: Deeds, plan: Plan) -> None:
        self._world = world
        self._crowd = crowd
        self._publisher = publisher
        self._deeds = deeds
        self._plan = plan
        self._abuser = Abuser(world)
        self._tasks: set[asyncio.Task[None]] = set()
        self._every: list[list[object]] = [
            [0.15, 0.0, self._abuser.one],
            [1.1, 0.0, deeds.terminate],
            [0.7, 0.0, deeds.ask_users],
            [4.0, 0.0, deeds.switch_client_events],
            [9.0, 0.0, lambda: deeds.slow_reader(self._app("tags"))],
            [11.0, 0.0, lambda: deeds.rotate(self._app("both"))],
            [8.0, 0.0, self._recycle],
        ]

    def _app(self, name: str) -> App:
        return next(app for app in self._world.apps if app.name == name)

    async def _recycle(self) -> None:
        for app in self._world.apps:
            if app.passing:
                await self._deeds.recycle(app)
                return

    async def run(self, seconds: float, progress: Callable[[float], None] = lambda left_s: None) -> None:
        """Everything at once for so long; then all leave, and everything is seen to its end."""
        world, crowd = self._world, self._crowd
        started = now = time.monotonic()
        owed, swept, told = 0.0, now, now
        while now - started < seconds and not world.violation:
            owed += self._plan.rate * TICK_S
            while owed >= 1:
                owed -= 1
                self._publisher.one()
            self._come_and_go()
            for row in self._every:
                self._when_due(row, now)
            if now - swept > 0.5:
                swept = now
                crowd.tend()
                crowd.check_presence()
                world.forget()
            if now - told > 30:
                told = now
                progress(seconds - (now - started))
            await asyncio.sleep(max(0.0, TICK_S - (time.monotonic() - now)))
            now = time.monotonic()
        await self._settle()

    def _come_and_go(self) -> None:
        world, crowd = self._world, self._crowd
        apps = [app for app in world.apps if not app.gone]
        for _ in range(min(3, self._plan.clients - len(crowd.clients))):
            crowd.come(world.random.choice(apps))
        if world.random.random() < 0.5:
            crowd.one()

    def _when_due(self, row: "list[object]", now: float) -> None:
        every, last, deed = row
        assert isinstance(every, float)
        assert isinstance(last, float)
        if now - last < every * self._world.random.uniform(0.8, 1.2):
            return
        row[1] = now
        task = asyncio.get_running_loop().create_task(self._do(deed))  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, deed: Callable[[], Awaitable[None]]) -> None:
        try:
            await deed()
        except BackendError as error:
            self._world.report(str(error))
        except Exception as error:
            if not self._world.violation:  # else it is only that the server is gone
                self._world.report(f"the generator itself has failed: {error!r}")
                raise

    async def _settle(self) -> None:
        """Everything that was begun comes to its end, and everybody leaves."""
        world = self._world
        while self._tasks and not world.violation:
            await asyncio.wait(self._tasks, timeout=0.1)
            self._crowd.tend()
        if not world.violation:
            await self._publisher.quiet()
            await asyncio.sleep(1.5)
            self._crowd.tend()
            await asyncio.sleep(0.5)
            await self._crowd.all_leave()
