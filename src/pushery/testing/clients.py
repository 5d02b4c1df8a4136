"""Small clients for assertions: what a browser would get, waited for with a deadline.

They speak just enough of either protocol, on `websockets`' blocking client. Invariant: a wait ends with what was asked
for, or with an AssertionError that says what came instead.
"""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from pushery.testing.account import TestingApp

TIMEOUT_S: Final = 5.0
"""How long a client waits unless told otherwise: far longer than a message takes, also on a busy machine."""

_GREETING: Final = "pusher:connection_established"
_SUBSCRIBED: Final = "pusher_internal:subscription_succeeded"


class _Client:
    def __init__(self, address: str) -> None:
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(address, open_timeout=TIMEOUT_S, proxy=None))

    def close(self) -> None:
        """Leave; harmless when repeated."""
        self._open.close()

    def wait_closed(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait until the server closes the connection; returns the close code. What comes before is passed over."""
        end = time.monotonic() + timeout_s
        try:
            while True:
                self._next(end, "the end of the connection")
        except ConnectionClosed as closed:
            return 1006 if closed.rcvd is None else closed.rcvd.code

    def _next(self, end: float, what: str) -> str:
        try:
            message = self._socket.recv(max(0.0, end - time.monotonic()))
        except TimeoutError:
            raise AssertionError(f"waited for {what}, and nothing came") from None
        return message if isinstance(message, str) else message.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TagClient(_Client):
    """A client with a tag. A context manager: leaving it closes the connection."""

    def __init__(self, app: TestingApp, tag: str) -> None:
        self.tag = tag
        super().__init__(f"ws://{app.host}:{app.port}/ws/{app.key}/{quote(tag, safe='')}")

    def receive(self, timeout_s: float = TIMEOUT_S) -> str:
        """The next text pushed to it. Raises AssertionError when none comes in time."""
        return self._next(time.monotonic() + timeout_s, f"a text for tag {self.tag!r}")


@dataclass(frozen=True, slots=True)
class Received:
    """An event as a client got it; `data` is decoded where it is JSON."""

    channel: str
    event: str
    data: Any
    user_id: str | None = None
    """The member of a presence channel who sent it, where a client did."""


class ChannelClient(_Client):
    """A client of Pusher's protocol. A context manager: leaving it closes the connection."""

    def __init__(self, app: TestingApp) -> None:
        self._app = app
        super().__init__(f"ws://{app.host}:{app.port}/app/{app.key}?protocol=7&client=pushery-testing")
        self._kept: list[dict[str, Any]] = []
        """What came while something else was waited for."""
        self.socket_id: str = json.loads(self._frame(_GREETING)["data"])["socket_id"]

    def subscribe(self, channel: str, user_id: str = "1", user_info: object = None) -> None:
        """Subscribe, signing for private channels, and on presence channels as this user; returns once it is done."""
        data: dict[str, str] = {"channel": channel}
        if channel.startswith("presence-"):
            data["channel_data"] = json.dumps({"user_id": user_id, "user_info": user_info})
        if channel.startswith(("private-", "presence-")):
            data["auth"] = self._app.sign(self.socket_id, channel, data.get("channel_data", ""))
        self._say("pusher:subscribe", data)
        self._frame(_SUBSCRIBED, lambda frame: frame["channel"] == channel)

    def unsubscribe(self, channel: str) -> None:
        """End a subscription; nothing says when that is done."""
        self._say("pusher:unsubscribe", {"channel": channel})

    def send(self, channel: str, event: str, data: object) -> None:
        """Send a client event, whose name begins with "client-"."""
        self._socket.send(json.dumps({"event": event, "channel": channel, "data": data}))

    def receive(self, timeout_s: float = TIMEOUT_S) -> Received:
        """The next event of any of its channels, but for those of the protocol. Raises AssertionError when none comes
        in time.
        """
        frame = self._frame(None, lambda frame: not frame["event"].startswith(("pusher", "pushery")), timeout_s)
        return Received(frame.get("channel", ""), frame["event"], decoded(frame.get("data")), frame.get("user_id"))

    def _say(self, event: str, data: dict[str, str]) -> None:
        self._socket.send(json.dumps({"event": event, "data": data}))

    def _frame(
        self,
        event: str | None,
        fits: Callable[[dict[str, Any]], bool] = lambda frame: True,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """The next frame that fits, of this event or of any; others are kept."""
        for number, frame in enumerate(self._kept):
            if event in (None, frame["event"]) and fits(frame):
                return self._kept.pop(number)
        end = time.monotonic() + timeout_s
        while True:
            frame = json.loads(self._next(end, f"{event or 'an event'}; kept: {self._kept}"))
            if event in (None, frame["event"]) and fits(frame):
                return frame  # type: ignore[no-any-return]  # it is JSON
            assert not (frame["event"] == "pusher:error" and event), f"instead of {event}: {frame['data']}"
            self._kept.append(frame)


def decoded(data: object) -> Any:
    """What stands in `data` as JSON, or `data` itself where that is none."""
    if not isinstance(data, str):
        return data
    try:
        return json.loads(data)
    except ValueError:
        return data
