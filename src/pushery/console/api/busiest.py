"""The apps that have most to do, among however many there are: what the overview lists.

Counts nothing itself and reads no clock: it compares the crowds' counts with those of its last look, and looks only
while somebody asks, whoever and how many. Invariant: there is at most one look in `PAUSE_S`, in slices with the event
loop's other work between them, and nothing is kept of an app but two numbers.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, TypeAlias

import msgspec

from pushery.console.api.slices import SLICE, gather
from pushery.core.apps import App, Directory
from pushery.core.hub import Hub

SHOWN: Final = 8
"""Apps that are listed: as many as there is room for beside the charts."""

PAUSE_S: Final = 2.0
"""How long a look is good for. One over 10,000 apps takes 3 ms, or 10 ms where nothing is delivered in any of them."""

STALE_S: Final = 15.0
"""How long ago the last look may be for a rate to be one of now."""

Counts: TypeAlias = dict[str, tuple[int, int]]
"""Deliveries and pushes since the start, by app key."""

Rank: TypeAlias = tuple[int, int, int, str]
"""Deliveries and pushes since the last look, connections, and the app's key."""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on in an app. Rates are those between the last two looks; None until there are two."""

    app_key: str
    name: str
    connections: int
    pushes_per_s: float | None = None
    deliveries_per_s: float | None = None


class Busiest:
    """The busiest apps of a node."""

    def __init__(self, hub: Hub, directory: Directory, monotonic: Callable[[], float]) -> None:
        self._hub = hub
        self._directory = directory
        self._monotonic = monotonic
        self._looked = float("-inf")
        self._counts: Counts = {}
        """As they were at the last look."""
        self._found: Sequence[Activity] = ()
        self._looking = asyncio.Lock()

    async def find(self) -> Sequence[Activity]:
        """The busiest first: by deliveries, then by pushes, then by connections; then those that nobody is in."""
        async with self._looking:
            now = self._monotonic()
            seconds = now - self._looked
            if seconds >= PAUSE_S:
                self._looked = now
                self._found = await self._look(None if seconds > STALE_S else seconds)
            return self._found

    async def _look(self, seconds: float | None) -> Sequence[Activity]:
        counts: Counts = {}
        before = counts if seconds is None else self._counts
        best, _ = await gather(self._slices(before, counts), self._monotonic)
        self._counts = counts
        apps = self._directory.apps
        ranks = heapq.nlargest(SHOWN, best)
        ranked = {key: _activity(apps[key], rank, seconds) for rank in ranks if (key := rank[-1]) in apps}
        idle = (_activity(app, (0, 0, 0, key), seconds) for key, app in apps.items() if key not in ranked)
        return list(islice(chain(ranked.values(), idle), SHOWN))

    def _slices(self, before: Counts, counts: Counts) -> Iterator[list[Rank]]:
        """The best of each slice, by what is more in `counts`, which is filled on the way, than there was `before`."""
        crowds, apps, none = list(self._hub.crowds.items()), self._directory.apps, (0, 0)
        for start in range(0, len(crowds), SLICE):
            best: list[Rank] = []
            least = float("-inf")  # deliveries that are too few to be among them: of most apps nothing else is read
            for key, crowd in crowds[start : start + SLICE]:
                counts[key] = now = (crowd.messages_out, crowd.pushes)
                then = before.get(key, none)  # who was not there began with nothing
                if now[0] - then[0] >= least and key in apps:
                    heapq.heappush(best, (now[0] - then[0], now[1] - then[1], len(crowd), key))
                    if len(best) > SHOWN:
                        heapq.heappop(best)
                        least = best[0][0]
            yield best


def _activity(app: App, rank: Rank, seconds: float | None) -> Activity:
    deliveries, pushes, connections, _ = rank
    if seconds is None:
        return Activity(app_key=app.key, name=app.name, connections=connections)
    return Activity(
        app_key=app.key,
        name=app.name,
        connections=connections,
        pushes_per_s=max(pushes, 0) / seconds,
        deliveries_per_s=max(deliveries, 0) / seconds,
    )
