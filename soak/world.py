"""What the whole run shares: the clock, the publishes, the apps, the tallies, and the first broken promise."""

import asyncio
import random
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soak.backend import Line, mac
from soak.model import Clock, Ledger, Publication
from soak.transports import Address

if TYPE_CHECKING:
    from soak.hooks import HookLog

VANISH_S = 5.0
"""Within which the server has surely noticed that a connection is gone."""

FORGET_S = 60.0
"""How long a publish is remembered once it is answered."""


@dataclass(eq=False)
class App:
    """An app as its backend and its clients know it."""

    name: str
    key: str
    id: str
    secret: str
    auth: tuple[str, str]
    gopusher: bool
    pusher: bool
    ledger: Ledger
    users: int = 30
    passing: bool = False
    """Whether it is unregistered before long."""
    gone: bool = False
    client_events: bool = True
    """Whether clients may send events."""
    changing: bool = False
    """Whether that is being changed."""
    changed_s: float = 0.0
    terminating: set[str] = field(default_factory=set)
    """Users whose connections are being closed."""
    hooks: "HookLog | None" = None
    """Where its webhooks lead."""
    first_key: str = ""
    """What the app is called by; `key` is the one that is signed with."""

    def sign(self, text: str) -> str:
        """What a backend gives a client to prove itself with."""
        return f"{self.key}:{mac(self.secret, text)}"


class World:
    """One run. `seed` decides what is done, though not to the microsecond when."""

    def __init__(self, address: Address, seed: int) -> None:
        self.address = address
        self.random = random.Random(seed)  # it is to be the same again
        self.clock = Clock()
        self.publications: dict[int, Publication] = {}
        self.apps: list[App] = []
        self.lines: list[Line] = []
        self.done: Counter[str] = Counter()
        """How often each thing was done."""
        self.received = 0
        self.explained: Counter[str] = Counter()
        """Errors that the server must have counted, by kind, because of what we did."""
        self.perhaps: Counter[str] = Counter()
        """Errors that it may have counted besides."""
        self.violation = ""
        self.story: list[str] = []
        self.stopped = asyncio.Event()
        self.began = time.monotonic()
        self._number = 0

    def publication_id(self) -> int:
        """Of the next publish."""
        self._number += 1
        return self._number

    def report(self, what: str, story: "deque[tuple[float, str]] | None" = None) -> None:
        """A promise is broken: the first one stops the run."""
        if self.violation:
            return
        self.violation = what
        self.story = [f"{at - self.began:8.3f} s  {text}" for at, text in story or ()]
        self.stopped.set()

    def forget(self) -> None:
        """Drop publishes that nobody can get any more."""
        now, old = time.monotonic(), []
        for number, publication in self.publications.items():
            if not publication.answered_s or now - publication.answered_s < FORGET_S:
                break
            old.append(number)
        for number in old:
            del self.publications[number]
