"""The backend that an app's webhooks lead to: it notes what it is told, and knows what it must be told.

What is said of one channel comes in order: it is occupied, then vacated, then occupied. The same holds for each user
of a presence channel. Every socket that was greeted connects once and disconnects once, and every client event that
was let through is told once.
"""

import asyncio
import json
from collections import Counter
from typing import Any, Final, cast

from soak.backend import mac
from soak.model import NEVER, Publication
from soak.world import App, World

EVENTS: Final = (
    "channel_occupied", "channel_vacated", "member_added", "member_removed", "client_event", "connected",
    "disconnected",
)  # fmt: skip

_BEGINS: Final = {"channel_occupied": True, "channel_vacated": False, "member_added": True, "member_removed": False}
_REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class HookLog:
    """What an app's webhook was told, held against what has happened."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._app: App | None = None
        self._server: asyncio.Server | None = None
        self.url = ""
        self.told: Counter[str] = Counter()
        self._taken: dict[tuple[str, str], bool] = {}
        """Whether a channel is occupied, or a user is on it."""
        self._sockets: dict[str, bool] = {}
        """Whether a socket is connected."""
        self._greeted: set[str] = set()
        self._relays: dict[int, Publication] = {}
        """Client events that were not told yet."""
        self._last: dict[tuple[str, str], int] = {}

    async def listen(self) -> None:
        """Take requests from now on."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Intake(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    def close(self) -> None:
        """No longer."""
        if self._server is not None:
            self._server.close()

    def belongs_to(self, app: App) -> None:
        """It is this app's."""
        self._app, app.hooks = app, self

    def greeted(self, socket_id: str) -> None:
        """A client is connected."""
        self._greeted.add(socket_id)

    def relayed(self, publication: Publication) -> None:
        """A client event is being sent."""
        self._relays[publication.id] = publication

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """One request."""
        app = self._app
        if app is None:
            return
        if headers.get("x-pusher-signature") != mac(app.secret, body.decode()):
            self._broken(f"a request of a webhook is not signed: {body[:200]!r}")
        for event in json.loads(body)["events"]:
            self.told[event["name"]] += 1
            self._event(event)

    def _event(self, event: dict[str, Any]) -> None:
        name = event["name"]
        begins = _BEGINS.get(name)
        if begins is not None:
            place = event["channel"], event.get("user_id", "")
            if self._taken.get(place, False) is begins:
                self._broken(f"{name} of {' '.join(place)} was told twice, or what lay between was not")
            self._taken[place] = begins
        elif name == "client_event":
            self._client_event(event)
        else:
            socket_id, connects = event["socket_id"], name == "connected"
            if (socket_id in self._sockets) is connects or (not connects and not self._sockets[socket_id]):
                self._broken(f"{name} of {socket_id} was told twice, or out of order")
            self._sockets[socket_id] = connects

    def _client_event(self, event: dict[str, Any]) -> None:
        number = int(event["data"].partition(" ")[0])
        publication = self._relays.pop(number, None)
        if publication is None:
            self._broken(f"client event #{number} was told twice, or never sent: {event}")
            return
        if publication.content != event["data"] or event.get("user_id") != publication.user_id:
            self._broken(f"{publication} was told wrong: {event}")
        source = event["channel"], event["socket_id"]
        if self._last.get(source, 0) > number:
            self._broken(f"{publication} was told after #{self._last[source]}, which was sent later")
        self._last[source] = number

    def check_all_gone(self) -> None:
        """Everybody has left, and nothing is under way: everything that begins has come to its end."""
        for (channel, user), taken in self._taken.items():
            if taken:
                self._broken(
                    f"it was never told that {f'{user} left ' if user else ''}{channel} {'' if user else 'is empty'}"
                )
        if lost := self._greeted - self._sockets.keys():
            self._broken(f"it was never told that {min(lost)} connected, nor {len(lost) - 1} others")
        if left := [socket_id for socket_id, connected in self._sockets.items() if connected]:
            self._broken(f"it was never told that {left[0]} disconnected, nor {len(left) - 1} others")
        for publication in self._relays.values():
            if publication.definite and publication.answered != NEVER and not publication.refused:
                self._broken(f"it was never told of {publication}")
        self._relays.clear()
        self._greeted.clear()
        self._sockets.clear()
        self._last.clear()

    def _broken(self, what: str) -> None:
        self._world.report(f"webhook: {what}")


class _Intake(asyncio.Protocol):
    """One connection of the server's webhooks."""

    def __init__(self, log: HookLog) -> None:
        self._log = log
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            rows = self._data[:end].decode("latin-1").split("\r\n")[1:]
            headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
            size = end + 4 + int(headers.get("content-length", "0"))
            if len(self._data) < size:
                return
            body, self._data = self._data[end + 4 : size], self._data[size:]
            self._log.take(headers, body)
            self._transport.write(_REPLY)
