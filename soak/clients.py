"""Clients: they connect, subscribe, sign in, send, leave in every way, and tell the model all that they see.

What they do the load decides; here it is kept what they have done, and what they may therefore see.
"""

import time
from collections import deque
from typing import Final
from urllib.parse import quote

from soak.fallback import HttpSession
from soak.model import NEVER, Group, Member, Publication
from soak.transports import Transport, WebSocket
from soak.world import VANISH_S, App, World

GHOST_S: Final = 16.0
"""Within which a vanished client without a socket is surely counted out: its session lives 10 s."""

CLOSE_S: Final = 20.0
"""How long anything may take that the server has to answer."""


_HISTORY: Final = 40


class Client:
    """What both kinds of clients have in common."""

    def __init__(self, world: World, app: App, name: str) -> None:
        self.world = world
        self.app = app
        self.name = name
        self.transport: Transport
        self.open = False
        """Whether it is connected, and may be used."""
        self.over = False
        """Whether it is gone, or about to go."""
        self.finished = False
        """Whether nothing can come any more."""
        self.fickle = False
        """Whether it reads slowly: it may miss what comes last, and will be closed."""
        self.doomed: tuple[int, ...] = ()
        """The codes with which it is to be closed; none: it is not."""
        self.may_close: tuple[int, ...] = ()
        """The codes with which it may be closed, though it need not be."""
        self.may_be_refused: tuple[int, ...] = ()
        self.deadline_s = time.monotonic() + CLOSE_S
        """When what it waits for must have come; 0: it waits for nothing."""
        self.history: deque[tuple[float, str]] = deque(maxlen=_HISTORY)
        self.closed_with: tuple[int, str] | None = None
        self._pings: deque[int] = deque()
        self._pinged_s = 0.0
        self._rounds: deque[tuple[int, int]] = deque()
        """When a ping was sent and its pong has come, of pings that later ones may build upon."""
        self._horizon = 0

    def note(self, what: str) -> None:
        """Remember for the story."""
        self.history.append((time.monotonic(), what))

    def violated(self, what: str) -> None:
        """A promise towards it is broken."""
        self.note(f"BROKEN: {what}")
        self.world.report(what, self.history)

    def members(self) -> list[Member]:
        """Its memberships that are not over."""
        raise NotImplementedError

    def ping(self) -> None:
        """Ask for a pong.

        A publish is answered up to a turn of the server's loop before it is written, so one pong proves nothing. When a
        ping that was sent behind a pong is answered, what was answered before that pong's ping has been written.
        """
        if not self._pings:
            self._pinged_s = time.monotonic()
        self._pings.append(self.world.clock.tick())
        self.transport.ping()

    def on_pong(self) -> None:
        """Settle what has to be there by now."""
        if not self._pings:
            self.violated(f"{self.name} got a pong that nobody asked for")
            return
        tick = self._pings.popleft()
        self._pinged_s = time.monotonic()
        while self._rounds and self._rounds[0][1] < tick:
            self._horizon = self._rounds.popleft()[0]
        self._rounds.append((tick, self.world.clock.tick()))
        for member in self.members():
            if not self.fickle:
                member.settle(self._horizon)
        self.ponged(tick)

    def ponged(self, tick: int) -> None:
        """What else a pong proves: all that was sent before `tick` has been read."""

    def tend(self, now: float) -> None:
        """Look whether something is overdue, and ask for a pong when something may be missing."""
        if self.finished:
            return
        if self.deadline_s and now > self.deadline_s:
            self.violated(f"{self.name} has waited {CLOSE_S:.0f} s for the server ({self._awaits()})")
        elif self._pings and now - self._pinged_s > CLOSE_S and not self.fickle and not self.over:
            self.violated(f"{self.name} has waited {CLOSE_S:.0f} s for a pong")
        elif self.open and not self.over and not self.fickle and not self._pings and self._suspects(now):
            self.ping()

    def _awaits(self) -> str:
        if self.doomed:
            return f"to close with {self.doomed}"
        return "to answer its close" if self.over else "to let it in"

    def _suspects(self, now: float) -> bool:
        for member in self.members():
            for publication in member.owed:
                if publication.answered != NEVER and now - publication.answered_s > 1.0:
                    return True
                break
        return False

    def leave(self) -> None:
        """Close politely: all that was answered before still comes."""
        if isinstance(self.transport, HttpSession):
            self.reset()
            return
        self.note("closes")
        self.over = True
        self.deadline_s = time.monotonic() + CLOSE_S
        self.may_close = (*self.may_close, 1000)
        self._all_leave()
        self.transport.close()

    def doom(self, *codes: int) -> None:
        """The server is being told to close it."""
        if self.finished:
            return
        self.note(f"is to be closed with {codes}")
        if self.over:  # which of the two comes first nobody knows
            self.may_close = (*self.may_close, *codes)
            return
        self.doomed, self.over = codes, True
        self.deadline_s = time.monotonic() + CLOSE_S
        self._all_leave()

    def _all_leave(self) -> None:
        tick = self.world.clock.tick()
        for member in self.members():
            member.leaving = min(member.leaving, tick)

    def reset(self) -> None:
        """Be gone without a word."""
        if self.finished:
            return
        self.note("vanishes")
        self.over = self.finished = True
        self.transport.reset()
        self._vanish()

    def _vanish(self) -> None:
        known_s = VANISH_S if isinstance(self.transport, WebSocket) else GHOST_S
        for member in self.members():
            member.vanish(known_s)

    def on_refused(self, status: int, body: bytes) -> None:
        """Not let in."""
        self.over = self.finished = True
        if status not in self.may_be_refused:
            self.violated(f"{self.name} was refused: {status} {body[:120]!r}")
        for member in self.members():
            member.end()

    def on_close(self, code: int, reason: str) -> None:
        """The server has closed, or answered a close."""
        self.note(f"was closed: {code} {reason}")
        self.closed_with = code, reason
        expected = self.doomed or self.may_close
        self.over = self.finished = True
        if code not in (*self.doomed, *self.may_close):
            told = f"not with {expected}" if expected else "for no reason"
            self.violated(f"{self.name} was closed with {code} {reason!r}, {told}")
        for member in self.members():
            if self.fickle or member.leaving == NEVER:
                member.vanish(0)  # it does not know when the server began to close
            else:
                member.end()

    def on_gone(self) -> None:
        """The connection is no more."""
        self.over = self.finished = True
        if not self.fickle:
            self.violated(f"{self.name} lost its connection ({self.transport.kind}) without a close")
        self._vanish()

    def on_fault(self, what: str) -> None:
        """The server has broken a protocol."""
        self.violated(f"{self.name}: {what}")

    def arrived(self, number: int, content: str) -> Publication | None:
        """The publish that a message belongs to, if it is whole."""
        self.world.received += 1
        publication = self.world.publications.get(number)
        if publication is None:
            self.violated(f"{self.name} got #{number}, which is unknown or was settled long ago: {content[:80]!r}")
            return None
        self.history.append((time.monotonic(), f"got {publication}"))
        if publication.content != content:
            self.violated(f"{self.name} got {publication} mutilated: {content[:120]!r}")
            return None
        return publication


def number_of(content: str) -> int:
    """The number that every content begins with; -1 when it does not."""
    head = content.partition(" ")[0]
    return int(head) if head.isascii() and head.isdigit() else -1


class TagClient(Client):
    """A GoPusher client."""

    def __init__(self, world: World, app: App, name: str, tag: str, *, compress: bool = False) -> None:
        super().__init__(world, app, name)
        self.tag = tag
        self.socket = WebSocket(self, f"/ws/{app.key}/{quote(tag, safe='')}", compress=compress)
        self.transport = self.socket
        self._member = app.ledger.join(app.ledger.tagged, self, tag)
        self.note(f"connects to {app.name} as {tag} by {self.transport.kind}")

    def members(self) -> list[Member]:
        """Its one membership."""
        return [] if self._member.ended or self._member.abrupt else [self._member]

    def on_open(self) -> None:
        """It counts from now on."""
        self.open = True
        if not self.doomed:
            self.deadline_s = 0
        self._member.joined, self._member.joined_s = self.world.clock.tick(), time.monotonic()
        self.note("is connected")

    def on_text(self, text: bytes) -> None:
        """A push."""
        content = text.decode()
        publication = self.arrived(number_of(content), content)
        if publication is not None:
            self._member.receive(publication)


def steady_group(group: Group) -> list[Member]:
    """The members of a group that are surely in it."""
    return [member for member in group.members if member.joined != NEVER and member.leaving == NEVER
            and not member.abrupt]  # fmt: skip
