"""A push at a steady pace, and how long each takes from the backend to the client: `python -m soak.pacer`.

A process of its own, so that the generator's work does not count as the server's. It reads what to do from standard
input, and writes what it has seen to standard output once standard input ends.
"""

import asyncio
import gc
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Final

import uvloop

from soak.backend import BackendError, Line, push_request
from soak.transports import Address, WebSocket

PACE_S: Final = 0.02
"""Between two pushes."""


@dataclass
class Paced:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    """How late the pushes were sent: what the machine, and not the server, kept waiting."""
    violation: str = ""


class _Receiver:
    """The client, as its transport sees it."""

    def __init__(self) -> None:
        self.seen = Paced()
        self.sent: dict[str, float] = {}
        self.opened = asyncio.Event()
        self.leaving = False

    def on_open(self) -> None:
        self.opened.set()

    def on_refused(self, status: int, body: bytes) -> None:
        self._broken(f"was refused: {status} {body!r}")

    def on_text(self, text: bytes) -> None:
        now, content = time.perf_counter(), text.decode()
        started = self.sent.pop(content, None)
        if started is None:
            self._broken(f"got {content!r}, which it was not sent, or twice")
        else:
            self.seen.seconds.append(now - started)

    def on_pong(self) -> None:
        self._broken("got a pong that nobody asked for")

    def on_close(self, code: int, reason: str) -> None:
        if not self.leaving:
            self._broken(f"was closed with {code} {reason!r}")

    def on_gone(self) -> None:
        self._broken("lost its connection")

    def on_fault(self, what: str) -> None:
        self._broken(what)

    def _broken(self, what: str) -> None:
        self.seen.violation = self.seen.violation or f"the paced client {what}"
        self.opened.set()

    async def pace(self, line: Line, key: str, auth: tuple[str, str], stop: asyncio.Event) -> None:
        number, due = 0, time.perf_counter()
        while not stop.is_set() and not self.seen.violation:
            number, due = number + 1, due + PACE_S
            content = f"paced {number}"
            data = push_request(key, auth, content, None, as_json=False)
            self.sent[content] = time.perf_counter()
            answer = await line.ask(data)
            if answer.status != 200 or answer.json["total"] != "1":
                self._broken(f"is online, but a push was answered {answer.status}: {answer.body[:200]!r}")
            if len(self.sent) > 200:
                self._broken("gets nothing any more")
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
                self.seen.late_s.append(max(0.0, time.perf_counter() - due))
            else:
                due -= pause


async def _run() -> Paced:
    loop = asyncio.get_running_loop()
    told = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    address, stop, receiver = Address(told["host"], told["port"]), asyncio.Event(), _Receiver()
    socket, line = WebSocket(receiver, f"/ws/{told['key']}/paced"), Line("the pacer's connection")
    await socket.connect(address)
    await line.connect(address)
    await receiver.opened.wait()
    pacing = loop.create_task(receiver.pace(line, told["key"], (told["account"], told["password"]), stop))
    await loop.run_in_executor(None, sys.stdin.readline)
    stop.set()
    try:
        await pacing
    except BackendError as error:
        receiver._broken(f"has a backend that failed: {error}")
    receiver.leaving = True
    await asyncio.sleep(0.3)
    if receiver.sent:
        receiver._broken(f"has never got {len(receiver.sent)} pushes")
    socket.close()
    await asyncio.sleep(0.2)
    return receiver.seen


if __name__ == "__main__":
    gc.disable()
    print(json.dumps(asdict(uvloop.run(_run()))))
