"""What is measured besides: memory over time, how long a paced push takes, how late the generator itself is."""

import asyncio
import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from soak.pacer import Paced
from soak.process import ServerProcess
from soak.transports import Address
from soak.world import App


def quantile(values: Iterable[float], share: float) -> float:
    """The value that `share` of all do not exceed; 0.0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def bucket_quantile(values: Mapping[str, float], name: str, share: float) -> float | None:
    """The upper bound of the bucket of a Prometheus histogram in which the quantile lies; None without the metric."""
    rows = []
    for key, count in values.items():
        if key.startswith(f'{name}_bucket{{le="'):
            rows.append((float(key.split('"')[1].replace("+Inf", "inf")), count))
    if not rows:
        return None
    rows.sort()
    total = rows[-1][1]
    return next((bound for bound, count in rows if count >= total * share), float("inf")) if total else 0.0


class Pacer:
    """The process that measures how long a push takes at a steady pace."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, address: Address, app: App) -> "Pacer":
        """Begin to push to an app of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "soak.pacer", cwd=Path(__file__).parents[1],
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip
        told = {"host": address.host, "port": address.port, "key": app.key, "account": app.auth[0]}
        assert process.stdin is not None
        process.stdin.write(json.dumps(told | {"password": app.auth[1]}).encode() + b"\n")
        await process.stdin.drain()
        return cls(process)

    async def end(self) -> Paced:
        """Stop, and tell what it has seen."""
        try:
            output, _ = await asyncio.wait_for(self._process.communicate(b"\n"), 20)
            return Paced(**json.loads(output))
        except (TimeoutError, ValueError) as error:
            return Paced(violation=f"the paced client has come to no end: {error!r}")

    def kill(self) -> None:
        """Be rid of it."""
        if self._process.returncode is None:
            self._process.kill()


class Watch:
    """Samples the server's memory, and how late the generator's own loop is."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.resident_mib: list[float] = []
        self.late_s: list[float] = []

    async def run(self) -> None:
        """For ever."""
        ticks = 0
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.01)
            self.late_s.append(max(0.0, time.perf_counter() - started - 0.01))
            ticks += 1
            if ticks % 50 == 0:
                self.resident_mib.append(self._server.resident_mib)
