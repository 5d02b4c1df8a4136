"""Clients that speak the Pusher protocol to a node, without a socket."""

import asyncio
import contextlib
import functools
import hmac
import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ParamSpec

import msgspec

from pushery.core.appsettings import AppSettings, Webhook
from pushery.core.audience import Write
from pushery.core.codes import Close
from pushery.core.effects import PublishEvent
from pushery.core.exchange import Reply
from pushery.core.hookevents import HookEvent
from pushery.core.publications import ChannelEvent
from pushery.dialects.pusher.session import PusherSession
from pushery.node import Node, Place
from pushery.wire.websocket import TEXT, encode_frame, payload_of, split_frames
from tests.node.fakes import World

P = ParamSpec("P")

KEY = "k" * 32
SECRET = "5" * 40
OK = "pusher_internal:subscription_succeeded"


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose timers run when the test moves its time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now


async def pass_time(seconds: float) -> None:
    """Let the timers run that are due in so many seconds."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, FakeTimeLoop)
    loop.now += seconds
    for _ in range(4):
        await asyncio.sleep(0)


def in_fake_time(story: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a loop whose time stands still."""

    @functools.wraps(story)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
            runner.run(story(*args, **kwargs))

    return run


def a_world(**settings: Any) -> World:
    """A world with one app that has these settings, and a webhook that wants everything."""
    world = World(KEY)
    change_settings(world, webhooks=(Webhook(url="http://backend/"),), **settings)
    return world


@contextlib.contextmanager
def full_world() -> Iterator[World]:
    """One app, with everything that is off by default switched on but what limits."""
    world = a_world(client_events=True, user_authentication=True, watchlist=True)
    try:
        yield world
    finally:
        world.close()


def hooks(world: World, *but: str) -> list[HookEvent]:
    """What the backend was told since it was asked last, without the events named in `but`."""
    told = [event for event in world.hooks.events if event.name not in ("connected", "disconnected", *but)]
    world.hooks.told.clear()
    return told


def change_settings(world: World, **settings: Any) -> None:
    """Let the app have other settings, for nodes that are made from now on."""
    app = world.table.apps[KEY]
    changed = msgspec.structs.replace(app.settings, **settings)
    assert isinstance(changed, AppSettings)
    world.table.apps[KEY] = msgspec.structs.replace(app, settings=changed)


def signature(text: str) -> str:
    """What the app's backend says to `text`."""
    return f"{KEY}:{hmac.digest(SECRET.encode(), text.encode(), 'sha256').hex()}"


class Talker:
    """A `Peer` with a session. `swaps_every` so many writes it wants to be written to in another way, as a socket whose
    transport has become full; a write in a way that it has given up is an error.
    """

    address = "203.0.113.9:4711"
    waiting = 0

    def __init__(self, node: Node, socket_id: str, *, swaps_every: int = 0) -> None:
        self.node = node
        self.place: Place | None = None
        self.socket_id = socket_id
        self.pieces: list[bytes] = []
        self.last_words: list[str] = []
        self.closes: list[Close] = []
        self.faults = 0
        """Writes in a way it had given up."""
        self.swaps_every = swaps_every
        self._way = 0
        self.entry: Write = self._new_way()
        self.session = PusherSession(
            node.registry.directory,
            node.registry.apps[KEY],
            socket_id,
            activity_timeout_s=120,
            message_limit=1 << 16,
        )
        self._read = 0
        node.apply(self, self.session.opened())

    def _new_way(self) -> Write:
        self._way += 1
        return functools.partial(self._take, self._way)

    def _take(self, way: int, piece: bytes) -> None:
        if way != self._way:
            self.faults += 1
        self.pieces.append(piece)
        if self.swaps_every and len(self.pieces) % self.swaps_every == 0:
            self.entry = self._new_way()
            self.node.redirect(self)

    @property
    def texts(self) -> list[str]:
        """All messages it got, in order."""
        return [bytes(payload_of(frame)).decode() for piece in self.pieces for frame in split_frames(piece)]

    def news(self) -> list[str]:
        """The messages it got since it was asked last."""
        texts = self.texts
        read, self._read = self._read, len(texts)
        return texts[read:]

    def said(self) -> list[tuple[str, object]]:
        """As `news`: the events with their data, decoded."""
        return [(one["event"], _decoded(one["data"])) for one in map(json.loads, self.news())]

    def hear(self, text: str) -> None:
        """The client sends a message."""
        if not self.closes:
            self.node.apply(self, self.session.received(text))

    def tell(self, event: str, data: object = None, **more: object) -> None:
        """The client sends an event."""
        self.hear(json.dumps({"event": event, "data": data, **more}))

    def subscribe(self, channel: str, user_id: object = None, **info: object) -> None:
        """Subscribe, with what the backend signs."""
        data: dict[str, object] = {"channel": channel, "auth": ""}
        if user_id is not None:
            data["channel_data"] = json.dumps({"user_id": user_id, **info}, separators=(",", ":"))
            data["auth"] = signature(f"{self.socket_id}:{channel}:{data['channel_data']}")
        elif channel.startswith(("private-", "presence-")):
            data["auth"] = signature(f"{self.socket_id}:{channel}")
        self.tell("pusher:subscribe", data)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe."""
        self.tell("pusher:unsubscribe", {"channel": channel})

    def sign_in(self, user_id: str, **more: object) -> None:
        """Sign in, with what the backend signs."""
        user_data = json.dumps({"id": user_id, **more}, separators=(",", ":"))
        auth = signature(f"{self.socket_id}::user::{user_data}")
        self.tell("pusher:signin", {"auth": auth, "user_data": user_data})

    def send(self, text: bytes) -> None:
        """As the port says."""
        if not self.closes:
            self.entry(encode_frame(TEXT, text))

    def close(self, close: Close) -> None:
        """As the port says."""
        if self.closes:
            return
        self.node.leave(self, close)
        close, last_words = self.session.farewell(close)
        if last_words is not None:
            self.send(last_words)
        self.closes.append(close)

    def vanish(self) -> None:
        """The network takes it away."""
        self.node.leave(self)
        self.closes.append(Close(1006, "", ""))


def _decoded(data: object) -> object:
    try:
        return json.loads(data) if isinstance(data, str) else data
    except ValueError:
        return data


def publication(event: ChannelEvent, **more: Any) -> PublishEvent:
    """What a request to publish one event becomes; answered with the number of sockets."""
    return publications([event], **more)


def publications(events: list[ChannelEvent], **more: Any) -> PublishEvent:
    """What a request to publish events becomes; answered with the numbers of sockets."""
    return PublishEvent(
        KEY,
        events,
        answer=lambda crowd, counts: Reply(200, json.dumps(list(counts)).encode()),
        bad_pattern=lambda error: Reply(400, str(error.position).encode()),
        too_fast=lambda limit: Reply(429, str(limit).encode()),
        **more,
    )


def publish(node: Node, name: str, data: str, *channels: str, **more: Any) -> list[int]:
    """A backend publishes an event; returns how many sockets get it."""
    reply = node.perform(publication(ChannelEvent(name, data, channels, **more)))
    assert isinstance(reply, Reply)
    assert reply.status == 200
    counts: list[int] = json.loads(reply.body)
    return counts


def count_reply(count: int) -> Reply:
    """A reply that says a number."""
    return Reply(200, str(count).encode())
