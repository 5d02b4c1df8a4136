"""The clients: how many there are, how they come and go, what they subscribe to, and whether presence is told right."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from soak.backend import Line, signed
from soak.channelclients import ChannelClient
from soak.clients import Client, TagClient, steady_group
from soak.fallback import HttpSession
from soak.model import NEVER, Group, Member
from soak.publishing import CACHED, CHANNELS, PRESENCE, PRIVATE, PUBLIC, TAGS, kind_of
from soak.transports import WebSocket
from soak.world import App, World

SETTLED_S: Final = 3.0
"""How long after the last change of a user's presence everybody must have been told."""

_WAYS: Final = ("ws", "ws", "ws", "ws", "ws+deflate", "ws+deflate", "xhr_streaming", "xhr")


class Crowd:
    """Everybody who is connected, wants to be, or was until just now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        self.clients: dict[Client, None] = {}
        self.ghosts: dict[Client, None] = {}
        """Who has vanished: the server may not know it yet."""
        self.inflated = 0
        self.reopened = 0
        self.sessions_left = 0
        """Sessions without a socket that have vanished."""
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._moves: dict[str, tuple[int, Callable[[], None]]] = {
            "subscribe": (20, self._subscribe),
            "unsubscribe": (14, self._unsubscribe),
            "resubscribe at once": (6, self._resubscribe),
            "misbehave": (6, self._misbehave),
            "close": (10, self._close),
            "reset": (5, self._reset),
        }

    def name(self) -> str:
        """Of the next client."""
        self._number += 1
        return f"client {self._number}"

    def come(self, app: App) -> Client:
        """One more client of an app."""
        tagged = app.gopusher and (not app.pusher or self._random.random() < 0.5)
        return self._tag_client(app) if tagged else self._channel_client(app)

    def _tag_client(self, app: App) -> TagClient:
        client = TagClient(
            self._world, app, self.name(), self._random.choice(TAGS), compress=self._random.random() < 0.3
        )
        self.take_in(client)
        return client

    def _channel_client(self, app: App) -> ChannelClient:
        user, way = f"u{self._random.randrange(app.users)}", self._random.choice(_WAYS)
        name, draw = self.name(), self._random
        client = ChannelClient(self._world, app, name, user, way=way, session=f"s{self._number}")
        client.plan = [
            *draw.sample(PUBLIC, 2),
            draw.choice(PRIVATE),
            draw.choice(PRESENCE),
            *draw.sample(CACHED[:3], draw.randrange(2)),
        ]
        client.wants_sign_in = draw.random() < 0.5
        self.take_in(client)
        return client

    def take_in(self, client: Client, window: int = 0) -> None:
        """Connect a client."""
        self.clients[client] = None
        self._world.done[f"connect by {client.transport.kind}"] += 1
        task = asyncio.get_running_loop().create_task(self._connect(client, window))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: Client, window: int) -> None:
        try:
            if isinstance(client.transport, WebSocket):
                await client.transport.connect(self._world.address, window)
            elif isinstance(client.transport, HttpSession):
                await client.transport.connect(self._world.address)
        except OSError as error:
            client.violated(f"{client.name} cannot connect: {error}")

    def one(self) -> None:
        """Some client does something."""
        names = list(self._moves)
        name = self._random.choices(names, [self._moves[each][0] for each in names])[0]
        self._moves[name][1]()

    def _any(self) -> Client | None:
        found = [client for client in self.clients if client.open and not client.over and not client.fickle]
        return self._random.choice(found) if found else None

    def _any_channel_client(self) -> ChannelClient | None:
        found = [
            client for client in self.clients if isinstance(client, ChannelClient) and client.open and not client.over
        ]
        return self._random.choice(found) if found else None

    def _subscribe(self) -> None:
        client = self._any_channel_client()
        if client is not None:
            channel = self._random.choice(CHANNELS)
            if channel not in client.subscriptions:
                self._world.done["subscribe"] += 1
                client.subscribe(channel)

    def _unsubscribe(self) -> None:
        client = self._any_channel_client()
        if client is not None and (steady := client.steady()):
            self._world.done["unsubscribe"] += 1
            client.unsubscribe(self._random.choice(steady))

    def _resubscribe(self) -> None:
        client = self._any_channel_client()
        steady = [] if client is None else [name for name in client.steady() if name in CHANNELS]
        if client is not None and steady:
            self._world.done["resubscribe at once"] += 1
            channel = self._random.choice(steady)
            client.unsubscribe(channel)
            client.subscribe(channel)

    def _misbehave(self) -> None:
        client = self._any_channel_client()
        if client is not None:
            self._world.done["misbehave"] += 1
            client.misbehave(self._random.randrange(6))

    def _close(self) -> None:
        client = self._any()
        if client is not None:
            self._world.done["close"] += 1
            client.leave()

    def _reset(self) -> None:
        client = self._any()
        if client is not None:
            self._world.done["reset"] += 1
            client.reset()

    def tend(self) -> None:
        """Look after everybody: what is overdue, who is gone for good."""
        now = time.monotonic()
        for client in list(self.clients):
            client.tend(now)
            if client.finished:
                del self.clients[client]
                self._note(client)
                self.ghosts[client] = None
        for app in self._world.apps:
            for group in app.ledger.groups():
                for member in [found for found in group.members if found.abrupt and found.ends_s < now]:
                    group.remove(member)
        for client in [ghost for ghost in self.ghosts if not ghost.members()]:
            del self.ghosts[client]

    def _note(self, client: Client) -> None:
        if isinstance(client.transport, WebSocket):
            self.inflated += client.transport.frames.inflated
        elif isinstance(client.transport, HttpSession):
            self.reopened += client.transport.reopened
            self.sessions_left += client.closed_with is None
            self._world.perhaps["unknown_session"] += 2  # what it was just sending, and the heartbeat behind

    def check_presence(self) -> None:
        """Whoever is surely there has been told of everybody who is, and of nobody who is not."""
        for app in self._world.apps:
            for name, group in app.ledger.channels.items():
                if name.startswith("presence-") and group.members:
                    self._check_views(group)

    def _check_views(self, group: Group) -> None:
        must, may = presence(group)
        now = time.monotonic()
        for member in steady_group(group):
            if now - member.joined_s < SETTLED_S:
                continue
            if missing := must - member.view:
                member.client.violated(f"{member} was never told that {', '.join(sorted(missing))} came")
            if ghosts := member.view - may:
                member.client.violated(f"{member} was never told that {', '.join(sorted(ghosts))} left")

    async def check_users(self, app: App, channel: str, line: Line) -> None:
        """Ask the server who is on a channel."""
        group = app.ledger.channel(channel)
        must, may = presence(group)
        answer = await line.ask(signed(app.key, app.secret, "GET", f"/apps/{app.id}/channels/{channel}/users"))
        if answer.status != 200:
            self._world.explained[kind_of(answer)] += 1
        if app.gone:
            return
        if answer.status != 200:
            self._world.report(f"users of {channel} was answered {answer.status}: {answer.body[:200]!r}")
            return
        told = {user["id"] for user in answer.json["users"]}
        still, also = presence(group)
        if missing := (must & still) - told:
            self._world.report(f"{group.name} lacks {sorted(missing)}: {sorted(told)}")
        if ghosts := told - (may | also):
            self._world.report(f"{group.name} still has {sorted(ghosts)}, who have left")

    async def all_leave(self) -> None:
        """Everybody goes, most politely; returns once nobody is left."""
        deadline = time.monotonic() + 30
        while self.clients and time.monotonic() < deadline and not self._world.violation:
            for client in list(self.clients):
                if client.open and not client.over and not client.fickle:
                    if self._random.random() < 0.1:
                        client.reset()
                    else:
                        client.leave()
            self.tend()
            await asyncio.sleep(0.05)
        if self.clients and not self._world.violation:
            self._world.report(
                f"{len(self.clients)} clients did not come to an end, such as {next(iter(self.clients)).name}"
            )


def presence(group: Group) -> tuple[set[str], set[str]]:
    """The users who must be known to be on a channel by now, and those who may be."""
    now = time.monotonic()
    must: set[str] = set()
    may: set[str] = set()
    for member in group.members:
        if member.user_id is None:
            continue
        may.add(member.user_id)
        if _settled(member, now):
            must.add(member.user_id)
    may |= {user for user, left_s in group.departed.items() if now - left_s < SETTLED_S}
    return must, may


def _settled(member: Member, now: float) -> bool:
    return (
        member.joined != NEVER and now - member.joined_s > SETTLED_S and member.leaving == NEVER and not member.abrupt
    )
