"""A server ends in the middle of pushes to more sockets than it writes in one turn: what was answered has arrived."""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop

from benchmarks.restart import Server, registered
from benchmarks.returning import NEVER, Backend, Crowd

pytestmark = pytest.mark.process

SLICE = 20
CLIENTS = 400


@dataclass
class Ended:
    """What was seen of a server that has ended."""

    crowd: Crowd
    backends: list[Backend]
    told: float
    """When it was sent the signal."""
    code: int

    def answered(self, before: float = NEVER) -> set[int]:
        """The events whose publication was answered by then."""
        return {n for backend in self.backends for n, one in backend.publications.items() if one.answered < before}

    @property
    def heard(self) -> list[set[int]]:
        """What each client has heard."""
        return [set(client.epochs[0].heard) for client in self.crowd.clients]


async def ended(directory: Path, number: int, enough: Callable[[Ended], bool]) -> Ended:
    """Publish as fast as it goes, and send the signal once `enough`."""
    with Server(directory, "one", None, fanout_slice=SLICE, reuse_port=False, drain_rate=0) as server:
        app = registered(server.port)
        crowd = Crowd(server.port, app)
        await crowd.gather(CLIENTS)
        crowd.over = True  # nobody comes back
        backends = [Backend(server.port, app, which, 4, keeps=True, every_s=0.0) for which in range(4)]
        seen = Ended(crowd, backends, NEVER, 0)
        running = [asyncio.ensure_future(backend.run()) for backend in backends]
        while not enough(seen):  # noqa: ASYNC110  # what clients hear is no event
            await asyncio.sleep(0)
        seen.told = time.monotonic()
        server.signal(number)
        for backend in backends:
            backend.stopping = True
        seen.code = await asyncio.to_thread(server.process.wait)
        await asyncio.gather(*running)
        while not all(client.transport.is_closing() for client in crowd.clients):  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(3):  # until what is closing is closed
            await asyncio.sleep(0)
        return seen


def is_in_the_midst(after: int) -> Callable[[Ended], bool]:
    """Whether so many are answered, and the first client has heard of one that the last one has not."""

    def enough(seen: Ended) -> bool:
        first, last = (seen.crowd.clients[which].epochs[0].heard for which in (0, -1))
        return len(seen.answered()) >= after and len(first) != len(last)

    return enough


@pytest.mark.parametrize("after", [1, 25, 60])
def test_killed_it_loses_nothing_that_was_answered(after: int, tmp_path: Path) -> None:
    seen = uvloop.run(ended(tmp_path, signal.SIGKILL, is_in_the_midst(after)))
    assert seen.code == -signal.SIGKILL
    answered = seen.answered()
    assert len(answered) >= after
    for heard in seen.heard:
        assert answered <= heard


def test_stopped_it_finishes_what_it_has_begun_before_anybody_is_closed(tmp_path: Path) -> None:
    seen = uvloop.run(ended(tmp_path, signal.SIGTERM, is_in_the_midst(20)))
    assert seen.code == 0
    assert seen.answered(before=seen.told)
    for heard in seen.heard:
        assert seen.answered(before=seen.told) <= heard
    assert all(heard == seen.heard[0] for heard in seen.heard), "everybody has got what anybody has got"
    assert seen.crowd.codes == {4100: CLIENTS}
    assert not [failure for backend in seen.backends for failure in backend.failures if "200" in failure]
