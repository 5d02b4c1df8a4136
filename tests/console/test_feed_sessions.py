"""A page that is left open: its feed ends with the session, by a clock that the test moves."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator

import pytest

from pushery.console.feed import OVERVIEW, Feed, FeedSession, own_app
from pushery.console.gate import COOKIE, Gate
from pushery.console.pages import Pages
from pushery.console.readings import Readings
from pushery.console.visitors import IDLE_S, Visitors
from pushery.core import codes
from pushery.core.audience import Write
from pushery.core.backlog import Backlog
from pushery.core.basicauth import credentials
from pushery.core.codes import Close
from pushery.core.effects import OpenSocket
from pushery.core.exchange import Refusal, Request
from pushery.core.guesses import Guesses
from pushery.node import Node, Place
from pushery.wire.websocket import TEXT, encode_frame, payload_of, split_frames
from tests.node.fakes import CountingIds, FakeClock, World, in_loop, until


class Page:
    """A `Peer`: the socket of an open page."""

    address = "203.0.113.9:4711"
    waiting = 0

    def __init__(self, node: Node, session: FeedSession) -> None:
        self.node = node
        self.session = session
        self.place: Place | None = None
        self.pieces: list[bytes] = []
        self.entry: Write = self.pieces.append
        self.closes: list[Close] = []
        node.apply(self, session.opened())

    @property
    def events(self) -> list[str]:
        """What it was told, in order."""
        texts = (bytes(payload_of(frame)) for piece in self.pieces for frame in split_frames(piece))
        return [json.loads(text)["event"] for text in texts]

    def subscribe(self, channel: str) -> None:
        self.node.apply(
            self, self.session.received(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}}))
        )

    def send(self, text: bytes) -> None:
        """As the port says."""
        self.entry(encode_frame(TEXT, text))

    def close(self, close: Close) -> None:
        """As the port says."""
        self.node.leave(self, close)
        self.closes.append(close)


class Clock(FakeClock):
    """Time that goes by, and that a test sets ahead: the feed reads what has happened in a second."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


class Console:
    """The feed with all it stands on."""

    def __init__(self, world: World) -> None:
        self.clock = Clock()
        self.node = world.node()
        ids, count = CountingIds(), itertools.count(1)
        directory = self.node.registry.directory
        self.visitors = Visitors(credentials("admin", "secret"), directory, lambda: f"s{next(count)}")
        gate = Gate(self.visitors, Pages(), Guesses(), ids, self.clock)
        readings = Readings(self.node.stats, self.node.hub, Backlog(1000, lambda: None), own_app().key)
        self.feed = Feed(self.node, gate, self.visitors, readings, ids, self.clock)

    def sign_in(self) -> Request:
        """What a page asks with that somebody has just signed in on."""
        visitor = self.visitors.sign_in("admin", "secret", self.clock.monotonic())
        assert visitor is not None
        cookie = f"{COOKIE}={visitor.token}".encode()
        headers = {b"cookie": cookie, b"host": b"here", b"origin": b"http://here"}
        return Request("GET", "/console/feed", "", headers, b"")

    def open(self, request: Request) -> Page:
        outcome = self.feed.connect(request, {})
        assert isinstance(outcome, OpenSocket)
        assert isinstance(outcome.session, FeedSession)
        return Page(self.node, outcome.session)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@in_loop
async def test_a_page_that_is_open_when_its_session_ends_is_told_nothing_any_more(world: World) -> None:
    console = Console(world)
    request, other = console.sign_in(), console.sign_in()
    page, used = console.open(request), console.open(other)
    page.subscribe(OVERVIEW)
    running = asyncio.create_task(console.feed.run())
    console.clock.ahead_s += IDLE_S - 60
    await until(lambda: page.events.count("reading") > 2)
    console.open(other)  # which is a request, as any other
    assert page.closes == used.closes == []  # at rest, it lasts as long as it is said to
    console.clock.ahead_s += 61
    await until(lambda: page.closes)
    assert page.closes == [codes.UNAUTHORIZED]
    told = len(page.events)
    used.subscribe(OVERVIEW)
    await until(lambda: used.events.count("reading") > 1)
    assert len(page.events) == told
    assert used.closes == []
    running.cancel()
    with pytest.raises(Refusal) as refused:
        console.open(request)
    assert refused.value.status == 401


@in_loop
async def test_a_session_that_has_ended_gets_no_further_subscription(world: World) -> None:
    console = Console(world)
    page = console.open(console.sign_in())
    console.clock.ahead_s += IDLE_S + 1
    page.subscribe(OVERVIEW)
    assert page.events[-1] == "pusher:subscription_error"
