"""Clients without a socket, played by the test: they ask for what they receive, and send with requests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pushery.core.effects import PublishEvent
from pushery.core.exchange import Reply
from pushery.core.publications import ChannelEvent
from pushery.dialects.pusher import PusherSockets, SocketOptions
from pushery.dialects.pusher.fallbacks import PusherFallbacks
from pushery.node import Node
from pushery.node.system import SystemClock
from pushery.server.router import Router
from tests.node.fakes import CountingIds
from tests.server.unit.memory import KEY, MemoryTransport, Scene, request

MESSAGE_LIMIT = 2000
QUERY = "?protocol=7&client=js&version=8.6.0&t=1&n=1"


def _router(node: Node) -> Router:
    sockets = PusherSockets(SocketOptions(MESSAGE_LIMIT, 120), node.registry.directory, CountingIds(), SystemClock())
    return Router([*sockets.routes(), *PusherFallbacks(sockets).routes()])


@dataclass
class Said:
    """What a client has read of one reply."""

    status: int
    head: bytes
    lines: list[str]
    whole: bool = False
    """Whether the reply is complete."""

    @property
    def texts(self) -> list[str]:
        """The messages, without lines of other kinds."""
        return [text for line in self.lines if line[0] == "a" for text in json.loads(line[1:])]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The messages, decoded."""
        return [json.loads(text) for text in self.texts]

    @property
    def kinds(self) -> str:
        """What the lines are, a letter each."""
        return "".join(line[0] for line in self.lines)

    @property
    def closed(self) -> list[Any]:
        """Code and reason of the one close, which is last."""
        assert self.kinds.count("c") == 1
        assert self.lines[-1][0] == "c"
        closed: list[Any] = json.loads(self.lines[-1][1:])
        return closed

    @property
    def values(self) -> list[Any]:
        """The data of the events called `e`."""
        return [json.loads(event["data"]) for event in self.events if event["event"] == "e"]


def read(data: bytes) -> list[Said]:
    """The replies in what a client received, the last one perhaps incomplete."""
    replies = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        said = Said(int(head.split()[1]), head, [])
        body = b""
        if b"Transfer-Encoding: chunked" in head:
            while data and not said.whole:
                size, _, data = data.partition(b"\r\n")
                body += data[: int(size, 16)]
                assert data[int(size, 16) :][:2] == b"\r\n"
                data = data[int(size, 16) + 2 :]
                said.whole = int(size, 16) == 0
        elif b"Content-Length: " in head:
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            body, data = data[:length], data[length:]
            said.whole = True
        elif said.status == 204:
            said.whole = True
        else:
            body, data = data, b""
        said.lines = body.decode().split("\n")[:-1] if said.status == 200 else []
        replies.append(said)
    return replies


class Page:
    """One session of a client."""

    def __init__(self, scene: "FallbackScene", session: str = "k3j9ab0q", key: str = KEY) -> None:
        self.scene = scene
        self.base = f"/pusher/app/{key}/812/{session}"

    async def stream(self, *headers: str, **options: Any) -> MemoryTransport:
        """Ask for a reply that goes on; returns the connection it comes on."""
        connection = self.scene.connect(**options)
        await connection.say(request("POST", f"{self.base}/xhr_streaming{QUERY}", *headers, body=b""), 3)
        return connection

    async def poll(self, connection: MemoryTransport | None = None, *headers: str) -> MemoryTransport:
        """Ask for a reply that ends, perhaps on a connection that has had another."""
        connection = connection or self.scene.connect()
        connection.received = b""
        await connection.say(request("POST", f"{self.base}/xhr{QUERY}", *headers, body=b""), 5)
        return connection

    async def send(self, *messages: object) -> Said:
        """Send messages; values become JSON first."""
        texts = [message if isinstance(message, str) else json.dumps(message) for message in messages]
        return await self.send_body(json.dumps(texts).encode())

    async def send_body(self, body: bytes) -> Said:
        """Send whatever it is."""
        connection = self.scene.connect()
        await connection.say(request("POST", f"{self.base}/xhr_send?t=1&n=2", body=body), 5)
        [said] = read(connection.received)
        return said

    async def subscribe(self, channel: str = "news") -> None:
        """Subscribe to a public channel."""
        said = await self.send({"event": "pusher:subscribe", "data": {"auth": "", "channel": channel}})
        assert said.status == 204


def said_on(connection: MemoryTransport) -> Said:
    """The one reply on a connection."""
    [said] = read(connection.received)
    return said


class FallbackScene(Scene):
    """A server with one app that speaks the Pusher protocol."""

    def __init__(self, **options: Any) -> None:
        super().__init__(router=_router, **options)

    def publish(self, values: Sequence[object], channel: str = "news") -> None:
        """Publish an event `e` with each of these as its data."""
        events = [ChannelEvent("e", msgspec.json.encode(value).decode(), (channel,)) for value in values]
        effect = PublishEvent(
            KEY, events, lambda crowd, counts: Reply(200), lambda error: Reply(400), lambda limit: Reply(429)
        )
        self.node.perform(effect)

    def change(self, **settings: Any) -> None:
        """Change settings of the app."""
        app = self.node.registry.apps[KEY]
        changed = msgspec.structs.replace(app, settings=msgspec.structs.replace(app.settings, **settings))
        self.node.registry.directory.put(changed)

    @property
    def online(self) -> int:
        """How many sockets and sessions the app has."""
        return len(self.node.hub.crowd(KEY))
