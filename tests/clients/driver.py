"""Clients in another program, driven from a test: a command goes in, a result comes back, and what they say is kept."""

import itertools
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Page

from tests.support.server import DEADLINE_S

Record = dict[str, Any]


class Host(Protocol):
    """Where clients live."""

    def perform(self, command: Record) -> Any:
        """Carry out one command; its result, or an AssertionError with what the program threw."""

    def take(self, patience_s: float) -> list[Record]:
        """What clients have said since the last time; waits for the first of it no longer than this."""


class NodeHost:
    """A program of `node/`, talking in lines of JSON."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._said: queue.Queue[Record] = queue.Queue()
        self._results: queue.Queue[Record] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "said" in message:
                self._said.put(message["said"])
            else:
                self._results.put(message)

    def perform(self, command: Record) -> Any:
        """See `Host`."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, **command}) + "\n")
        self._process.stdin.flush()
        answer = self._results.get(timeout=DEADLINE_S)
        assert answer["id"] == number
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def take(self, patience_s: float) -> list[Record]:
        """See `Host`."""
        taken = []
        try:
            taken.append(self._said.get(timeout=patience_s))
            while True:
                taken.append(self._said.get_nowait())
        except queue.Empty:
            return taken


@contextmanager
def node_host(node: str, script: Path) -> Iterator[NodeHost]:
    """Run the script until the block ends; it says nothing on standard error that a test would not show."""
    with subprocess.Popen(
        [node, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=script.parent
    ) as process:
        try:
            yield NodeHost(process)
        finally:
            process.kill()


class PageHost:
    """A page in a browser that has `scene.js` in it."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        page.goto(url)
        page.wait_for_function("() => window.perform !== undefined")

    def perform(self, command: Record) -> Any:
        """See `Host`."""
        return self._page.evaluate("(command) => window.perform(command) ?? null", command)

    def take(self, patience_s: float) -> list[Record]:
        """See `Host`."""
        end = time.monotonic() + patience_s
        while not (taken := self._page.evaluate("() => window.take()")) and time.monotonic() < end:
            self._page.wait_for_timeout(5)
        found: list[Record] = taken
        return found


class Scene:
    """All clients of one host. What they said waits here until a test asks for it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._kept: list[Record] = []

    def perform(self, do: str, **words: Any) -> Any:
        """Carry out one command."""
        return self.host.perform({"do": do, **words})

    def hear(self, deadline_s: float = DEADLINE_S, **wanted: Any) -> Record:
        """Wait for the first record with these members, and take it out."""
        end = time.monotonic() + deadline_s
        while True:
            for at, record in enumerate(self._kept):
                if wanted.items() <= record.items():
                    return self._kept.pop(at)
            left = end - time.monotonic()
            assert left > 0, f"waited {deadline_s} s for {wanted}; heard {self._kept[-30:]}"
            self._kept += self.host.take(left)

    def heard(self, **wanted: Any) -> list[Record]:
        """The records with these members that are here and were not taken out."""
        self._kept += self.host.take(0)
        return [record for record in self._kept if wanted.items() <= record.items()]
