"""The console's live feed: the server's own Pusher dialect, on an app of the server's own.

Whoever is signed in opens a socket here and subscribes to what they may see; nothing needs a signature, for the cookie
has said who they are. What nobody is subscribed to costs nothing: apps are watched, and their readings taken, only
while somebody looks.

- `private-overview`, event `reading`: a `Reading` each second. For operators.
- `private-app-KEY`, event `reading`: an `AppReading` each second.
- `private-stream-KEY`, event `sightings`: `Sightings`, at most four times a second.

Invariant: a session that has ended, or an app that is somebody else's, gets no subscription; sockets of sessions that
have ended are closed, and subscriptions to what has become somebody else's taken back, within a second or two.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

import structlog

from pushery.console.gate import Gate
from pushery.console.readings import AppReadings, Readings
from pushery.console.stream import Stream
from pushery.console.visitors import Visitor, Visitors
from pushery.core import codes
from pushery.core.apps import App, Directory
from pushery.core.appsettings import AppSettings
from pushery.core.channelnames import ChannelKind
from pushery.core.effects import OpenSocket, Outcome, Route, Send, Unsubscribe
from pushery.core.encoding import as_json
from pushery.core.exchange import Request
from pushery.core.ports import Clock, IdSource
from pushery.core.publications import ChannelEvent
from pushery.dialects.pusher import messages
from pushery.dialects.pusher.proofs import Unproved
from pushery.dialects.pusher.session import PusherSession
from pushery.node import Node
from pushery.node.peers import ChannelPlace, Peer

log = structlog.get_logger("pushery.console")

OVERVIEW: Final = "private-overview"
OF_APP: Final = "private-app-"
STREAM: Final = "private-stream-"

_EVERY_S: Final = 0.25
_PER_SECOND: Final = 4
_ACTIVITY_TIMEOUT_S: Final = 120
_MESSAGE_LIMIT: Final = 4096
_FORBIDDEN: Final = 403
_CONSOLE: Final = "#console"
"""What the server's own app is called. No registered one can be: their keys have no such character."""


def own_app() -> App:
    """The app whose sockets are those of the console's pages."""
    settings = AppSettings(gopusher=False, max_channels=100)
    return App(
        key=_CONSOLE,
        secret="",
        name=_CONSOLE,
        auth_account="",
        auth_password="",
        request_ip="",
        registered_ms=0,
        settings=settings,
        id="",
    )


class FeedSession(PusherSession):
    """One page's connection."""

    __slots__ = ("_may_see",)
    _proven = True

    def __init__(self, directory: Directory, app: App, socket_id: str, may_see: Callable[[str], bool]) -> None:
        super().__init__(
            directory, app, socket_id, activity_timeout_s=_ACTIVITY_TIMEOUT_S, message_limit=_MESSAGE_LIMIT
        )
        self._may_see = may_see

    def _is_granted(self, name: str, kind: ChannelKind) -> bool:
        if not self._may_see(name):
            raise Unproved(_nothing_on(name), _FORBIDDEN)
        return True


class Feed:
    """All that the console's pages are told by themselves."""

    def __init__(
        self, node: Node, gate: Gate, visitors: Visitors, readings: Readings, ids: IdSource, clock: Clock
    ) -> None:
        self._node = node
        self._gate = gate
        self._visitors = visitors
        self._readings = readings
        self._ids = ids
        self._clock = clock
        self._directory = node.registry.directory
        self._app = own_app()
        self._directory.put_own(self._app)
        self._streams: dict[str, Stream] = {}
        """Of the apps that somebody looks at, by key."""
        self._of_apps: dict[str, AppReadings] = {}
        self._sockets: dict[str, Visitor] = {}
        """Socket ids of open pages, each with who has opened it."""

    def routes(self) -> list[Route]:
        """The one route of the feed."""
        return [Route("GET", "/console/feed", self.connect, "The console's live feed (WebSocket).")]

    def connect(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/feed"""
        visitor, socket_id = self._gate.from_own_page(request), self._ids.socket_id()
        self._sockets[socket_id] = visitor

        def may_see(channel: str) -> bool:
            return self._may_see(visitor, channel)

        return OpenSocket(FeedSession(self._directory, self._app, socket_id, may_see))

    def _may_see(self, visitor: Visitor, channel: str) -> bool:
        if not self._visitors.lasts(visitor, self._clock.monotonic()):
            return False
        if channel == OVERVIEW:
            return self._visitors.is_operator(visitor)
        for start in (STREAM, OF_APP):
            if channel.startswith(start):
                app = self._directory.apps.get(channel.removeprefix(start))
                return app is not None and self._visitors.administers(visitor, app)
        return False

    async def run(self) -> None:
        """Tell them, for ever."""
        turn, second, due = 0, self._clock.monotonic(), self._clock.monotonic() + _EVERY_S
        while True:
            await asyncio.sleep(max(due - self._clock.monotonic(), 0))
            now = self._clock.monotonic()
            turn, due, late_s = turn + 1, max(due, now - _EVERY_S) + _EVERY_S, max(now - due, 0.0)
            try:
                await self._tell_streams()
                if turn % _PER_SECOND == 0:
                    self._tell_readings(now - second, late_s)
                    self._look_after_sockets()
                    second = now
            except Exception:
                log.exception("console_feed_failed")

    async def _tell_streams(self) -> None:
        """Tell of every app that somebody looks at, with the loop's other work between two of them."""
        crowd, hub = self._node.hub.look(_CONSOLE), self._node.hub
        wanted = {channel.name.removeprefix(STREAM) for channel in crowd.channels.occupied(STREAM)}
        for key in self._streams.keys() - wanted:
            hub.unwatch(key)
            del self._streams[key]
        for key in wanted:
            if key not in self._directory.apps:
                continue
            stream = self._streams.get(key)
            if stream is None or key not in hub.watched:
                stream = self._streams[key] = Stream(self._clock.wall_ms)
                hub.watch(key, stream)
            sightings = stream.take()
            if sightings is not None:
                self._say(STREAM + key, "sightings", sightings)
                await asyncio.sleep(0)

    def _tell_readings(self, seconds: float, late_s: float) -> None:
        at_ms, hub = self._clock.wall_ms(), self._node.hub
        reading = self._readings.take(at_ms, seconds, len(self._directory.apps), late_s)
        crowd = hub.look(_CONSOLE)
        if OVERVIEW in crowd.channels.by_name:
            self._say(OVERVIEW, "reading", reading)
        wanted = {channel.name.removeprefix(OF_APP) for channel in crowd.channels.occupied(OF_APP)}
        for key in self._of_apps.keys() - wanted:
            del self._of_apps[key]
        for key in wanted & self._directory.apps.keys():
            of_app, watched = self._of_apps.get(key), hub.look(key)
            if of_app is None:
                self._of_apps[key] = AppReadings(watched)
            else:
                self._say(OF_APP + key, "reading", of_app.take(watched, at_ms, seconds))

    def _look_after_sockets(self) -> None:
        """Close those of who has signed out meanwhile, has asked for nothing for too long, or may see nothing any more;
        take back what else they lost.
        """
        now, sockets = self._clock.monotonic(), cast("Mapping[str, Peer]", self._node.hub.look(_CONSOLE).sockets)
        for socket_id, visitor in list(self._sockets.items()):
            peer = sockets.get(socket_id)
            if peer is None:
                del self._sockets[socket_id]
            elif self._visitors.look(visitor.token, now) is None:
                peer.close(codes.UNAUTHORIZED)
            else:
                self._take_back(peer, visitor)

    def _take_back(self, peer: Peer, visitor: Visitor) -> None:
        """End the subscriptions that would not be granted any more, and say so."""
        place = peer.place
        channels = list(place.channels) if isinstance(place, ChannelPlace) else []
        for name in channels:
            if not self._may_see(visitor, name):
                error = messages.subscription_error(name, "AuthError", _nothing_on(name), _FORBIDDEN)
                self._node.apply(peer, (Unsubscribe(name), *map(Send, error)))

    def _say(self, channel: str, event: str, value: object) -> None:
        self._node.say(self._app, ChannelEvent(event, as_json(value).decode(), (channel,), cached=False))


def _nothing_on(channel: str) -> str:
    return f"There is nothing to see on {channel}, or not for this account"
