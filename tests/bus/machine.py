"""A machine with servers that share a database, as far as their bus is concerned."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

from pushery.bus.local import UNREAD_LIMIT, LocalBus
from pushery.bus.meeting import Meeting, meeting_path

T = TypeVar("T")


class End:
    """A `LocalBus` on a loop of its own thread, to be used from any other."""

    def __init__(self, directory: Path, name: str, unread_limit: int = UNREAD_LIMIT) -> None:
        self.name = name
        self._meeting = Meeting(meeting_path(str(directory / "apps.sqlite")))
        self._bus = LocalBus(self._meeting, name, unread_limit=unread_limit)
        self._awake = threading.Event()
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self.run(self._bus.start())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done in the loop, and wait."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    @property
    def has_peers(self) -> bool:
        """See `Bus`."""
        return self._bus.has_peers

    def send(self, envelope: bytes) -> None:
        """See `Bus`."""
        self.loop.call_soon_threadsafe(self._bus.send, envelope)

    def attach(self, receive: Callable[[bytes], None]) -> None:
        """See `Bus`."""
        self._bus.attach(receive)

    def hang(self) -> None:
        """Read nothing more, until `stop`."""
        self.loop.call_soon_threadsafe(self._awake.wait)

    def stop(self) -> None:
        """Part in order, and end the loop."""
        self._awake.set()
        self.run(self._bus.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()
        self._meeting.close()


class Machine:
    """Servers come with `plug`; all that are left end with the block."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names = (f"server{number}" for number in itertools.count())
        self.ends: list[End] = []

    def plug(self, unread_limit: int = UNREAD_LIMIT) -> End:
        """One more server."""
        end = End(self._directory, next(self._names), unread_limit)
        self.ends.append(end)
        return end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self.ends:
            if end.loop.is_running():
                end.stop()
